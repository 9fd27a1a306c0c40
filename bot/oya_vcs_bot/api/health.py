"""How the daemon is: its parts, its journal, its disk, its pace, and what somebody should look at.

Alarms are judged by what is there now, pure; how the figures are come by is the `House`'s.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from litestar import Response, get
from litestar.di import NamedDependency
from litestar.params import SkipValidation

from oya_vcs.core.beads import State
from oya_vcs.core.slots import pool_of
from oya_vcs.core.supervision import Node
from oya_vcs.core.world import Repo, World
from oya_vcs.errors import OyaError
from oya_vcs_bot.api.asking import Machine
from oya_vcs_bot.api.lanes import Seen
from oya_vcs_bot.api.live import Live
from oya_vcs_bot.api.reading import TheHouse, seen_workers

IDLE_MS_MAX = 60_000
"""Ready beads that nobody works on for so long are an alarm."""
QUEUE_MS_MAX = 3_600_000
"""A change that is in the merge queue for so long is one, where nothing holds the queue up."""
DISK_SHARE_MIN = 0.05
"""And less free space than this share of the disk."""
FLUSH_MS_MAX = 1_000.0
"""A disk that takes longer is slow."""
SILENT_SHARE = 0.5
"""And a worker that has been silent for more than this share of what ends it."""

TheLive = NamedDependency[SkipValidation[Live]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    """Something that a person should look at: what, where it is, and a sentence."""

    kind: str
    subject: str
    said: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A part of the daemon and what it supervises. `since_ms` is when `status` began."""

    name: str
    status: str
    since_ms: int
    restarts: int
    error: str
    children: Sequence[Part]


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """`status` is "ok", "degraded" (there are alarms) or "waiting" (the journal takes nothing)."""

    status: str
    now_ms: int
    machine: Machine
    alarms: Sequence[Alarm]
    states: dict[str, int]
    open_effects: int
    clients: int
    told: int
    tree: Part | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What of the state health is about."""

    states: dict[str, int]
    open_effects: int
    alarms: list[Alarm]


@get("/api/health", responses={})
async def health(house: TheHouse, live: TheLive) -> Response[Health]:
    """How the daemon is. 200 as long as it answers."""
    machine, now_ms = await house.machine(), house.now_ms()
    look, seen = Look(states={}, open_effects=0, alarms=[]), list[Seen]()
    if machine.flush_ms is not None:
        try:
            _, look = await house.seen(lambda world: look_at(world, now_ms))
            seen = await seen_workers(house)
        except OyaError as error:
            look.alarms.append(Alarm(kind="state", subject="", said=error.message))
    alarms = [*of_machine(machine), *look.alarms, *of_workers(seen)]
    status = "waiting" if machine.flush_ms is None else "degraded" if alarms else "ok"
    tree = house.tree()
    told = Health(
        status=status,
        now_ms=now_ms,
        machine=machine,
        alarms=alarms,
        states=look.states,
        open_effects=look.open_effects,
        clients=live.clients,
        told=live.told,
        tree=None if tree is None else part(tree),
    )
    return Response(told, headers={"Cache-Control": "no-store"})


def part(node: Node) -> Part:
    """A place of the supervision tree as a row."""
    return Part(
        name=node.name,
        status=str(node.status.value),
        since_ms=node.since_ms,
        restarts=node.restarts,
        error=node.error,
        children=[part(one) for one in node.children],
    )


def look_at(world: World, now_ms: int) -> Look:
    """Count, and judge. Costs the beads, counted, and the queues."""
    counts = Counter(bead.state for bead in world.beads.values())
    return Look(
        states={str(one): counts[one] for one in State if counts[one]},
        open_effects=len(world.open),
        alarms=[one for repo in world.repos.values() for one in of_repo(world, repo, now_ms)],
    )


def of_repo(world: World, repo: Repo, now_ms: int) -> Iterator[Alarm]:
    """What is wrong with the work on one repository."""
    if repo.queue.paused:
        yield Alarm(kind="target", subject=repo.path, said=repo.queue.paused)
    pool = pool_of(repo, repo.total, now_ms)
    if len(repo.ready) and not pool.claimed and pool.total:
        since_ms = max(world.bead(one).since_ms for one in repo.ready)
        if now_ms - since_ms > IDLE_MS_MAX and not repo.queue.paused:
            said = f"{len(repo.ready)} beads are ready, and nobody works."
            yield Alarm(kind="idle", subject=repo.path, said=said)
    if pool.unhealthy:
        said = f"{pool.unhealthy} worker slots rest after the world refused to begin there."
        yield Alarm(kind="slots", subject=repo.path, said=said)
    gates = repo.queue.gates
    if gates.pause or gates.frozen_until_ms > now_ms or gates.closed_above is not None:
        return
    waits = [world.changes[one] for one in repo.queue.members if one not in repo.queue.unapproved]
    oldest = min((one.joined_ms for one in waits if one.joined_ms), default=now_ms)
    if now_ms - oldest > QUEUE_MS_MAX:
        minutes = (now_ms - oldest) // 60_000
        said = f"A change has been in the merge queue for {minutes} minutes."
        yield Alarm(kind="queue", subject=repo.path, said=said)


def of_machine(machine: Machine) -> Iterator[Alarm]:
    """What is wrong with the journal and its disk."""
    if machine.flush_ms is None:
        yield Alarm(kind="journal", subject="", said="The journal takes nothing at the moment.")
    elif machine.flush_ms > FLUSH_MS_MAX:
        said = f"The disk takes {machine.flush_ms:.0f} ms to take an event."
        yield Alarm(kind="journal", subject="", said=said)
    if machine.disk_free_bytes < DISK_SHARE_MIN * machine.disk_total_bytes:
        free = machine.disk_free_bytes // 1_000_000
        yield Alarm(kind="disk", subject="", said=f"{free} MB are left on the home's disk.")


def of_workers(seen: Sequence[Seen]) -> Iterator[Alarm]:
    """Who has been silent for long."""
    for one in seen:
        if one.lease_ms and one.silent_ms > SILENT_SHARE * one.lease_ms:
            said = f"The worker in slot {one.slot} has been silent for {one.silent_ms // 1_000} s."
            yield Alarm(kind="silence", subject=one.repo, said=said)
