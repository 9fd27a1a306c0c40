"""What a command prints: one answer for people, or one JSON object for programs.

Answers go to stdout, everything else to stderr. Standard library only; knows nothing of what it
prints.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TextIO

from oya_vcs.errors import ExitCode, OyaError, WorldFailed


@dataclass(frozen=True, slots=True)
class Output:
    """Where a command's answer goes. `json` is the user's `--json`."""

    json: bool

    def answer(self, name: str, data: object, text: str, *, ok: bool = True) -> None:
        """Print the answer: `data` under schema `oya-vcs/<name>/v1`, or `text` for people.

        Raises WorldFailed where it cannot be written; a reader that has gone away is no error.
        """
        if self.json:
            envelope = {"schema": f"oya-vcs/{name}/v1", "ok": ok, "data": data}
            _write(sys.stdout, json.dumps(envelope, ensure_ascii=False))
        elif text:
            _write(sys.stdout, printable(text))

    def say(self, text: str) -> None:
        """Tell people something that is not the answer; whether or not anybody listens."""
        with suppress(WorldFailed):
            _write(sys.stderr, printable(text))

    def error(self, name: str, error: OyaError) -> ExitCode:
        """Print an error in its one form and return its exit code."""
        if self.json:
            what = {"code": error.code, "message": error.message, "hint": error.hint}
            envelope = {"schema": f"oya-vcs/{name}/v1", "ok": False, "error": what}
            with suppress(WorldFailed):
                _write(sys.stdout, json.dumps(envelope, ensure_ascii=False))
        hint = f"\n  {error.hint}" if error.hint else ""
        self.say(f"oya-vcs: {error.message}{hint}")
        return error.exit_code


def printable(text: str) -> str:
    """Text of beads, workers and branches made harmless for a terminal: control characters are
    shown, line breaks and tabs stay."""
    return "".join(one if one.isprintable() or one in "\n\t" else ascii(one)[1:-1] for one in text)


def _write(stream: TextIO, text: str) -> None:
    try:
        print(text, file=stream, flush=True)
    except BrokenPipeError:
        _abandon(stream)
    except OSError as error:
        _abandon(stream)
        message = f"The output could not be written: {error.strerror}."
        raise WorldFailed(message) from error


def _abandon(stream: TextIO) -> None:
    """Let nothing more be written to a stream that is gone, nor the interpreter stumble over it."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A plain table: columns as wide as their widest cell, two spaces between, no lines."""
    widths = [max(len(row[i]) for row in (head, *rows)) for i in range(len(head))]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in (head, *rows)
    ]
    return "\n".join(lines)


def duration(ms: int) -> str:
    """A span of time as people say it: 840 ms, 3.2 s, 4 m 05 s, 2 h 10 m."""
    if ms < 1_000:
        return f"{ms} ms"
    seconds = ms / 1_000
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(int(seconds), 60)
    if minutes < 60:
        return f"{minutes} m {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} m"
