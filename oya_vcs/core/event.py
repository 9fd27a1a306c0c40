"""What all events share. The events themselves are in `events.py` and `outcomes.py`."""

from __future__ import annotations

from typing import ClassVar


class Event:
    """What all events share. Only its subclasses are ever made."""

    __slots__ = ()
    version: ClassVar[int] = 1

    @property
    def subject(self) -> str:
        """What the event is about: a bead where there is one, else a repository."""
        return str(getattr(self, "bead", "") or getattr(self, "repo", ""))

    @property
    def unique(self) -> str | None:
        """A key that may stand in the journal once only."""
        return None
