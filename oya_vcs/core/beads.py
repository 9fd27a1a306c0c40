"""The life of a bead as one transition table. Knows no graph, no slots and no queue.

The names are those of docs/ARCHITECTURE.md "Bead states"; a transition that is not in the table is
our bug and never happens silently.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from oya_vcs.core import events as e
from oya_vcs.core.ids import BeadId, ChangeId, CommitId, Key, RepoId, TreeId, WorkspaceName
from oya_vcs.core.spec import SUBMISSION, BeadSpec
from oya_vcs.core.usage import NOTHING, Usage
from oya_vcs.errors import Bug


class State(StrEnum):
    """Where a bead is on its way to the target."""

    # Enum's own hash is a call of Python code, several times in every step.
    __hash__ = str.__hash__

    PENDING = "pending"
    READY = "ready"
    CLAIMED = "claimed"
    RUNNING = "running"
    CHECKING = "checking"
    SUBMITTED = "submitted"
    QUEUED = "queued"
    TESTING = "testing"
    LANDED = "landed"
    BACKING_OFF = "backing_off"
    REWORKING = "reworking"
    FAILED = "failed"
    PAUSED = "paused"
    CANCELLED = "cancelled"


TERMINAL = frozenset({State.LANDED, State.FAILED, State.CANCELLED})
"""A bead in one of these needs nothing more from the daemon."""

_WORKED_ON = frozenset({State.CLAIMED, State.RUNNING, State.CHECKING})
_QUEUED = frozenset({State.QUEUED, State.TESTING})
_IN_QUEUE = frozenset({State.SUBMITTED}) | _QUEUED
PAUSABLE = frozenset({State.PENDING, State.READY, State.BACKING_OFF, State.REWORKING}) | _WORKED_ON
"""What waits for a worker, and what one works on: in the merge queue no worker runs."""
RESTING = frozenset({State.PENDING, State.READY, State.BACKING_OFF, State.FAILED, State.CANCELLED})
"""A bead in one of these has nothing under way: its content may be revised."""
TAKEABLE = frozenset({State.PENDING, State.REWORKING, State.FAILED, State.CANCELLED})
"""A bead whose work is done by hand, in one of these, may come to the merge queue."""

TRANSITIONS: Mapping[type[e.Event], tuple[frozenset[State], State]] = {
    e.BeadRevised: (RESTING, State.PENDING),
    e.BeadRetried: (frozenset({State.FAILED, State.CANCELLED}), State.PENDING),
    e.BeadPaused: (PAUSABLE, State.PAUSED),
    e.BeadResumed: (frozenset({State.PAUSED}), State.PENDING),
    e.BeadCancelled: (frozenset(State) - TERMINAL, State.CANCELLED),
    e.AttemptClaimed: (frozenset({State.READY}), State.CLAIMED),
    e.WorkspaceBlocked: (frozenset({State.CLAIMED}), State.READY),
    e.WorkerSpawned: (frozenset({State.CLAIMED, State.RUNNING}), State.RUNNING),
    e.WorkerFinished: (frozenset({State.CLAIMED, State.RUNNING}), State.CHECKING),
    e.ChangeOpened: (frozenset({State.CHECKING}), State.SUBMITTED),
    e.PullTaken: (TAKEABLE, State.SUBMITTED),
    e.ChangeSubmitted: (TAKEABLE, State.CHECKING),
    e.ChangeQueued: (frozenset({State.SUBMITTED}), State.QUEUED),
    e.CandidateBuilt: (_QUEUED, State.TESTING),
    e.CandidateRedundant: (_QUEUED, State.TESTING),
    e.ChangeSuspected: (_QUEUED, State.QUEUED),
    e.ApprovalDropped: (_QUEUED, State.QUEUED),
    e.LandedWith: (frozenset({State.TESTING}), State.LANDED),
    e.FoundLanded: (frozenset({State.TESTING}), State.LANDED),
    e.LandingStale: (frozenset({State.TESTING}), State.QUEUED),
    e.TargetBlocked: (_QUEUED, State.QUEUED),
    e.ChangeHeld: (_QUEUED, State.QUEUED),
    e.Landed: (frozenset({State.TESTING}), State.LANDED),
    e.BeadBackedOff: (_WORKED_ON | {State.READY}, State.BACKING_OFF),
    e.BeadReworked: (_IN_QUEUE, State.REWORKING),
    e.BeadReadied: (frozenset({State.BACKING_OFF, State.REWORKING}), State.READY),
    e.BeadFailed: (_WORKED_ON | _IN_QUEUE | {State.READY}, State.FAILED),
}
"""Event -> (states it may come in, state it leads to). What is not here does not change a bead's
state. A bead that is `PENDING` with nothing unfinished below it becomes `READY` at once, in the
same step.

