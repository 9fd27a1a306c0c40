"""Runs that stand still: every process of a tree is stopped in its tracks (SIGSTOP), and goes on
later where it was (SIGCONT).

The reaper is not stopped: it goes on to hold the lifeline, and a stop, or the daemon's death, ends
a frozen tree as any other, for SIGKILL needs nobody awake. Parents are stopped before their
children and go on after them, so that no shell sees a child stop. A process that is waiting for the
disk, or was just forked, is found by another look; so is a child of the reaper that has yet to
become the program, for the reaper waits for it to do so and would stand still with it. Where there
is no /proc (macOS) nothing is found: the program goes on.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from oya_vcs.adapters.process.survivors import PROC, pids, stat_fields, tell
from oya_vcs.core.ids import Key
from oya_vcs.ports import Clock

LOOK_MS = 10
LOOKS_MAX = 50
"""Half a second; what moves even then is met by the next look of whoever watches the run."""


@dataclass(slots=True)
class _Run:
    """A run that may be frozen: its reaper."""

    reaper: int
    free: asyncio.Event = field(default_factory=asyncio.Event)
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    def __post_init__(self) -> None:
        self.free.set()


class Frost:
    """Which runs stand still."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._runs: dict[Key, _Run] = {}
        self._still: set[Key] = set()
        """Those that are to stand still, also where they do not run now: a start that the world
        refused is tried again, and must not begin during a pause."""

    @contextmanager
    def over(self, key: Key, reaper: int) -> Iterator[None]:
        """A run that may be frozen while the block runs."""
        run = self._runs[key] = _Run(reaper)
        if key in self._still:
            run.free.clear()
        try:
            yield
        finally:
            del self._runs[key]

    async def set(self, key: Key, *, frozen: bool) -> None:
        """Freeze a run, or let it go on; returns when it does so. One that does not run now waits
        before its program begins. Calls for one run are carried out one after the other."""
        if frozen:
            self._still.add(key)
        else:
            self._still.discard(key)
        run = self._runs.get(key)
        if run is None:
            return
        async with run.turn:
            if frozen:
                run.free.clear()
                await self._until_still(run.reaper)
            else:
                run.free.set()
                await asyncio.to_thread(let_go, run.reaper)

    async def thawed(self, key: Key) -> None:
        """Return when the run is not frozen."""
        await self._runs[key].free.wait()

    async def holds(self, key: Key) -> bool:
        """Whether the run is frozen; what moves in it all the same is stopped now."""
        run = self._runs[key]
        if run.free.is_set():
            return False
        async with run.turn:
            if not run.free.is_set():
                await asyncio.to_thread(strike, run.reaper)
        return not run.free.is_set()

    async def _until_still(self, reaper: int) -> None:
        for _ in range(LOOKS_MAX):
            if not await asyncio.to_thread(strike, reaper):
                return
            await self._clock.sleep(LOOK_MS)


def strike(reaper: int) -> bool:
    """Stop everything below the reaper that moves; whether there was anything."""
    itself = cmdline(reaper)
    moving = [pid for pid, state in below(reaper) if state not in b"TtZX"]
    for pid in moving:
        if cmdline(pid) != itself:
            tell(pid, signal.SIGSTOP)
    return bool(moving)


def let_go(reaper: int) -> None:
    """Let everything below the reaper go on, children first."""
    for pid, _ in reversed(below(reaper)):
        tell(pid, signal.SIGCONT)


def cmdline(pid: int) -> bytes:
    """The arguments of a process; empty where it is gone."""
    try:
        return PROC.joinpath(str(pid), "cmdline").read_bytes()
    except OSError:
        return b""


def below(root: int) -> list[tuple[int, bytes]]:
    """Every process below one, with its state as proc(5) has it, parents before children."""
    children: dict[int, list[tuple[int, bytes]]] = {}
    for pid in pids():
        if fields := stat_fields(pid):
            children.setdefault(int(fields[1]), []).append((pid, fields[0]))
    found = [(root, b"")]
    for pid, _ in found:
        found += children.get(pid, ())
    return [(pid, state) for pid, state in found[1:] if pid != os.getpid()]
