"""The daemon's side of a run: `ports.Runner` with one reaper a program.

The reaper's standard input is its lifeline: when this process dies, however it dies, the reaper
stops the program and records that. Where the reaper itself is killed, the kernel kills the program
with it (PR_SET_PDEATHSIG), and what else is left is found by OYA_EXECUTION_KEY in /proc/*/environ
and killed. A background process that also dropped its environment is not found then.

Processes are spawned on the event loop's thread only. Must not know what runs.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path

from oya_vcs.adapters.process.folder import RunFolder, marks
from oya_vcs.adapters.process.freezing import Frost
from oya_vcs.adapters.process.survivors import kill_bearers, kill_tree, start_ticks
from oya_vcs.core import clocks
from oya_vcs.core.clocks import BEAT_MS, TRANSPORT_MS_MAX, Limits
from oya_vcs.core.events import Reason
from oya_vcs.core.ids import Key
from oya_vcs.errors import Bug, WorldFailed
from oya_vcs.ports import Clock, Finished, Order, Probe, Sight, Spawned

REAPER = Path(__file__).parents[1] / "reaper" / "__main__.py"
POLL_MS_MAX = 1_000
POLL_MS_MIN = 20
GRACE_MS = 13_000
"""What a reaper may need beyond stop_ms: its linger, its 10 s of killing, writing the outcome."""
KILL_MS = 5_000
LOOK_MS = 20
SWEEP_MS = 10
SWEEP_LOOKS_MAX = 500


class _Reaper:
    """A running reaper: its process, and the lifeline to it."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.pid = process.pid
        self._gone = asyncio.ensure_future(process.wait())

    def say(self, line: str) -> None:
        """Send a line down the lifeline. Nobody has to be there any more."""
        if self._process.stdin is not None and not self._process.stdin.is_closing():
            self._process.stdin.write(line.encode() + b"\n")

    def let_go(self) -> None:
        """End the lifeline, so that the reaper stops what it runs."""
        if self._process.stdin is not None:
            self._process.stdin.close()

    async def wait(self, limit_ms: int) -> bool:
        """Whether the reaper ended within `limit_ms`."""
        done, _ = await asyncio.wait({self._gone}, timeout=limit_ms / 1000)
        return bool(done) and not self._gone.cancelled()


