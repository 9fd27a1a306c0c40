"""Which pages there are, and who writes each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from tests.reference import commands, configuration, events

FOLDER = Path(__file__).parents[2] / "docs" / "reference"
PAGES: Mapping[Path, Callable[[str], str]] = {
    FOLDER / "CONFIGURATION.md": configuration.written,
    FOLDER / "CLI.md": commands.written,
    FOLDER / "EVENTS.md": events.written,
}
"""What writes each page from the page as it stands."""


def standing(path: Path) -> str:
    """A page as it stands; empty where there is none yet."""
    return path.read_text("utf-8") if path.exists() else ""
