"""docs/EXACTLY_ONCE.md is complete: what it promises is promised for each kind of effect."""

from __future__ import annotations

import re
from pathlib import Path

from oya_vcs.core.effects import EFFECTS
from oya_vcs.core.events import EVENTS, Received, Requested

PAGE = Path(__file__).resolve().parents[2] / "docs" / "EXACTLY_ONCE.md"


def test_every_kind_of_effect_has_its_row() -> None:
    """Each with what makes it recognisable, its probe, and what is done when it is absent; no row
    speaks of an effect that is not there."""
    rows = re.findall(r"^\| `(\w+)` \|(.+)\|$", PAGE.read_text("utf-8"), re.MULTILINE)
    assert sorted(name for name, _ in rows) == sorted(effect.__name__ for effect in EFFECTS)
    assert all(cell.strip() for _, cells in rows for cell in cells.split("|"))
    assert {len(cells.split("|")) for _, cells in rows} == {3}


def test_every_intent_is_named() -> None:
    """The events that carry a key of something that happens once, and do not settle one."""
    text = PAGE.read_text("utf-8")
    assert {Requested, Received} <= set(EVENTS)
    assert all(f"`{event.__name__}" in text for event in (Requested, Received))