class ReaperRunner:
    """`ports.Runner` on real processes. `runs` holds the runs' folders; `clock` dates outcomes;
    `secrets` are values that no log may hold; the list may grow."""

    def __init__(self, runs: Path, clock: Clock, secrets: Sequence[str] = ()) -> None:
        self._runs = runs
        self._clock = clock
        self._secrets = secrets
        self._live: set[Key] = set()
        self._frost = Frost(clock)

    @property
    def live(self) -> Collection[Key]:
        """The runs that somebody here waits for."""
        return self._live

    async def run(self, order: Order, spawned: Spawned) -> Finished:
        """Run the program to its end (see `ports.Runner`).

        Raises Bug where the key was run before; WorldFailed (retryable) where no reaper can work,
        and nothing ran. What `spawned` raises is raised, and nothing ran either.
        """
        if order.key in self._live:
            raise Bug(f"The run {order.key} is in progress; it cannot be started again.")
        self._live.add(order.key)
        folder = RunFolder(self._runs / order.key)
        try:
            with world(folder):
                await asyncio.to_thread(folder.prepare, order)
                reaper = await self._spawn()
                stopped = None
                try:
                    with self._frost.over(order.key, reaper.pid):
                        await self._start(reaper, folder, order, spawned)
                        stopped = await self._watch(reaper, folder, order)
                finally:
                    end = asyncio.ensure_future(self._end(reaper, folder, order))
                    await uninterrupted(end)
                await asyncio.to_thread(folder.blame, stopped, self._clock.now_ms())
                return await asyncio.to_thread(result, folder)
        finally:
            self._live.discard(order.key)

    async def outcome(self, key: Key) -> Finished | Probe:
        """What became of a run that nobody here waits for (see `ports.Runner`).

        Waits for a reaper that is still stopping its program, at most as long as that may take.
        """
        if key in self._live:
            return Probe.UNKNOWN
        folder = RunFolder(self._runs / key)
        spec = await asyncio.to_thread(folder.spec)
        deadline = now_ms() + int(spec.get("stop_ms", 0)) + GRACE_MS
        while await asyncio.to_thread(folder.reaper) is not None:
            if now_ms() > deadline:
                return Probe.UNKNOWN
            await self._clock.sleep(LOOK_MS)
        if not await asyncio.to_thread(folder.was_started):
            return Probe.ABSENT
        with world(folder):
            if not await self._settle(folder, key):
                return Probe.UNKNOWN
            return await asyncio.to_thread(result, folder)

    async def freeze(self, key: Key, frozen: bool) -> None:  # noqa: FBT001 - a state, no option
        """Stop every process of a run in its tracks, or let it go on where it was (see `Frost`).
        Its clocks stand still meanwhile: neither silence nor length is held against it. One that is
        about to begin, or begins later, waits."""
        await self._frost.set(key, frozen=frozen)

    async def sights(self, keys: Sequence[Key]) -> Mapping[Key, Sight]:
        """What is to be seen of these runs now."""
        return await asyncio.to_thread(
            lambda: {key: RunFolder(self._runs / key).sight() for key in keys}
        )

    async def kill(self) -> None:
        """Kill every program that runs; its reaper then records that. For the end of a daemon that
        cannot wait any longer."""
        for key in tuple(self._live):
            await asyncio.to_thread(kill_bearers, key)

    async def _spawn(self) -> _Reaper:
        try:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                *("-I", "-S", str(REAPER)),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.DEVNULL,
                start_new_session=True,
            )
        except OSError as error:
            raise WorldFailed(
                f"The reaper could not be started: {error}.",
                hint="Too many processes or too little memory; free some, or lower worker.slots.",
                command=(sys.executable, str(REAPER)),
                retryable=True,
            ) from error
        return _Reaper(process)

    async def _start(
        self, reaper: _Reaper, folder: RunFolder, order: Order, spawned: Spawned
    ) -> None:
        """Hand the orders over; the word to go comes only when everybody knows of the reaper."""
        reaper.say(json.dumps(folder.orders(order, self._secrets, BEAT_MS)))
        started = await asyncio.to_thread(start_ticks, reaper.pid)
        now_ms = self._clock.now_ms()
        await asyncio.to_thread(folder.write_pid, reaper.pid, started, now_ms)
        await spawned(reaper.pid, started)
        await self._frost.thawed(order.key)
        reaper.say("go")

    async def _watch(self, reaper: _Reaper, folder: RunFolder, order: Order) -> Reason | None:
        """Wait for the reaper's end (None), or until the run breaks a limit; then tell it to stop,
        and return which."""
        poll_ms = min(POLL_MS_MAX, order.lease_ms // 4 or POLL_MS_MAX)
        poll_ms = max(POLL_MS_MIN, min(poll_ms, order.wall_ms_max // 4 or POLL_MS_MAX))
        limits = Limits(
            lease_ms=order.lease_ms,
            wall_ms_max=order.wall_ms_max,
            transport_ms_max=TRANSPORT_MS_MAX,
        )
        files = [folder.path / "started", order.log]
        files += [] if order.heartbeat is None else [order.heartbeat]
        before = now_ms()
        run = clocks.begun(before, limits)
        seen = await asyncio.to_thread(marks, files)
        while not await reaper.wait(poll_ms):
            found = await asyncio.to_thread(marks, files)
            now = now_ms()
            frozen = await self._frost.holds(order.key)
            run = run.unwatched(now - before, 0 if frozen else poll_ms)
            run = run.heard(now, transport=found[0] != seen[0], progress=found[1:] != seen[1:])
            seen, before = found, now
            reason = run.judge(now, limits)
            if reason is not None:
                reaper.say(f"stop {reason}")
                return reason
        return None

    async def _end(self, reaper: _Reaper, folder: RunFolder, order: Order) -> None:
        """See the run to its end: the tree is gone and, if the program was started, its outcome is
        on disk. Before "go" the reaper just goes; a reason that was said before this one stands."""
        reaper.say(f"stop {Reason.INTERRUPTED}")
        reaper.let_go()
        if not await reaper.wait(order.stop_ms + GRACE_MS):
            await asyncio.to_thread(kill_tree, reaper.pid)
            await reaper.wait(KILL_MS)
        if await asyncio.to_thread(folder.was_started):
            await self._settle(folder, order.key)

    async def _settle(self, folder: RunFolder, key: Key) -> bool:
        """Where the reaper left no outcome, end what it left and record that; False where that
        cannot be done now."""
        if await asyncio.to_thread(folder.outcome) is not None:
            return True
        clean = await self._sweep(key)
        if clean:
            await asyncio.to_thread(folder.write_interrupted, self._clock.now_ms())
        return clean

    async def _sweep(self, key: Key) -> bool:
        """Kill whatever carries the key, until two looks in a row found nothing."""
        clean = 0
        for _ in range(SWEEP_LOOKS_MAX):
            clean = 0 if await asyncio.to_thread(kill_bearers, key) else clean + 1
            if clean == 2:
                return True
            await self._clock.sleep(SWEEP_MS)
        return False


@contextlib.contextmanager
def world(folder: RunFolder) -> Iterator[None]:
    """What the disk refuses is the world's fault, and may be tried again."""
    try:
        yield
    except OSError as error:
        raise WorldFailed(
            f"The run in {folder.path} could not be recorded: {error}.",
            hint="Is the disk full, or the folder not writable? The work is tried again.",
            retryable=True,
        ) from error


def result(folder: RunFolder) -> Finished:
    """The recorded outcome. Raises WorldFailed (retryable) where the reaper recorded nothing."""
    finished = folder.finished()
    if finished is None:
        raise WorldFailed(
            f"A program was not started, or its outcome not recorded: see {folder.path}.",
            hint="Is the disk full, or a folder not writable? The work is tried again.",
            command=(str(folder.spec().get("program", "")),),
            stderr=folder.complaint(),
            retryable=True,
        )
    return finished


def now_ms() -> int:
    """The loop's monotonic time: the wall clock may jump, and a suspended machine does not age."""
    return round(asyncio.get_running_loop().time() * 1000)


async def uninterrupted(task: asyncio.Future[None]) -> None:
    """Wait for the task to its end; a cancellation that came meanwhile is raised after it."""
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError as error:
            cancelled = error
    if not task.cancelled():
        task.result()
    if cancelled is not None:
        raise cancelled
