"""The mark in a comment of ours: invisible to people, and how we know our own.

It carries the key of the effect that wrote the comment, so that a comment is written once however
often a crash comes in between; and a comment that has one is never read for commands. Whoever puts
a mark into a comment of his own only keeps us from reading it.
"""

from __future__ import annotations

import re

_MARK = re.compile(r"<!-- oya-vcs:([0-9A-Za-z][0-9A-Za-z:._/-]{0,199}) -->")


def mark(key: str) -> str:
    """The line that a comment begins with; `key` are letters, digits and `:._/-`."""
    return f"<!-- oya-vcs:{key} -->"


def key_in(comment: str) -> str | None:
    """The key of the mark that a comment begins with, or None where it is not ours. What people
    write after it, when they edit or answer a comment, makes none."""
    found = _MARK.match(comment)
    return None if found is None else found[1]
