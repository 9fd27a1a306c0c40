"""docs/TRAPS.md is true: each trap has its test."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "TRAPS.md"


def test_each_trap_names_a_test_that_is_there_and_says_what_it_is_for() -> None:
    """One test a row or several, by file and name, with a docstring; none stands for two traps."""
    lines = PAGE.read_text("utf-8").splitlines()
    rows = [line for line in lines if line.startswith("| ") and not line.startswith("| what")]
    form = re.compile(r"\| [^|]+ \| (`test_\w+\.py::test_\w+`(, (?!\|)| (?=\|)))+\|")
    assert [row for row in rows if not form.fullmatch(row)] == []
    tests = [found for row in rows for found in re.findall(r"`(test_\w+\.py)::(test_\w+)`", row)]
    assert len(tests) == len(set(tests)) > 60
    assert [one for one in tests if not _docstring(*one)] == []


def _docstring(file: str, name: str) -> str:
    """What a test says of itself; empty where it is not there."""
    (path,) = (ROOT / "tests").rglob(file)
    found = [
        node
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name == name
    ]
    return (ast.get_docstring(found[0]) or "") if found else ""
