"""Merge queues, worker slots and repositories as rows for programs. Pure: reads the world only."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from oya_vcs.core.beads import TERMINAL, State
from oya_vcs.core.effects import RunWorker
from oya_vcs.core.ids import BeadId, Key
from oya_vcs.core.merge import Change, MergeQueue
from oya_vcs.core.queue_forecast import expected_ms
from oya_vcs.core.queue_waits import waits_for
from oya_vcs.core.slots import pool_of, rests_until
from oya_vcs.core.world import Repo, World

RECENT = 20
"""Landings of a queue that are listed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeRow:
    """A change in a merge queue. `lane` is its place in the window (None: not in it): each lane is
    tested on all before it; those with one lane are tested together. `place` 0: it waits aside."""

    id: str
    bead: str
    title: str
    stage: str
    place: int
    lane: int | None
    priority: int
    head: str
    base: str | None
    candidate: str | None
    passed: bool | None
    round: int
    reason: str | None
    waits_for: str
    asked_ms: int | None
    expected_ms: int | None
    approved: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class LandingRow:
    """A change that landed lately."""

    bead: str
    title: str
    base: str
    commit: str


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueRow:
    """One repository's merge queue: what keeps it from going on, what it has learnt (`failing` is a
    share), its changes, and what landed lately, newest first."""

    repo: str
    path: str
    target: str
    tip: str | None
    paused: str
    frozen_until_ms: int
    frozen_why: str
    closed_above: int | None
    closed_why: str
    window: int
    failing: float
    test_ms: int
    total: int
    changes: Sequence[ChangeRow]
    recent: Sequence[LandingRow]


def queue_row(world: World, repo: Repo, limit: int) -> QueueRow:
    """A queue with its first `limit` changes."""
    queue, gates = repo.queue, repo.queue.gates
    recent = queue.pace.recent[-RECENT:][::-1]
    return QueueRow(
        repo=repo.id,
        path=repo.path,
        target=repo.target,
        tip=queue.tip,
        paused=queue.paused or gates.pause,
        frozen_until_ms=gates.frozen_until_ms,
        frozen_why=gates.frozen_why,
        closed_above=gates.closed_above,
        closed_why=gates.closed_why,
        window=queue.pace.window,
        failing=queue.pace.failing_ppm / 1_000_000,
        test_ms=queue.pace.test_ms,
        total=len(queue.members),
        changes=[_change_row(world, queue, *one) for one in islice(_in_order(world, queue), limit)],
        recent=[
            LandingRow(
                bead=one.bead,
                title=world.bead(one.bead).spec.title,
                base=one.base,
                commit=one.commit,
            )
            for one in recent
        ],
    )


def _in_order(world: World, queue: MergeQueue) -> Iterator[tuple[Change, int]]:
    """Those with a place first, in order; then those that wait aside (place 0)."""
    placed = [*queue.flying(), *queue.waiting.ordered()]
    for number, one in enumerate(placed, start=1):
        yield world.changes[one], number
    for one in queue.members:
        if one not in queue.waiting and not queue.in_flight(one):
            yield world.changes[one], 0


def _change_row(world: World, queue: MergeQueue, change: Change, place: int) -> ChangeRow:
    lanes = (at for at, group in enumerate(queue.chain) if change.id in group.changes)
    return ChangeRow(
        id=change.id,
        bead=change.bead,
        title=world.bead(change.bead).spec.title,
        stage=str(change.stage),
        place=place,
        lane=next(lanes, None),
        priority=change.priority,
        head=change.head,
        base=change.base,
        candidate=change.candidate,
        passed=change.passed,
        round=change.round,
        reason=None if change.reason is None else str(change.reason),
        waits_for=waits_for(world, change),
        asked_ms=change.asked_ms,
        expected_ms=expected_ms(world, queue, change.id),
        approved=change.id not in queue.unapproved,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotRow:
    """A worker slot: who has it, since when, and what is seen of the worker (empty: nothing)."""

    slot: int
    bead: str | None
    title: str
    state: str
    attempt: int
    since_ms: int
    rests_until_ms: int
    run: Key | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolRow:
    """The worker slots of one repository: total = idle + claimed + unhealthy, always."""

    repo: str
    path: str
    total: int
    idle: int
    claimed: int
    unhealthy: int
    ready: int
    slots: Sequence[SlotRow]


def pool_row(world: World, repo: Repo, now_ms: int) -> PoolRow:
    """The account, and who has which slot."""
    pool = pool_of(repo, repo.total, now_ms)
    runs = {one.bead: key for key, one in world.open.items() if isinstance(one, RunWorker)}
    shown = sorted({*range(pool.total), *repo.slots})
    return PoolRow(
        repo=repo.id,
        path=repo.path,
        total=pool.total,
        idle=pool.idle,
        claimed=pool.claimed,
        unhealthy=pool.unhealthy,
        ready=len(repo.ready),
        slots=[_slot_row(world, repo, slot, runs) for slot in shown],
    )


def _slot_row(world: World, repo: Repo, slot: int, runs: dict[BeadId, Key]) -> SlotRow:
    holder = repo.slots.get(slot)
    bead = None if holder is None else world.bead(holder)
    return SlotRow(
        slot=slot,
        bead=holder,
        title="" if bead is None else bead.spec.title,
        state="" if bead is None else str(bead.state),
        attempt=0 if bead is None else bead.attempt,
        since_ms=0 if bead is None else bead.since_ms,
        rests_until_ms=rests_until(repo, slot),
        run=None if holder is None else runs.get(holder),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What is seen of the worker in a slot: clocks in words, how long it has been silent and may be
    (0: any time), memory in bytes (None: not known)."""

    repo: str
    slot: int
    clocks: dict[str, str]
    silent_ms: int
    lease_ms: int
    rss_bytes: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkflowRow:
    """A repository and its beads, counted by state."""

    repo: str
    path: str
    target: str
    beads: int
    unfinished: int
    states: dict[str, int]


def workflow_rows(world: World) -> list[WorkflowRow]:
    """Every repository. Costs the beads."""
    counts: dict[str, Counter[str]] = {repo: Counter() for repo in world.repos}
    for bead in world.beads.values():
        counts[bead.repo][bead.state] += 1
    over = [str(one) for one in TERMINAL]
    return [
        WorkflowRow(
            repo=repo.id,
            path=repo.path,
            target=repo.target,
            beads=found.total(),
            unfinished=found.total() - sum(found[one] for one in over),
            states={str(one): found[one] for one in State if found[one]},
        )
        for repo in world.repos.values()
        for found in [counts[repo.id]]
    ]
