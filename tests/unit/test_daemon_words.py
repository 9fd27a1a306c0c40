"""What a daemon's repositories are said to do, and how many beads go into one request."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import msgspec
import pytest

from oya_vcs.adapters.control import LINE_BYTES_MAX
from oya_vcs.adapters.reaper.quiet import Hidden, quiet
from oya_vcs.cli import daemon
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


def test_the_daemon_s_log_is_bounded_and_keeps_no_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However much is logged, there are LOGS_KEPT old files beside the newest, none larger than the
    limit; the last line is there; and no file, old or new, holds a secret."""
    monkeypatch.setattr(daemon, "LOG_BYTES_MAX", 2_000)
    root, path = logging.getLogger(), tmp_path / "daemon.log"
    before = list(root.handlers)
    try:
        daemon._log_to(path, alone=True)
        with quiet(Hidden(["hunter2!"])):
            for number in range(300):
                root.warning("line %s of hunter2!, which is long enough to fill a file", number)
    finally:
        for handler in set(root.handlers) - set(before):
            handler.close()
        root.handlers[:] = before
    files = sorted(tmp_path.iterdir())
    assert len(files) == 1 + daemon.LOGS_KEPT
    assert all(0 < one.stat().st_size <= 2_000 for one in files)
    assert "line 299 of [redacted]" in path.read_text()
    assert not any("hunter2" in one.read_text() for one in files)
