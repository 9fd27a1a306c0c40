"""docs/MERGE_QUEUE.md says which test proves which promise: all of them, and tests that exist."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "MERGE_QUEUE.md").read_text("utf-8")
PROMISED = [int(one) for one in re.findall(r"^(\d+)\. ", PAGE, re.MULTILINE)]


def names_in(*files: Path) -> set[str]:
    """The tests that these files define."""
    texts = (file.read_text("utf-8") for file in files)
    return {
        name
        for text in texts
        for name in re.findall(r"^(?:async )?def (test_\w+)", text, re.MULTILINE)
    }


def test_every_promise_has_a_test_of_its_number() -> None:
    """And no test carries the number of a promise that nobody made."""
    tests = names_in(ROOT / "tests" / "unit" / "test_queue_promises.py")
    numbers = {int(one[1]) for name in tests if (one := re.match(r"test_promise_(\d\d)_", name))}
    assert list(range(1, 14)) == PROMISED
    assert numbers == set(PROMISED)


def test_every_promise_has_tests_on_real_repositories_and_they_exist() -> None:
    """A row each, which names tests that are there."""
    table = PAGE.split("| promise | on real repositories |")[1].split("\n\n")[0]
    rows = re.findall(r"^\| (\d+) \| (.+) \|$", table, re.MULTILINE)
    assert [int(number) for number, _ in rows] == PROMISED
    there = names_in(*(ROOT / "tests").rglob("test_*.py"))
    for _, cell in rows:
        assert set() < set(re.findall(r"`(test_\w+)`", cell)) <= there
