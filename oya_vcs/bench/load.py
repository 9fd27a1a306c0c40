"""A hundred beads at once in a repository whose user goes on working: what a bead takes beside its
worker, phase by phase, and what the user notices of it.

What counts of a bead is the time from its claim of a slot until it has landed. Its worker does next
to nothing, so nothing is taken off for that: starting it, watching it and seeing it end are ours.
The wait for a slot is not, for so many beads at once and so few slots are what was asked for; the
whole, from ready to landed, is shown beside it. Must not know how repository and plan were made.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from oya_vcs.adapters.clock import stopwatch
from oya_vcs.adapters.jj.program import run_program
from oya_vcs.bench.figures import Figure
from oya_vcs.bootstrap import Plan, open_daemon
from oya_vcs.core import events as e
from oya_vcs.core.ids import BeadId
from oya_vcs.core.spec import BeadSpec
from oya_vcs.errors import Bug
from oya_vcs.ports import Recorded

SLOTS = 16
"""Workers at once, as the promise has it."""
OWN_S = 10.0
"""Promised of the 99th percentile, from claim to landed (REQUIREMENTS F3)."""
RATIO = 1.3
"""Promised of the time of a bead beside that of the bare calls that it needs."""
PAUSE_S = 0.25
"""Between a look of the user and the next edit."""
LOOKS = 8
"""Edits before the beads are given, to see what a look costs by itself."""
USERS_FILE = "notes.txt"

WAIT = "it waits for a slot"
PHASES: Mapping[str, tuple[type[e.Event], ...]] = {
    WAIT: (e.AttemptClaimed,),
    "its workspace is made": (e.WorkspaceCreated,),
    "its worker is started": (e.WorkerSpawned,),
    "its worker runs": (e.WorkerFinished,),
    "its result is collected": (e.ResultCollected,),
    "it waits in the merge queue, and its candidate is built": (e.CandidateBuilt,),
    "its candidate is checked": (e.ChecksFinished,),
    "it lands": (e.Landed, e.LandedWith, e.FoundLanded),
}
"""What a bead goes through, each phase with the events that may end it."""
_PHASE_OF = {kind: name for name, kinds in PHASES.items() for kind in kinds}
_NAMES = tuple(PHASES)


class Times:
    """A `Feed` that notes how long each bead was in each phase, in milliseconds of the record.

    What a bead goes through again is added to what it took before. A change that is checked and
    lands with another one has no checks of its own: its wait for them counts as landing.
    """

    def __init__(self) -> None:
        self.spent: dict[BeadId, dict[str, int]] = defaultdict(lambda: dict.fromkeys(_NAMES, 0))
        self._since: dict[BeadId, int] = {}

    def publish(self, rows: Sequence[Recorded]) -> None:
        """Take note of what was recorded."""
        for row in rows:
            event = row.event
            if isinstance(event, e.BeadAdded):
                self._since[event.bead] = row.at_ms
            phase = _PHASE_OF.get(type(event))
            if phase is not None:
                bead: BeadId = event.bead  # type: ignore[attr-defined]
                self.spent[bead][phase] += row.at_ms - self._since[bead]
                self._since[bead] = row.at_ms

    def of(self, phase: str) -> list[int]:
        """What each bead spent in a phase."""
        return [spent[phase] for spent in self.spent.values()]

    def whole(self) -> list[int]:
        """From ready to landed, of each bead."""
        return [sum(spent.values()) for spent in self.spent.values()]

    def claimed(self) -> list[int]:
        """From its claim to landed, of each bead."""
        return [sum(spent.values()) - spent[WAIT] for spent in self.spent.values()]


@dataclass(slots=True)
class User:
    """Somebody who edits a file in their own workspace and looks at it with `jj st`, again and
    again: each look records the edit as an operation of theirs."""

    repo: Path
    jj: Path
    environ: Mapping[str, str]
    edits: int = 0
    took_s: list[float] = field(default_factory=list)
    goes_home: bool = False

    async def work(self) -> None:
        """Until `goes_home` is set. Raises Bug where an edit is not there any more, and WorldFailed
        where jj refuses a look."""
        while not self.goes_home:
            await self.edit()
            await asyncio.sleep(PAUSE_S)

    async def edit(self) -> None:
        """One edit, and a look."""
        file = self.repo / USERS_FILE
        if self.edits and await asyncio.to_thread(file.read_text) != self._text():
            raise Bug(f"Edit {self.edits} of the user is not in {file} any more.")
        self.edits += 1
        await asyncio.to_thread(file.write_text, self._text())
        begin = stopwatch()
        await self.run("st")
        self.took_s.append(stopwatch() - begin)

    def _text(self) -> str:
        return f"edit {self.edits} of the user\n"

    async def lost(self) -> bool:
        """Whether the last edit is missing on disk or in the user's commit."""
        await self.run("st")
        kept = await self.run("file", "show", "-r", "default@", f'root-file:"{USERS_FILE}"')
        on_disk = await asyncio.to_thread((self.repo / USERS_FILE).read_text)
        return (kept, on_disk) != (self._text(), self._text())

    async def intruders(self) -> list[str]:
        """Operations of ours in the user's workspace, by what they did."""
        row = 'user ++ "\\t" ++ workspace_name ++ "\\t" ++ description.first_line() ++ "\\n"'
        said = await self.run("--ignore-working-copy", "op", "log", "--no-graph", "-T", row)
        rows = [line.split("\t", 2) for line in said.splitlines()]
        return [
            what for who, where, what in rows if who.startswith("oya-vcs@") and where == "default@"
        ]

    async def run(self, *args: str) -> str:
        """Run jj in the user's workspace. Raises WorldFailed."""
        argv = [str(self.jj), "--no-pager", "--color=never", "--quiet", "-R", str(self.repo), *args]
        return (await run_program(argv, env=self.environ)).out


