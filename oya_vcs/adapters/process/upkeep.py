"""What is left of runs that are over: their folders go, their logs stay within a budget.

A run's folder is removed when the effect that it belongs to is settled *on disk* (this is a
`ports.Feed`: it hears of events after their fsync) and no process of it is left. Logs are removed
from the oldest on, beyond so many bytes, so many files, or so old; never one of a run that is not
over. Only what has the name and the form of what we write is touched. Must not know what ran.
"""

from __future__ import annotations

import asyncio
import re
import shutil
import stat
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from oya_vcs.adapters.process.folder import RunFolder
from oya_vcs.adapters.process.survivors import bearing
from oya_vcs.config import LogsConfig
from oya_vcs.core.events import Outcome, Requested
from oya_vcs.core.ids import Key
from oya_vcs.ports import Clock, Recorded

EVERY_MS = 600_000
"""How often one looks where nothing happens: for what grows old."""
PAUSE_MS = 5_000
"""Between two looks where much happens."""
REMOVALS_MAX = 1_000
"""Files or folders that one look removes; what is left is for the next."""
RUN = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
LOG = re.compile(r"(?:\d+|(?:setup|verify)-\d+|check-[A-Za-z0-9._-]{1,40})-[0-9a-f]{8}\.log")


@dataclass(frozen=True, slots=True)
class Kept:
    """A log of a run that is over."""

    at_ms: int
    size: int
    path: Path


class Upkeep:
    """A task and a `Feed`, to be told before whoever begins what it hears of. `live` gives the runs
    that somebody waits for."""

    def __init__(
        self,
        *,
        runs: Path,
        logs: Path,
        limits: LogsConfig,
        live: Callable[[], Collection[Key]],
        clock: Clock,
    ) -> None:
        self._runs = runs
        self._logs = logs
        self._limits = limits
        self._open: set[Key] | None = None
        """None: nobody has said yet what is open, and nothing may be removed."""
        self._live = live
        self._clock = clock
        self._settled = asyncio.Event()

    def watch(self, open_effects: Iterable[Key]) -> None:
        """Begin anew with these effects, which are open on disk now."""
        self._open = set(open_effects)
        self._settled.set()

    def publish(self, rows: Sequence[Recorded]) -> None:
        """Learn which effects are open on disk, and which are no longer."""
        open_ = set() if self._open is None else self._open
        for row in rows:
            if isinstance(row.event, Requested):
                open_.add(row.event.key)
            elif isinstance(row.event, Outcome):
                open_.discard(row.event.key)
                self._settled.set()

    async def run(self) -> None:
        """Look now, after effects are settled, and now and then. Runs until it is cancelled."""
        while True:
            self._settled.clear()
            await self.look()
            await self._clock.sleep(PAUSE_MS)
            waits = asyncio.ensure_future(self._settled.wait())
            rest = asyncio.ensure_future(self._clock.sleep(EVERY_MS))
            try:
                await asyncio.wait({waits, rest}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                waits.cancel()
                rest.cancel()

    async def look(self) -> None:
        """Remove what may go. What cannot be removed stays for the next look."""
        folders = await asyncio.to_thread(lambda: list(_runs_in(self._runs)))
        if self._open is None:
            return
        # After the listing: a folder that was there belongs to an effect that was published.
        busy = self._open | set(self._live())
        now_ms = self._clock.now_ms()
        await asyncio.to_thread(self._sweep, folders, busy, now_ms)

    def _sweep(self, folders: Sequence[RunFolder], busy: Collection[Key], now_ms: int) -> None:
        over = [one for one in folders if not self._is_busy(one, busy, now_ms)]
        left = bearing() if over else set()
        gone = [one for one in over if one.path.name not in left and one.reaper() is None]
        for folder in gone[:REMOVALS_MAX]:
            _remove(folder.path)
        removed = {one.path for one in gone[:REMOVALS_MAX]}
        needed = {one.spec().get("log") for one in folders if one.path not in removed}
        logs = [one for one in _logs_in(self._logs) if str(one.path.absolute()) not in needed]
        for log in _too_many(logs, self._limits, now_ms)[:REMOVALS_MAX]:
            log.path.unlink(missing_ok=True)
            _remove_empty(log.path.parent)

    def _is_busy(self, folder: RunFolder, busy: Collection[Key], now_ms: int) -> bool:
        """Whether somebody may still ask for the run. What a reaper had to complain about is kept
        as long as a log, and so is a run of a version that wrote down less."""
        spec = folder.spec()
        if Key(folder.path.name) in busy or spec.get("part_of") in busy:
            return True
        told = "part_of" in spec or not spec
        if told and not folder.complaint():
            return False
        return now_ms - _changed_ms(folder.path) <= self._limits.age_ms_max


def _too_many(logs: Iterable[Kept], limits: LogsConfig, now_ms: int) -> list[Kept]:
    """Those beyond the limits, the oldest first."""
    kept_bytes = 0
    gone = []
    newest = sorted(logs, key=lambda one: (-one.at_ms, one.path))
    for files, log in enumerate(newest, start=1):
        kept_bytes += log.size
        old = now_ms - log.at_ms > limits.age_ms_max
        if old or kept_bytes > limits.bytes_max or files > limits.files_max:
            gone.append(log)
    return gone[::-1]


def _runs_in(runs: Path) -> Iterator[RunFolder]:
    """The folders of runs: named by a key, and no links."""
    for path in _entries(runs):
        if RUN.fullmatch(path.name) and stat.S_ISDIR(_mode(path)):
            yield RunFolder(path)


def _logs_in(logs: Path) -> Iterator[Kept]:
    """The files that runs write: `BEAD/ATTEMPT-KEY.log` and `BEAD/check-NAME-KEY.log`."""
    for folder in _entries(logs):
        for path in _entries(folder) if stat.S_ISDIR(_mode(folder)) else ():
            if LOG.fullmatch(path.name) and stat.S_ISREG(_mode(path)):
                size, at_ms = _size_and_time(path)
                yield Kept(at_ms, size, path)


def _entries(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError:
        return []


def _mode(path: Path) -> int:
    """What a path is, a link being a link; 0 where it is gone."""
    try:
        return path.lstat().st_mode
    except OSError:
        return 0


def _size_and_time(path: Path) -> tuple[int, int]:
    """Bytes on disk and the last change in Unix milliseconds; zeros where it is gone."""
    try:
        found = path.lstat()
    except OSError:
        return 0, 0
    return found.st_size, found.st_mtime_ns // 1_000_000


def _changed_ms(path: Path) -> int:
    return _size_and_time(path)[1]


def _remove(folder: Path) -> None:
    """Remove a run's folder, also where its program took our rights to parts of it."""

    def again(_function: object, path: str, _error: object) -> None:
        for place in (Path(path).parent, Path(path)):
            if not place.is_symlink() and place.is_relative_to(folder):
                place.chmod(0o700)

    shutil.rmtree(folder, onerror=again)
    shutil.rmtree(folder, ignore_errors=True)


def _remove_empty(folder: Path) -> None:
    if not _entries(folder):
        try:
            folder.rmdir()
        except OSError:
            return