While a bead is `PAUSED`, what was under way goes on to its end: an event without `PAUSED` before it
moves `Bead.paused_in`, the state behind the pause, and ends the pause only where it leads to a
terminal one. `BeadResumed` leads to where an attempt was under way, else to `PENDING`."""


@dataclass(slots=True, kw_only=True)
class Bead:
    """A bead as the journal has it now.

    `attempt` is the fencing token of the newest attempt; `failures` counts what attempts_max
    limits; `since_ms` is when `state` began and `until_ms` when a back-off ends (Unix time);
    `since_claim` counts the attempts that its repository had begun when it last became ready;
    `session` is what its newest agent knows their conversation by; `reason` and `detail` say why it
    was last sent back; `used` is what all attempts before the newest used, since a person last
    wanted it tried, `using` what the newest one did; `worked_ms` is how long workers worked on it,
    and `began_ms` (Unix time) since when one does (0: none); `slot` is that of the newest attempt,
    and `chosen` why it got it, while it holds it. `cancelling` is a wish that waits for what runs
    to end; `asked` are the words of the person who wanted that, or the pause. `by_hand`: its worker
    is the author of a pull request, or of what was submitted; it never gets a slot or a workspace.
    """

    repo: RepoId
    spec: BeadSpec
    key: Key
    state: State
    since_ms: int
    since_claim: int = 0
    attempt: int = 0
    failures: int = 0
    deferrals: int = 0
    slot: int | None = None
    chosen: str = ""
    pid: int | None = None
    workspace: WorkspaceName | None = None
    base: CommitId | None = None
    commit: CommitId | None = None
    tree: TreeId | None = None
    change: ChangeId | None = None
    landed: CommitId | None = None
    session: str = ""
    used: Usage = NOTHING
    using: Usage = NOTHING
    worked_ms: int = 0
    began_ms: int = 0
    until_ms: int = 0
    feedback: str = ""
    reason: e.Reason | None = None
    detail: str = ""
    paused_in: State | None = None
    cancelling: bool = False
    by_hand: bool = False
    asked: str = ""

    @property
    def id(self) -> BeadId:
        """The bead's id."""
        return self.spec.id

    @property
    def is_submission(self) -> bool:
        """Whether it is a commit that a person submitted."""
        return self.by_hand and self.spec.kind == SUBMISSION


def move(bead: Bead, event: e.Event, at_ms: int) -> None:
    """Take the bead through the table. Raises Bug where the event may not come in its state."""
    rule = TRANSITIONS.get(type(event))
    if rule is None:
        return
    before, after = rule
    behind = bead.paused_in
    if after is State.PAUSED or State.PAUSED in before:
        behind = None
    state = behind or bead.state
    if state not in before:
        message = f"{type(event).__name__} came to bead {bead.id} in state {state}."
        raise Bug(message)
    if behind is not None and after not in TERMINAL:
        bead.paused_in = after
        return
    if isinstance(event, e.BeadResumed) and bead.paused_in in _WORKED_ON:
        after = bead.paused_in
    bead.paused_in = state if after is State.PAUSED else None
    if bead.state is not after:
        bead.state = after
        bead.since_ms = at_ms
