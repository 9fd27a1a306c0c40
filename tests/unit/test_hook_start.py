"""`oya-vcs hook` stands between people and their push: what it imports is counted, not timed."""

from __future__ import annotations

import subprocess
import sys

import pytest

MODULES_MAX = 90
"""Beyond those of a bare interpreter: a hundred take some 20 ms, a push must not be felt."""
CODE = """
import io, sys
before = {*sys.modules}
sys.stdin = io.StringIO("")
from oya_vcs.cli import main
status = main(sys.argv[1:])
print(status, *sorted({*sys.modules} - before))
"""


def imported(*words: str) -> tuple[int, set[str]]:
    """The exit code of a hook, and what it has imported."""
    argv = [sys.executable, "-c", CODE, *words]
    ran = subprocess.run(argv, capture_output=True, text=True, check=True)
    status, *modules = ran.stdout.split()
    return int(status), set(modules)


def test_gits_hook_imports_little_and_nothing_of_others() -> None:
    """The standard library alone, and of that what talks to a socket."""
    status, modules = imported("hook", "pre-push", "--", "origin", "there")
    assert status == 0
    assert len(modules) <= MODULES_MAX, sorted(modules)
    rooms = {name.partition(".")[0] for name in modules} - sys.stdlib_module_names
    assert rooms == {"oya_vcs"}
    assert modules.isdisjoint({"asyncio", "logging", "subprocess", "shutil", "tomllib"})
    assert modules.isdisjoint({"oya_vcs.cli.parser", "oya_vcs.config.sections"})


@pytest.mark.parametrize(("name", "expected"), [("submit", 3), ("land", 6), ("push", 3)])
def test_the_words_of_jj_import_the_standard_library_alone(name: str, expected: int) -> None:
    """Until a daemon is missing, nothing else is needed."""
    status, modules = imported("hook", name, "--repo", "/nowhere-at-all")
    assert status == expected
    rooms = {one.partition(".")[0] for one in modules} - sys.stdlib_module_names
    assert rooms == {"oya_vcs"}
    assert "asyncio" not in modules
