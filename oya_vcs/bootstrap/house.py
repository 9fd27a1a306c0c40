"""The daemon as the API asks it (`oya_vcs_bot/api/asking.py`): the state through the door, the rest
from the home's files, in threads."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar

from oya_vcs import __version__
from oya_vcs.adapters.clock import SystemClock
from oya_vcs.adapters.jj import JjRepository
from oya_vcs.adapters.logs import part_of
from oya_vcs.adapters.process.folder import RunFolder
from oya_vcs.adapters.reaper.weight import below, resident_bytes
from oya_vcs.adapters.tracker import read_beads
from oya_vcs.config import Home
from oya_vcs.core.clocks import sentences
from oya_vcs.core.ids import BeadId, Key, RepoId
from oya_vcs.core.queue_words import Word, find_repo
from oya_vcs.core.spec import BeadSpec
from oya_vcs.core.supervision import Node
from oya_vcs.core.wishes import Wish, find_bead
from oya_vcs.core.world import World
from oya_vcs.errors import InputInvalid, NotFound, OyaError, WorldFailed
from oya_vcs.journal.past import Past
from oya_vcs.journal.stories import events_about, events_after
from oya_vcs.ports import Recorded
from oya_vcs.runtime.daemon import granted, heard, submitted
from oya_vcs.runtime.door import Door, Life
from oya_vcs_bot.api.asking import Diff, LogPart, Machine, Running, Story, Taken, Told

T = TypeVar("T")

SEEN_S_MAX = 8.0
"""How long a question about the state waits for a disk that is not well."""
DIFF_LINES_MAX = 20_000
DIFF_CHARACTERS_MAX = 1_000_000
"""Of a diff that is shown whole."""


@dataclass(slots=True, kw_only=True)
class DaemonHouse:
    """`repositories` are those that are worked on, as they come and go; `drawn` the supervision
    tree."""

    home: Home
    door: Door
    kind: str
    repositories: Mapping[RepoId, JjRepository]
    drawn: Callable[[], Node | None]
    _past: Past = field(init=False)

    def __post_init__(self) -> None:
        self._past = Past(self.home.journal, self.home.checkpoints)

    async def seen(self, look: Callable[[World], T]) -> tuple[int, T]:
        """The state of now, once it is on disk."""

        async def ask(life: Life) -> tuple[int, T]:
            engine = life.engine
            seq, found = engine.seq, look(engine.world)
            await engine.flush()
            return seq, found

        try:
            async with asyncio.timeout(SEEN_S_MAX):
                return await self.door.ask(ask)
        except TimeoutError as error:
            raise WorldFailed(
                "The journal takes nothing at the moment.",
                hint="Is the home's disk well? The daemon goes on by itself when it is.",
                retryable=True,
            ) from error

    async def past(self, seq: int, look: Callable[[World], T]) -> tuple[int, T]:
        """An earlier state, folded in a thread."""
        return await asyncio.to_thread(self._past.look, seq, look)

    async def events(self, after: int, limit: int) -> Sequence[Recorded]:
        """From the journal."""
        return await asyncio.to_thread(events_after, self.home.journal, after, limit)

    async def story(self, bead: BeadId, after: int, limit: int) -> Story:
        """From the journal."""
        found = await asyncio.to_thread(events_about, self.home.journal, bead, after, limit)
        return Story(events=found.events, next=found.next, archived_to=found.archived_to)

    async def log(self, bead: BeadId, name: str, offset: int, limit: int) -> LogPart:
        """From the home's logs."""
        await self.seen(lambda world: find_bead(world, bead))
        part = await asyncio.to_thread(part_of, self.home.logs, bead, name, offset, limit)
        return LogPart(
            name=part.name,
            names=part.names,
            offset=part.offset,
            next=part.next,
            size=part.size,
            text=part.content.decode(errors="replace"),
        )

    async def diff(self, bead: BeadId) -> Diff:
        """From the repository, by git."""
        _, found = await self.seen(lambda world: find_bead(world, bead))
        base, commit = found.base, found.commit
        repository = self.repositories.get(found.repo)
        if base is None or commit is None:
            raise NotFound(f"Bead {bead} has no result yet.", "Its worker's files are its result.")
        if repository is None:
            message = f"The repository of bead {bead} is not worked on at the moment."
            raise NotFound(message, "`oya-vcs status` says why.")
        plain = ("--no-color", "--no-ext-diff", "--no-textconv")
        counted = await repository.git("diff", "--numstat", *plain, base, commit, "--")
        if _lines_in(counted) > DIFF_LINES_MAX:
            return Diff(base=base, commit=commit, text=counted[:DIFF_CHARACTERS_MAX], cut=True)
        text = await repository.git("diff", *plain, base, commit, "--")
        short, cut = text[:DIFF_CHARACTERS_MAX], len(text) > DIFF_CHARACTERS_MAX
        return Diff(base=base, commit=commit, text=short, cut=cut)

    async def wish(self, wish: Wish) -> Sequence[Told]:
        """Through the door."""
        return [
            Told(
                bead=one.bead,
                state=str(one.state),
                changed=one.changed,
                refused=one.refused,
                said=one.said,
            )
            for one in await granted(self.door, wish)
        ]

    async def word(self, word: Word) -> str:
        """Through the door."""
        return await heard(self.door, word)

    async def submit(self, repo: str, beads: Sequence[Mapping[str, object]]) -> Taken:
        """As a beads file is taken in."""
        _, (found, known) = await self.seen(
            lambda world: (find_repo(world, repo).id, frozenset(world.beads))
        )
        specs, warnings = await asyncio.to_thread(_specs, beads, known)
        taken = await submitted(self.door, found, specs)
        return Taken(repo=found, count=taken.count, notes=(*warnings, *taken.notes))

    async def running(self, runs: Sequence[Key]) -> Mapping[Key, Running]:
        """From the runs' folders."""
        return await asyncio.to_thread(_running, self.home.runs, runs)

    async def machine(self) -> Machine:
        """Ask the journal for a sign of life, and the machine for its figures."""
        flush = partial(asyncio.get_running_loop().time)
        began, flush_ms, seq = flush(), None, 0
        try:
            seq, _ = await self.seen(lambda _world: None)
            flush_ms = (flush() - began) * 1_000
        except OyaError:
            pass
        size, free, total, rss = await asyncio.to_thread(_figures, self.home)
        return Machine(
            pid=os.getpid(),
            version=__version__,
            kind=self.kind,
            seq=seq,
            now_ms=self.now_ms(),
            flush_ms=flush_ms,
            journal_bytes=size,
            disk_free_bytes=free,
            disk_total_bytes=total,
            rss_bytes=rss,
        )

    def tree(self) -> Node | None:
        """As it is drawn."""
        return self.drawn()

    def now_ms(self) -> int:
        """By the system's clock."""
        return SystemClock().now_ms()


