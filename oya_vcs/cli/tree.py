"""The supervision tree of a running daemon as people see it. Reads what the daemon answered; knows
nobody there."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from oya_vcs.cli.output import duration, table
from oya_vcs.core.supervision import Node
from oya_vcs.errors import WorldFailed


def drawn(data: object, now_ms: int) -> str:
    """A line for each part: its name under its supervisor's, what it does, for how long, how often
    it was started again, how its supervisor goes about that, its last error.

    Raises WorldFailed for an answer that is no tree.
    """
    try:
        root = msgspec.convert(data, Node)
    except msgspec.ValidationError as error:
        message = f"The daemon's answer is no tree: {error}."
        raise WorldFailed(
            message, hint="Is it of another version? `oya-vcs doctor` says."
        ) from error
    rows = [
        (
            name,
            str(node.status),
            duration(max(0, now_ms - node.since_ms)),
            str(node.restarts) if node.restarts else "",
            str(node.strategy or ""),
            node.error.strip().partition("\n")[0],
        )
        for name, node in _lines(root, "", "")
    ]
    return table(("part", "is", "for", "restarts", "strategy", "last error"), rows)


def _lines(node: Node, first: str, rest: str) -> Iterator[tuple[str, Node]]:
    """The node and all below it, each with its name behind its branch."""
    yield f"{first}{node.name}", node
    for child in node.children:
        last = child is node.children[-1]
        branch, stem = ("└─ ", "   ") if last else ("├─ ", "│  ")
        yield from _lines(child, rest + branch, rest + stem)
