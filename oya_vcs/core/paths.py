"""Which paths the names in a bead's `files` stand for. Pure.

A name is a file, a folder (and all in it), or a pattern of one: `*` and `?` within a part, `**`
over any number of parts, `[ab]` and `{one,two}`. All from the root of the repository.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache


def outside(paths: Iterable[str], names: Sequence[str]) -> list[str]:
    """The paths that none of the names stands for, in order."""
    allowed = [_pattern(name) for name in names]
    return sorted(path for path in paths if not any(one.match(path) for one in allowed))


@lru_cache(maxsize=1_024)
def _pattern(name: str) -> re.Pattern[str]:
    """The name as an expression that a path, or a folder above it, matches as a whole."""
    parts = [part for part in name.split("/") if part not in {"", "."}]
    if not parts:
        return re.compile("")  # the root: all that there is
    text = "".join(_parts(parts))
    try:
        return re.compile(f"{text}(?:/.*)?\\Z", re.DOTALL)
    except re.error:  # no pattern after all: the name itself
        return re.compile(re.escape("/".join(parts)) + r"(?:/.*)?\Z", re.DOTALL)


def _parts(parts: Sequence[str]) -> Iterator[str]:
    last = len(parts) - 1
    for number, part in enumerate(parts):
        if part == "**":
            yield ".*" if number == last else "(?:[^/]+/)*"
        else:
            yield "".join(_pieces(part)) + ("" if number == last else "/")


def _pieces(part: str) -> Iterator[str]:
    for found in re.finditer(r"\*+|\?|\[[!^]?[^\]]+\]|\{[^{}]*\}|.", part, re.DOTALL):
        piece = found[0]
        if piece[0] == "*":
            yield "[^/]*"
        elif piece == "?":
            yield "[^/]"
        elif piece[0] == "[" and len(piece) > 1:
            inner = piece[1:-1].replace("\\", r"\\").replace("[", r"\[")
            yield f"[{'^' + inner[1:] if inner[0] in '!^' else inner}]"
        elif piece[0] == "{" and len(piece) > 1:
            choices = ("".join(_pieces(one)) for one in piece[1:-1].split(","))
            yield f"(?:{'|'.join(choices)})"
        else:
            yield re.escape(piece)
