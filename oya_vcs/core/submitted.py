"""Events of people who put a commit of their own into the merge queue.

Facts in the past tense, frozen, like all events (`events.py`, which offers these with the others).
What may be submitted is judged in `submissions.py`; nothing here knows a forge or a workspace.
"""

from __future__ import annotations

from dataclasses import dataclass

from oya_vcs.core.event import Event
from oya_vcs.core.ids import BeadId, ChangeId, CommitId, Key, RepoId
from oya_vcs.core.spec import BeadSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeSubmitted(Event):
    """`who` wants `head`, exactly that commit, to land: as `change`, the attempt `attempt` of its
    bead, whose work is done. What its description says is `spec` from now on; `key` is that of the
    same."""

    repo: RepoId
    bead: BeadId
    change: ChangeId
    attempt: int
    head: CommitId
    spec: BeadSpec
    key: Key
    who: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeResubmitted(Event):
    """`who` puts `head` in the place of what waits or is tested as `change`, to land with
    `message`."""

    bead: BeadId
    change: ChangeId
    head: CommitId
    spec: BeadSpec
    key: Key
    message: str
    who: str = ""


SUBMITTED: tuple[type[Event], ...] = (ChangeSubmitted, ChangeResubmitted)
"""All of them that the journal may hold."""
