"""Text as Markdown: what stands in a cell, and tables. Knows nothing of what it writes about."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

HEAD = "<!-- Made by `make docs`; what is changed here by hand is lost. -->"
"""The first line of each page."""


def cell(text: str) -> str:
    """Text that ends no cell and is no HTML."""
    return text.replace("|", "\\|").replace("<", "&lt;").replace("\n", " ")


def code(text: str) -> str:
    """A cell of code, or nothing."""
    return f"`{text}`".replace("|", "\\|") if text else ""


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """The lines of a table, and an empty one; no line at all where there is no row."""
    lines = [f"| {' | '.join(row)} |" for row in rows]
    if lines:
        yield f"| {' | '.join(head)} |"
        yield f"|{'---|' * len(head)}"
        yield from lines
        yield ""


def page(lines: Iterable[str]) -> str:
    """A whole page."""
    return "\n".join((HEAD, *lines)).rstrip("\n") + "\n"
