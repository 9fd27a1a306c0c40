"""How fast the state comes back from the record: all events, or a checkpoint and the end of them;
and one event by its key.

The baseline of a replay is the barest loop over the same rows. This module makes its own journals
and knows nothing of a daemon.
"""

from __future__ import annotations

import gc
import resource
import sys
from collections.abc import Callable
from contextlib import suppress
from itertools import islice
from pathlib import Path

from oya_vcs.adapters.clock import stopwatch
from oya_vcs.bench.figures import Figure, median
from oya_vcs.bench.story import BEADS, Story
from oya_vcs.core.world import World
from oya_vcs.journal import checkpoint
from oya_vcs.journal.measure import bare_fold, bench_lookup, fill, pace
from oya_vcs.journal.reader import open_reader
from oya_vcs.journal.replay import replay
from oya_vcs.journal.restart import restore

TAIL = 10_000
"""Events behind the checkpoint that a restart is measured with."""
CHECKPOINT_BEADS = 10_000
KEYS = 2_000
MEBIBYTE = 1 << 20
MEMORY_MAX = 600 * MEBIBYTE


def replayed(path: Path, rounds: int) -> list[Figure]:
    """A replay of the whole journal beside scan, decode and fold; and the memory it takes."""
    ours, bare, peaks = [], [], []
    for _ in range(rounds):
        _forget_peak()
        ours.append(_timed(lambda: _replayed(path)))
        peaks.append(_peak_bytes())
        bare.append(_timed(lambda: bare_fold(path)))
    ratio = median([one / other for one, other in zip(ours, bare, strict=True)])
    with open_reader(path) as reader:
        count = reader.last_seq()
    peak = max(peaks)
    return [
        Figure(
            name="replay",
            what=f"replay of {count:,} events; baseline: scan, decode, fold (time)",
            ours=f"{median(ours):.2f} s",
            baseline=f"{median(bare):.2f} s",
            ratio=ratio,
            wanted="≤ 3",
            met=ratio <= 3,
        ),
        Figure(
            name="replay-memory",
            what="the same: peak memory of the whole process; baseline: the promise",
            ours=f"{peak / MEBIBYTE:.0f} MiB",
            baseline=f"{MEMORY_MAX // MEBIBYTE} MiB",
            ratio=peak / MEMORY_MAX,
            wanted="< 600 MB at 1,000,000",
            met=peak < MEMORY_MAX if count >= 1_000_000 else None,
        ),
    ]


def restarted(folder: Path, path: Path, rounds: int) -> list[Figure]:
    """The newest checkpoint and TAIL events beside a replay of all events."""
    checkpoints = folder / "checkpoints"
    with open_reader(path) as reader:
        last = reader.last_seq()
        since = max(0, last - TAIL)
        digest = reader.hash_at(since)
        world = replay(islice(reader.read(), since))
    if digest is not None:
        checkpoint.save(checkpoints, world, since, digest)
    beads = len(world.beads)
    del world
    ours = [_timed(lambda: _restored(path, checkpoints)) for _ in range(rounds)]
    whole = _timed(lambda: _replayed(path))
    return [
        Figure(
            name="restart",
            what=f"restart: checkpoint ({beads:,} beads) + {TAIL:,} events; baseline: all events",
            ours=f"{1e3 * median(ours):.0f} ms",
            baseline=f"{1e3 * whole:.0f} ms",
            ratio=median(ours) / whole,
            wanted="< 1 s",
            met=median(ours) < 1,
        )
    ]


def checkpointed(folder: Path, story: Story, rounds: int) -> list[Figure]:
    """Saving and loading a checkpoint of CHECKPOINT_BEADS beads beside the replay it spares."""
    path = folder / "ten-thousand.db"
    rows = CHECKPOINT_BEADS // BEADS * story.rows_a_telling + 1
    mark = fill(path, story.rows(rows))
    whole = _timed(lambda: _replayed(path))
    world = _replayed(path)
    folder = folder / "saved"
    saved = checkpoint.save(folder, world, mark.seq, mark.digest)
    saves, loads = [], []
    for _ in range(max(3, rounds)):
        saves.append(_timed(lambda: checkpoint.save(folder, world, mark.seq, mark.digest)))
        loads.append(_timed(lambda: checkpoint.load(saved)))
    what = f"checkpoint of {len(world.beads):,} beads"
    return [
        Figure(
            name=f"checkpoint-{verb}",
            what=f"{verb} a {what}; baseline: the replay it spares",
            ours=f"{1e3 * median(times):.0f} ms",
            baseline=f"{1e3 * whole:.0f} ms",
            ratio=median(times) / whole,
            wanted="< 100 ms",
            met=median(times) < 0.1,
        )
        for verb, times in (("save", saves), ("load", loads))
    ]


def looked_up(path: Path, story: Story) -> list[Figure]:
    """One event by its key beside the bare query, keys from all over the journal."""
    with open_reader(path) as reader:
        count = reader.last_seq()
    keys = [key for _, (_, _, _, key, _) in story.rows(count) if key is not None]
    chosen = keys[:: max(1, len(keys) // KEYS)]
    ours, bare = (pace(sum(times), times) for times in bench_lookup(path, chosen, stopwatch))
    return [
        Figure(
            name="key-lookup",
            what=f"an event by its key among {count:,}: p50 and p99 (ratio of the p50s)",
            ours=f"{ours.p50_ms:.3f} and {ours.p99_ms:.3f} ms",
            baseline=f"{bare.p50_ms:.3f} and {bare.p99_ms:.3f} ms",
            ratio=ours.p50_ms / bare.p50_ms,
            wanted="< 1 ms",
            met=ours.p99_ms < 1,
        )
    ]


def _replayed(path: Path) -> World:
    with open_reader(path) as reader:
        return replay(reader.read())


def _restored(path: Path, checkpoints: Path) -> World:
    with open_reader(path) as reader:
        return restore(reader, checkpoints).world


def _timed(work: Callable[[], object]) -> float:
    """Seconds, with what was there before out of the collector's way."""
    gc.collect()
    begin = stopwatch()
    work()
    return stopwatch() - begin


def _forget_peak() -> None:
    """Let Linux forget the highest memory use so far (proc(5), clear_refs)."""
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


def _peak_bytes() -> int:
    """The highest memory use of the process since `_forget_peak` (elsewhere since its start)."""
    with suppress(OSError):
        status = Path("/proc/self/status").read_text("ascii")
        for line in status.splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
