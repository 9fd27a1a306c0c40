"""Whose turn it is to change something on GitHub, which wants that done one at a time and slowly.

What lands goes before what is shown of it, and both before what is said: a landing must not wait
behind the comments of fifty others. Pure: requests and turns in, who is next out. Knows the paths
of GitHub's API, and neither time nor what a request is for.
"""

from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass, field
from enum import IntEnum

OLDEST_EVERY = 10
"""One turn in so many is that of whoever waits longest, whatever it is: nobody waits for ever
behind what is more urgent, and what is urgent waits for one turn in ten more at most."""


class Urgency(IntEnum):
    """How soon; the least first."""

    LANDING = 0
    """The target moves, or the head that it will be shown by; and what lets us in at all."""
    SHOWING = 1
    """Checks, labels, pull requests: what others wait for, or build upon."""
    SAYING = 2
    """Comments; and tidying up, for which nobody waits."""


@dataclass(frozen=True, slots=True, eq=False)
class Turn:
    """A place in the line. What is about one `subject` is done in the order in which it came."""

    urgency: Urgency
    subject: str


@dataclass(slots=True)
class Turns:
    """Who waits to change something."""

    _waiting: dict[str, deque[tuple[int, Turn]]] = field(default_factory=dict)
    """By subject, each in order, with the number by which it came."""
    _came: int = 0
    _went: int = 0

    def join(self, turn: Turn) -> None:
        """Wait for a turn."""
        self._came += 1
        self._waiting.setdefault(turn.subject, deque()).append((self._came, turn))

    def first(self) -> Turn | None:
        """Who is next as things are; None where nobody waits. A subject is as urgent as the most
        urgent that waits in it."""
        heads = [(row[0], row) for row in self._waiting.values()]
        if not heads:
            return None
        if (self._went + 1) % OLDEST_EVERY == 0:
            return min(heads, key=lambda one: one[0][0])[0][1]
        return min(heads, key=lambda one: (_most_urgent(one[1]), one[0][0]))[0][1]

    def go(self, turn: Turn) -> None:
        """It has its turn."""
        self._went += 1
        self.leave(turn)

    def leave(self, turn: Turn) -> None:
        """It waits no longer. Nothing where it did not."""
        row = self._waiting.get(turn.subject, deque())
        left = deque(one for one in row if one[1] is not turn)
        if left:
            self._waiting[turn.subject] = left
        else:
            self._waiting.pop(turn.subject, None)


def _most_urgent(row: deque[tuple[int, Turn]]) -> Urgency:
    return min(turn.urgency for _, turn in row)


def turn_of(method: str, path: str) -> Turn:
    """The turn that a request has to wait for: by its path, with or without the API's address."""
    for pattern, urgency in _KINDS:
        found = pattern.search(f"{method} {path}")
        if found is not None:
            named = found.groupdict().get("subject")
            return Turn(urgency, path[: path.find(named) + len(named)] if named else path)
    return Turn(Urgency.SHOWING, path)


_KINDS = (
    (re.compile(r"^POST .*/graphql\Z"), Urgency.LANDING),
    (re.compile(r"^PATCH .*/git/refs/"), Urgency.LANDING),
    (re.compile(r"/access_tokens\Z"), Urgency.LANDING),
    (re.compile(r"/issues/comments/"), Urgency.SAYING),
    (re.compile(r"(?P<subject>/issues/\d+)/comments\Z"), Urgency.SAYING),
    (re.compile(r"(?P<subject>/issues/\d+)/labels"), Urgency.SHOWING),
    (re.compile(r"^DELETE .*/git/refs/"), Urgency.SAYING),
    (re.compile(r"/app/hook/deliveries/"), Urgency.SAYING),
)
"""What is changed in words, in the order in which they are tried; all else is shown to people or
to programs. Comments and labels of one pull request are about one subject."""