@dataclass(frozen=True, slots=True)
class Load:
    """What was seen of one run: the beads' `times`, `all_s` from the first to the last of them,
    and what the user took for a look before and meanwhile."""

    times: Times
    all_s: float
    calm_s: Sequence[float]
    busy_s: Sequence[float]


async def run(plan: Plan, beads: Sequence[BeadSpec], user: User) -> Load:
    """Let a daemon work on the beads, all given at once, while the user works.

    Raises Bug where a bead did not land, an operation of ours is in the user's workspace, or an
    edit is lost: there is nothing to measure then.
    """
    times = Times()
    for _ in range(LOOKS):
        await user.edit()
    calm = tuple(user.took_s)
    user.took_s.clear()
    async with open_daemon(plan, feeds=[times]) as daemon:
        working = asyncio.create_task(user.work())
        begin = stopwatch()
        await daemon.submit(beads)
        resting = asyncio.ensure_future(daemon.rest())
        await asyncio.wait({working, resting}, return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            resting.cancel()
            await working
        world = await resting
        spent = stopwatch() - begin
        user.goes_home = True
        await working
    if len(times.spent) < len(beads) or not all(bead.landed for bead in world.beads.values()):
        raise Bug("The benchmark's beads did not land.")
    if await user.lost():
        raise Bug("An edit of the user is lost.")
    if found := await user.intruders():
        raise Bug(f"An operation of ours is in the user's workspace: {found[0]}.")
    return Load(times, spent, calm, tuple(user.took_s))


def figures(load: Load, bare_s: float) -> Iterator[Figure]:
    """What a load comes to; `bare_s` is what the bare calls for one bead take."""
    times, each_s = load.times, load.all_s / len(load.times.spent)
    whole, claimed = times.whole(), times.claimed()
    yield Figure(
        name="load-bead",
        what="a bead, by what all of them took; baseline: bare calls, before and after (time)",
        ours=f"{1_000 * each_s:.0f} ms",
        baseline=f"{1_000 * bare_s:.0f} ms",
        ratio=each_s / bare_s,
        wanted=f"≤ {RATIO}",
        met=each_s / bare_s <= RATIO,
    )
    worst_s = _at(claimed, 0.99) / 1_000
    yield Figure(
        name="load-claimed",
        what="from its claim to landed: p50, p95 and p99; baseline: the promise for the p99",
        ours=_spread(claimed),
        baseline=f"{OWN_S:.0f} s",
        ratio=worst_s / OWN_S,
        wanted=f"p99 < {OWN_S:.0f} s",
        met=worst_s < OWN_S,
    )
    yield Figure(
        name="load-whole",
        what="from ready to landed: p50, p95 and p99; baseline: the bare calls for all beads",
        ours=_spread(whole),
        baseline=f"{bare_s * len(whole):.1f} s",
        ratio=_at(whole, 0.99) / 1_000 / (bare_s * len(whole)),
    )
    for number, phase in enumerate(PHASES):
        spent = times.of(phase)
        yield Figure(
            name=f"load-phase-{number}",
            what=f"of that, {phase}: p50, p95 and p99; ratio: of all time",
            ours=_spread(spent),
            baseline="",
            ratio=sum(spent) / sum(whole),
        )
    yield Figure(
        name="load-look",
        what="`jj st` after an edit of the user: p50 and p99; baseline: before (ratio of the p50s)",
        ours=f"{1_000 * _at(load.busy_s, 0.5):.0f} and {1_000 * _at(load.busy_s, 0.99):.0f} ms",
        baseline=f"{1_000 * _at(load.calm_s, 0.5):.0f} and {1_000 * _at(load.calm_s, 0.99):.0f} ms",
        ratio=_at(load.busy_s, 0.5) / _at(load.calm_s, 0.5),
        wanted="none of our operations there, no edit lost",
        met=True,
    )


def _spread(values_ms: Sequence[float]) -> str:
    return ", ".join(f"{_at(values_ms, share) / 1_000:.2f}" for share in (0.5, 0.95, 0.99)) + " s"


def _at(values: Sequence[float], share: float) -> float:
    """The value that so many do not exceed."""
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]
