"""docs/PULLS.md says which conversation shows what: all of them, and tests that exist."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TABLE = (ROOT / "docs" / "PULLS.md").read_text("utf-8").split("| scenario | conversation |")[1]
DEFINED = re.compile(r"^async def (test_\w+)", re.MULTILINE)


def names_below(folder: str) -> set[str]:
    """The tests below a folder of tests/."""
    files = (ROOT / "tests" / folder).rglob("test_*.py")
    return {name for file in files for name in DEFINED.findall(file.read_text("utf-8"))}


def test_every_conversation_is_in_the_table_and_what_is_named_there_exists() -> None:
    """Whoever adds a conversation says what it shows."""
    named = set(re.findall(r"`(test_\w+)`", TABLE))
    assert names_below("talks") <= named <= names_below(".")
