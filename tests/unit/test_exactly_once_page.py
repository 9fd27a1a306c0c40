"""docs/EXACTLY_ONCE.md is complete: what it promises is promised for each kind of effect."""

from __future__ import annotations

import re
from pathlib import Path

from oya_vcs.core.effects import EFFECTS
from oya_vcs.core.events import EVENTS, Received, Requested

PAGE = Path(__file__).resolve().parents[2] / "docs" / "EXACTLY_ONCE.md"


def test_every_kind_of_effect_has_its_row() -> None:
    """Each with what makes it recognisable, its probe, and what is done when it is absent; no row
    speaks of an effect that is not there. The first table is of all; the second one of what is
    otherwise on GitHub."""
    kinds = {effect.__name__ for effect in EFFECTS}
    everywhere, on_github = (_rows(part) for part in PAGE.read_text("utf-8").split("## On GitHub"))
    assert sorted(name for names, _ in everywhere for name in names) == sorted(kinds)
    assert {name for names, _ in on_github for name in names} <= kinds
    for _, cells in (*everywhere, *on_github):
        assert len(cells) == 3
        assert all(cell.strip() for cell in cells)


def test_every_intent_is_named() -> None:
    """The events that carry a key of something that happens once, and do not settle one."""
    text = PAGE.read_text("utf-8")
    assert {Requested, Received} <= set(EVENTS)
    assert all(f"`{event.__name__}" in text for event in (Requested, Received))


def _rows(text: str) -> list[tuple[list[str], list[str]]]:
    """The kinds of effect that each row of a table is about, and what it says of them."""
    rows = re.findall(r"^\| (`\w+`(?:, `\w+`)*) \|(.+)\|$", text, re.MULTILINE)
    return [(re.findall(r"\w+", names), cells.split("|")) for names, cells in rows]
