"""What a daemon's repositories are said to do, and how many beads go into one request."""

from __future__ import annotations

import json

import msgspec

from oya_vcs.adapters.control import LINE_BYTES_MAX
from oya_vcs.cli.daemon import repository_lines
from oya_vcs.cli.importing import portions
from oya_vcs.core.ids import BeadId
from oya_vcs.core.spec import BeadSpec


def test_each_repository_has_its_line() -> None:
    """One that is worked on, one with its last good configuration, one that stands aside, each with
    the reason where there is one."""
    row = {"path": "/p", "target": "main", "serving": True, "error": ""}
    assert repository_lines([row]) == ["  /p is worked on; changes land on main."]
    (kept,) = repository_lines([{**row, "error": "Wrong."}])
    assert kept == "  /p goes on as it was configured before: Wrong."
    (aside,) = repository_lines([{**row, "serving": False, "error": "Gone."}])
    assert aside == "  /p stands aside: Gone."


def test_requests_fit_the_line_and_lose_nothing() -> None:
    """However large the beads are together, each request is shorter than the daemon's longest line,
    and all of them come once, in their order."""
    beads = [
        BeadSpec(id=BeadId(f"b{n}"), title="t", description='"' * 30_000 + "ä" * 20_000)
        for n in range(40)
    ]
    found = list(portions(beads))
    assert [one for portion in found for one in portion] == beads
    assert len(found) > 1
    for portion in found:
        assert len(json.dumps(msgspec.to_builtins(portion))) < LINE_BYTES_MAX
