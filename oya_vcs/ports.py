"""What the inside asks of the outside: protocols of a few methods, no implementation.

Journal and Performer have adapters in memory (`adapters/memory*.py`) beside the real ones, and a
contract suite (`tests/contract`) that runs on both, for the record and for the forge.
"""

from __future__ import annotations

from collections.abc import (
    Awaitable,
    Callable,
    Collection,
    Hashable,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from enum import Enum, IntEnum
from pathlib import Path
from typing import NamedTuple, Protocol

from oya_vcs.core.effects import Effect, RunWorker
from oya_vcs.core.events import Event, Reason
from oya_vcs.core.ids import CommitId, Key, OperationId, RepoId, WorkspaceName
from oya_vcs.core.leftovers import Finding, Standing
from oya_vcs.core.op_log import Operation
from oya_vcs.core.standing import BeadRow
from oya_vcs.core.views import Changed, View


class Recorded(NamedTuple):
    """An event as the journal holds it: `seq` orders, `at_ms` (Unix time) only informs."""

    seq: int
    at_ms: int
    event: Event


class Journal(Protocol):
    """The record. Append-only; what it acknowledged is on disk."""

    def append(
        self, at_ms: int, events: Sequence[Event], beads: Sequence[BeadRow] | None = None
    ) -> Awaitable[Sequence[Recorded]]:
        """Queue the events as one transaction, at once and in call order; resolved after the fsync.

        `beads` are the rows of the beads that the events changed, for queries; they are kept in the
        same transaction. None (the caller has no rows) ends that, until the next `refill`.
        Raises WorldFailed (through the awaitable) when the disk refuses; the transaction then
        counts as not written (after a failed fsync it may still be there, whole, at the next
        start), and the journal takes no more.
        """
        ...

    async def refill(self, beads: Iterable[BeadRow]) -> None:
        """Begin to keep rows of beads: `beads` are those of every event appended so far. Nothing
        is done, and none of them is drawn, where the journal has them already."""
        ...

    async def find(self, key: str) -> Recorded | None:
        """The event with this unique key that is on disk, or None. Raises JournalCorrupt where it
        is damaged, WorldFailed where the disk refuses."""
        ...

    def read(self, after: int = 0) -> Iterator[Recorded]:
        """Every event with `seq` greater than `after`, in order. Raises JournalCorrupt where the
        chain breaks."""
        ...

    def close(self) -> None:
        """Finish what was appended and let go of the file. Idempotent."""
        ...


class Clock(Protocol):
    """Time, which only the shell may ask for."""

    def now_ms(self) -> int:
        """Unix time in milliseconds."""
        ...

    async def sleep(self, ms: int) -> None:
        """Return after `ms` milliseconds."""
        ...


class Probe(Enum):
    """What a probe found where it did not find the outcome."""

    ABSENT = "absent"
    """The effect has not happened (or is harmless to repeat): do it."""
    UNKNOWN = "unknown"
    """It cannot be told now: probe again later, do nothing."""


Report = Callable[[Event], Awaitable[None]]
"""Hands the engine a fact in the middle of an effect; returns when it is on disk."""


class Performer(Protocol):
    """Carries out some kinds of effect, exactly once with the help of `probe`.

    The outbox calls `probe` first for every effect that was open when the daemon started, and `do`
    where it is absent. Both return the event that settles `key`. They raise WorldFailed where the
    world refuses; a retryable one is tried again. Cancelling either leaves a state that `probe`
    understands; where the kind is one of `effects.STOPPABLE`, nothing of it runs any more when the
    cancelled call raises.
    """

    @property
    def kinds(self) -> tuple[type[Effect], ...]:
        """The kinds of effect this performer carries out."""
        ...

    async def do(self, key: Key, effect: Effect, report: Report) -> Event:
        """Carry the effect out and return the event that settles it."""
        ...

    async def probe(self, key: Key, effect: Effect) -> Event | Probe:
        """Look in the outside world for the outcome of an effect that may have been begun by a dead
        process."""
        ...

    async def stopped(self, key: Key, effect: Effect, reason: Reason) -> Event | None:
        """The outcome of an effect that was to be ended for `reason`, and whose `do` was cancelled
        or died with its process: its own, where it had ended by itself, else one that says
        `reason`. None while it cannot be told: ask again later. Only for effects.STOPPABLE."""
        ...


class Turn(IntEnum):
    """Who goes first where several wait for a repository: lower before higher."""

    LANDING = 0
    """Candidates and landings: every change behind them waits."""
    RESULT = 1
    """A finished worker's files, which are nowhere else."""
    REST = 2
    """Workspaces are made and removed."""


class Repository(Protocol):
    """One jj repository, driven from outside its users' workspaces and never through them."""

    @property
    def id(self) -> RepoId:
        """The name of the repository in this home."""
        ...

    def lock(self, turn: Turn = Turn.REST) -> AbstractAsyncContextManager[None]:
        """Held around whatever mutates the repository: one holder in this process and in all
        others. In this process the lowest `turn` that waits is next."""
        ...

    @property
    def home_tag(self) -> str:
        """Six digits that tell what this home makes in the repository (workspaces, refs) from what
        another home makes there for beads of the same names."""
        ...

    @property
    def control(self) -> Path:
        """Our own workspace of the repository: without files, on the root commit. Where others are
        made from, so that no workspace of the user is looked at."""
        ...

    async def operation(self) -> str:
        """The name of jj's newest operation, empty where there is not exactly one. Starts no
        program: as long as it stays the same, so does all that jj knows."""
        ...

    async def jj(self, *args: str, workspace: Path | None = None, stdin: str = "") -> str:
        """Run jj and return its stdout. Without `workspace` it reads at the control workspace and
        never snapshots; with one, that workspace's files are snapshotted first. Raises WorldFailed
        with argv and stderr; SnapshotIncomplete where jj left files out."""
        ...

    async def git(self, *args: str, env: Mapping[str, str] | None = None, stdin: str = "") -> str:
        """Run git on the backing store and return its stdout, stripped. Raises WorldFailed with
        argv and stderr."""
        ...

    async def sync(self) -> None:
        """Return when everything written to the repository's file system so far is on disk
        (syncfs)."""
        ...


class Refusal(Enum):
    """Why a remote did not do what was asked."""

    STALE = "stale"
    """Its branch is not where it was thought to be, or would not be moved forwards."""
    DECLINED = "declined"
    """Its rules say no to this change: a hook, a protected branch."""
    UNAUTHORISED = "unauthorised"
    """It does not know us, or we may not."""
    MISSING = "missing"
    """There is no such repository."""
    UNREACHABLE = "unreachable"
    """It did not answer, or not to the end: what was asked may have been done all the same."""


@dataclass(frozen=True, slots=True)
class Refused:
    """A remote's refusal; `said` is what it or git said of it, without credentials."""

    why: Refusal
    said: str


class Remote(Protocol):
    """Another repository that holds the target, reached over the network or the file system. None
    of its calls needs the repository's lock, and none should be made with it held: they take as
    long as the network does. Where a branch is asked for, the full name of another ref will do."""

    @property
    def name(self) -> str:
        """What the repository calls it."""
        ...

    async def tip(self, branch: str) -> CommitId | Refused | None:
        """Where the branch stands there now; None where there is no such branch."""
        ...

    async def fetch(self, branch: str) -> CommitId | Refused | None:
        """As `tip`, and with the branch's commits brought here. No branch, bookmark or
        remote-tracking ref changes."""
        ...

    async def push(self, branch: str, base: CommitId, commit: CommitId) -> Refused | None:
        """Move the branch there from exactly `base` (empty: it is not there yet) to `commit`, whose
        ancestry is the caller's business. None means that it was said to be done: only `tip` or
        `fetch` can tell."""
        ...


class UsersRepository(Repository, Protocol):
    """A repository, and what its user has beside its commits."""

    @property
    def root(self) -> Path:
        """The user's own workspace: to be read, and never to be changed."""
        ...

    async def excludes_privately(self) -> bool:
        """Whether the repository has a list of ignored files that is no file of any commit
        (`info/exclude`): jj obeys it, whoever wrote it."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """A process to run under the reaper. `key` names the run for ever: its folder, its environment,
    its outcome.

    `log` receives stdout and stderr without secrets, up to `output_bytes_max`. `heartbeat` is a
    file whose touching is a beat (None: only output beats). `lease_ms` 0 means that silence is
    allowed, 0 of `rss_bytes_max` (the resident memory of its whole tree) and `processes_max` that
    they have no limit. `boxed` says that `argv` is a sandbox around the program, `escorted` that it
    begins with another program that starts the rest and stays with it. `part_of` is the effect that
    the run belongs to, where `key` is not its key. Times in milliseconds.
    """

    key: Key
    argv: tuple[str, ...]
    cwd: Path
    env: Mapping[str, str]
    log: Path
    heartbeat: Path | None
    lease_ms: int
    wall_ms_max: int
    stop_ms: int
    output_bytes_max: int
    rss_bytes_max: int = 0
    processes_max: int = 0
    boxed: bool = False
    escorted: bool = False
    part_of: Key | None = None


Box = Callable[[Order, Path], Order]
"""Puts a program into a sandbox. The folder is the run's own, and there. Blocks on the disk."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """How a run ended, with its whole process tree gone. `reason` None is exit status 0; `tail` is
    the end of its output."""

    reason: Reason | None
    exit_code: int | None
    detail: str
    tail: str


@dataclass(frozen=True, slots=True)
class Sight:
    """What a look at a run shows: whether its recorded process lives (None: none is recorded yet),
    and a mark that changes whenever it makes progress."""

    alive: bool | None
    mark: Hashable


Spawned = Callable[[int, int], Awaitable[None]]
"""Called with the reaper's pid and start time before the program itself is started; it starts when
this returns."""


class Runner(Protocol):
    """Runs programs so that none outlives its daemon, and each outcome outlives it."""

    async def run(self, order: Order, spawned: Spawned) -> Finished:
        """Run the program to its end. Cancelled: its process tree is stopped and gone before this
        raises."""
        ...

    async def outcome(self, key: Key) -> Finished | Probe:
        """What became of the run of a dead daemon: its outcome; ABSENT if its program was never
        started; UNKNOWN while its processes are still being stopped. Kills what is left of it
        (found by the key in its environment)."""
        ...


class Grants(Protocol):
    """What a worker may reach beyond its workspace, for as long as it runs."""

    def granted(
        self, key: Key, work: RunWorker, report: Report
    ) -> AbstractAsyncContextManager[Mapping[str, str]]:
        """The variables that the worker of this run gets besides the others (an address, a token of
        its own). When the block ends, they are worth nothing any more, and what was used is said
        through `report`. A run that an earlier daemon began is never granted anything."""
        ...


Answer = Callable[[Mapping[str, object]], Awaitable[object]]
"""Answers one kind of request to the running daemon: its fields go in, a value that JSON can hold
comes out. Raises OyaError, which its asker is told."""


class Site(Protocol):
    """Where the workspaces of one repository stand."""

    async def survey(self, recorded: Mapping[WorkspaceName, Standing]) -> Sequence[Finding]:
        """Everything that is, or looks like, a workspace, compared with the record; changes
        nothing. Raises WorldFailed."""
        ...

    async def sweep(self, finding: Finding) -> CommitId | None:
        """Remove what a survey found, with all that is worth keeping pinned; the commit that keeps
        what was in it and nowhere else. Can be repeated. Raises WorldFailed."""
        ...


class Operations(Protocol):
    """The operation log of one jj repository: read, never written, and without its lock."""

    @property
    def folder(self) -> Path:
        """The folder that changes with every operation, and with nothing else."""
        ...

    async def heads(self) -> frozenset[OperationId]:
        """The heads of the log; none where the repository cannot be read. Starts no program."""
        ...

    async def log(self, heads: Collection[OperationId], most: int) -> Sequence[Operation]:
        """The newest operations behind each of the heads, at most so many of each. Raises
        WorldFailed."""
        ...

    async def view(self, operation: OperationId) -> View | None:
        """What is shown at an operation; None where it is forgotten. Raises WorldFailed."""
        ...

    async def changed(self, before: OperationId, after: OperationId) -> Changed | None:
        """The visible commits in which two operations differ; None where one of them is forgotten.
        Raises WorldFailed."""
        ...


class Feed(Protocol):
    """Who hears of recorded events, after the fsync and in order: `OperationSeen` and
    `OperationsPassed` (core/operations.py) tell of what others did in jj."""

    def publish(self, rows: Sequence[Recorded]) -> None:
        """Take the rows; must not block and must not raise."""
        ...
