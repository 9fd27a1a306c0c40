"""What the API asks of the daemon, as protocols. Filled in by whoever puts the daemon together.

Nothing of it may block the event loop; whatever reads files or folds events does so in a thread,
and is bounded.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from oya_vcs.core.ids import BeadId, Key
from oya_vcs.core.queue_words import Word
from oya_vcs.core.supervision import Node
from oya_vcs.core.wishes import Wish
from oya_vcs.core.world import World
from oya_vcs.ports import Recorded

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """Events about one bead, oldest first. `next` is where to go on (`after`), None at the end of
    the record; `archived_to` is the last event that is in an archive and was not looked at."""

    events: Sequence[Recorded]
    next: int | None
    archived_to: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LogPart:
    """Bytes of a log from `offset` on, as text: what is no UTF-8 is replaced. `names` are all logs
    of the bead, oldest first; `size` (bytes) is how long this one is now."""

    name: str
    names: Sequence[str]
    offset: int
    next: int
    size: int
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Diff:
    """What a result changes: `text` in git's form; `cut` says that there is more."""

    base: str
    commit: str
    text: str
    cut: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """What is seen of a worker that runs: its clocks in words, by their names; how long it has been
    silent, and may be (0: any time); the resident memory of its process tree (None: not known)."""

    clocks: Mapping[str, str]
    silent_ms: int
    lease_ms: int
    rss_bytes: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """The daemon's own figures. `flush_ms` is how long an empty append waited for the disk just
    now; None where the journal takes nothing."""

    pid: int
    version: str
    kind: str
    seq: int
    now_ms: int
    flush_ms: float | None
    journal_bytes: int
    disk_free_bytes: int
    disk_total_bytes: int
    rss_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What became of a wish for one bead: the state it is in now, whether the wish changed
    anything, whether it was refused, and a sentence."""

    bead: str
    state: str
    changed: bool
    refused: bool
    said: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """Beads that were handed in: how many are new or revised, and what is to be said of others."""

    repo: str
    count: int
    notes: Sequence[str]


class House(Protocol):
    """A running daemon. Everything raises OyaError, in full sentences."""

    async def seen(self, look: Callable[[World], T]) -> tuple[int, T]:
        """What `look` finds in the state of now, and the number of the last event in it; returns
        when that event is on disk. `look` runs on the loop: it must be short, and change
        nothing."""
        ...

    async def past(self, seq: int, look: Callable[[World], T]) -> tuple[int, T]:
        """As `seen`, of the state as of event `seq` or the last one there is. `look` runs in a
        thread. Raises InputInvalid where too many events would have to be folded."""
        ...

    async def events(self, after: int, limit: int) -> Sequence[Recorded]:
        """Up to `limit` events after one, from the record."""
        ...

    async def story(self, bead: BeadId, after: int, limit: int) -> Story:
        """Events about one bead, from the record; a bounded part of it is looked at."""
        ...

    async def log(self, bead: BeadId, name: str, offset: int, limit: int) -> LogPart:
        """A part of a log of the bead (`name` empty: of the newest). A negative `offset` counts
        from the end. Raises NotFound."""
        ...

    async def diff(self, bead: BeadId) -> Diff:
        """What the newest result of the bead changes. Raises NotFound where there is none."""
        ...

    async def wish(self, wish: Wish) -> Sequence[Told]:
        """What a person asks of beads; returns after the fsync. Raises NotFound."""
        ...

    async def word(self, word: Word) -> str:
        """What a person says to the merge queue; returns what to tell them, after the fsync."""
        ...

    async def submit(self, repo: str, beads: Sequence[Mapping[str, object]]) -> Taken:
        """Take in beads, in the dialects of beads files, for a repository that is on record (its id
        or path). Raises InputInvalid with every problem, and NotFound."""
        ...

    async def running(self, runs: Sequence[Key]) -> Mapping[Key, Running]:
        """What is seen of these runs; those that do not run now are left out."""
        ...

    async def machine(self) -> Machine:
        """The daemon's own figures."""
        ...

    def tree(self) -> Node | None:
        """The supervision tree; None while it is being built."""
        ...

    def now_ms(self) -> int:
        """Unix time in milliseconds."""
        ...
