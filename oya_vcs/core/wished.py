"""Events of what people ask of beads and workspaces, and what was decided about it.

Facts and decisions in the past tense, frozen, like all events (`events.py`, which offers these with
the others).
"""

from __future__ import annotations

from dataclasses import dataclass

from oya_vcs.core.event import Event
from oya_vcs.core.ids import BeadId, CommitId, RepoId, WorkspaceName


@dataclass(frozen=True, slots=True, kw_only=True)
class BeadRetried(Event):
    """A person gave a failed or cancelled bead a new set of attempts. `who` did, and `why`, in the
    person's words, as in all that people ask for; both may be empty."""

    bead: BeadId
    who: str = ""
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelRequested(Event):
    """A person wants a bead to end. It is `BeadCancelled` when nothing of it runs any more, unless
    it landed before."""

    bead: BeadId
    who: str = ""
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class BeadPaused(Event):
    """A person wants a bead to stand still: nothing new begins for it, and its worker, where one
    runs, is stopped in its tracks."""

    bead: BeadId
    who: str = ""
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class BeadResumed(Event):
    """A person lets a paused bead go on."""

    bead: BeadId
    who: str = ""
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class BeadCancelled(Event):
    """A decision: a bead whose end was asked for has ended; nothing of it runs, and its change, if
    it had one, is closed."""

    bead: BeadId


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkspaceDiscarded(Event):
    """A person (or the clean-up) gave up a kept workspace: it is to be pinned and removed."""

    bead: BeadId
    workspace: WorkspaceName


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkspaceSwept(Event):
    """What was left of a workspace that the record did not expect (any more) is gone, in the safe
    order. `why` is a sentence; `pinned` keeps what was in it and nowhere else (None: nothing)."""

    repo: RepoId
    workspace: WorkspaceName
    why: str
    pinned: CommitId | None

    @property
    def subject(self) -> str:
        """The workspace: its bead may be unknown."""
        return self.workspace