def _lines_in(numstat: str) -> int:
    """Lines that are added and removed; a file that is not text counts as none."""
    pairs = (line.split("\t")[:2] for line in numstat.splitlines())
    return sum(int(one) for pair in pairs for one in pair if one.isdigit())


def _specs(
    beads: Sequence[Mapping[str, object]], known: frozenset[BeadId]
) -> tuple[list[BeadSpec], tuple[str, ...]]:
    with TemporaryDirectory(prefix="oya-beads-") as folder:
        path = Path(folder) / "beads.jsonl"
        path.write_text("".join(f"{json.dumps(one)}\n" for one in beads), encoding="utf-8")
        try:
            file = read_beads(path, known=known, now_ms=SystemClock().now_ms())
        except InputInvalid as error:
            message = error.message.replace(str(path), "beads")
            raise InputInvalid(message, error.hint) from error
    return list(file.beads), tuple(one.replace(str(path), "beads") for one in file.warnings)


def _running(runs: Path, keys: Sequence[Key]) -> dict[Key, Running]:
    found: dict[Key, Running] = {}
    now_ms = SystemClock().now_ms()
    for key in keys:
        folder = RunFolder(runs / key)
        clocks, reaper = folder.clocks(), folder.reaper()
        if clocks is None or reaper is None:
            continue
        limits = folder.limits()
        tree = (reaper, *below(reaper))
        found[key] = Running(
            clocks=sentences(clocks, now_ms, limits),
            silent_ms=max(0, now_ms - clocks.progress_ms),
            lease_ms=limits.lease_ms,
            rss_bytes=sum(map(resident_bytes, tree)) or None,
        )
    return found


def _figures(home: Home) -> tuple[int, int, int, int]:
    disk = shutil.disk_usage(home.root)
    size = home.journal.stat().st_size if home.journal.exists() else 0
    return size, disk.free, disk.total, resident_bytes(os.getpid())
