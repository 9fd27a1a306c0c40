"""How far a long reading has come: written over on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import io
import sys

import pytest

from oya_vcs.cli.meter import LINE_EVERY, Meter


class Terminal(io.StringIO):
    """A stderr that people look at."""

    def isatty(self) -> bool:
        return True


def test_a_terminal_shows_a_percentage_and_is_left_clean(monkeypatch: pytest.MonkeyPatch) -> None:
    """One line that is written over, and wiped at the end."""
    stderr = Terminal()
    monkeypatch.setattr(sys, "stderr", stderr)
    with Meter("Replaying", 400) as meter:
        meter.at(100)
        meter.at(400)
    assert stderr.getvalue() == "\rReplaying:  25 %\rReplaying: 100 %\r\x1b[K"


def test_elsewhere_a_line_is_written_every_so_often(capsys: pytest.CaptureFixture[str]) -> None:
    """Whole lines, few of them, and nothing on stdout."""
    with Meter("Replaying", 3 * LINE_EVERY) as meter:
        for seq in range(0, 2 * LINE_EVERY + 1, LINE_EVERY // 5):
            meter.at(seq)
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.splitlines() == [
        f"Replaying: {LINE_EVERY} of {3 * LINE_EVERY} events",
        f"Replaying: {2 * LINE_EVERY} of {3 * LINE_EVERY} events",
    ]


@pytest.mark.parametrize("stderr", [Terminal(), io.StringIO()], ids=["terminal", "file"])
def test_a_short_reading_says_nothing(monkeypatch: pytest.MonkeyPatch, stderr: io.StringIO) -> None:
    """Who waits for nothing need not be told."""
    monkeypatch.setattr(sys, "stderr", stderr)
    with Meter("Replaying", 0):
        pass
    assert stderr.getvalue() == ""
