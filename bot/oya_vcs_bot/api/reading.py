"""`GET`: what the daemon knows, in pages. Nothing here changes anything."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any

import msgspec
from litestar import Request, Response, get
from litestar.di import NamedDependency
from litestar.params import Parameter, QueryParameter, SkipValidation

from oya_vcs.core.beads import State
from oya_vcs.core.ids import BeadId
from oya_vcs.core.wishes import missing_bead
from oya_vcs.core.world import World
from oya_vcs.errors import InputInvalid
from oya_vcs.ports import Recorded
from oya_vcs_bot.api.answers import RESPONSES, tagged
from oya_vcs_bot.api.asking import Diff, House, LogPart
from oya_vcs_bot.api.lanes import (
    PoolRow,
    QueueRow,
    Seen,
    WorkflowRow,
    pool_row,
    queue_row,
    workflow_rows,
)
from oya_vcs_bot.api.rows import (
    BeadPage,
    BeadRow,
    EventRow,
    Graph,
    bead_page,
    bead_rows,
    event_row,
    graph_of,
    part_of,
)

Asked = Request[Any, Any, Any]
TheHouse = NamedDependency[SkipValidation[House]]
Limit = Annotated[int, Parameter(ge=1, le=1_000, description="How many at most.")]
After = Annotated[int, Parameter(ge=0, description="Only what comes after this event.")]
BeadName = Annotated[str, Parameter(max_length=500, description="The id of a bead.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Beads:
    """A page of beads. `next` is the `after` of the next page, None at the end."""

    seq: int
    next: str | None
    beads: Sequence[BeadRow]


@get("/api/beads", responses=RESPONSES)
async def beads(
    request: Asked,
    house: TheHouse,
    wanted: Annotated[
        str, QueryParameter(name="state", description="Only these, with commas between them.")
    ] = "",
    after: Annotated[str, Parameter(description="Only ids after this one.")] = "",
    limit: Limit = 200,
) -> Response[Beads]:
    """Every bead with its state and what it waits for, by id."""
    states = frozenset(filter(None, wanted.split(",")))
    unknown = states - {str(one) for one in State}
    if unknown:
        known = ", ".join(State)
        raise InputInvalid(f"There is no state {min(unknown)!r}.", f"States are {known}.")

    def look(world: World) -> tuple[list[BeadRow], str | None]:
        return bead_rows(world, states, after, limit)

    seq, (rows, following) = await house.seen(look)
    return tagged(request, seq, lambda: Beads(seq=seq, next=following, beads=rows))


@get("/api/beads/{bead:str}", responses=RESPONSES)
async def bead(request: Asked, house: TheHouse, bead: BeadName) -> Response[BeadPage]:
    """Everything about one bead, and what may be asked of it now."""
    seq, found = await house.seen(lambda world: bead_page(world, BeadId(bead)))
    if found is None:
        raise missing_bead(BeadId(bead))
    return tagged(request, seq, lambda: replace(found, seq=seq))


@dataclass(frozen=True, slots=True, kw_only=True)
class StoryPage:
    """Events about a bead, oldest first. `next` is the `after` of the next page (which may be
    empty, and not the last), None at the end of the record."""

    events: Sequence[EventRow]
    next: int | None
    archived_to: int


@get("/api/beads/{bead:str}/events", responses=RESPONSES)
async def bead_events(
    house: TheHouse, bead: BeadName, after: After = 0, limit: Limit = 500
) -> StoryPage:
    """What happened to one bead, from the journal."""
    _, known = await house.seen(lambda world: BeadId(bead) in world.beads)
    if not known:
        raise missing_bead(BeadId(bead))
    found = await house.story(BeadId(bead), after, limit)
    rows = [event_row(row) for row in found.events]
    return StoryPage(events=rows, next=found.next, archived_to=found.archived_to)


@get("/api/beads/{bead:str}/log", responses=RESPONSES)
async def bead_log(
    house: TheHouse,
    bead: BeadName,
    name: Annotated[str, Parameter(max_length=200, description="Which log; the newest.")] = "",
    offset: Annotated[int, Parameter(description="In bytes; from the end, if negative.")] = -65_536,
    limit: Annotated[int, Parameter(ge=1, le=1_048_576, description="In bytes.")] = 65_536,
) -> LogPart:
    """A part of what its workers, setups and checks said, with secrets taken out."""
    return await house.log(BeadId(bead), name, offset, limit)


@get("/api/beads/{bead:str}/diff", responses=RESPONSES)
async def bead_diff(house: TheHouse, bead: BeadName) -> Diff:
    """What its newest result changes."""
    return await house.diff(BeadId(bead))


@get("/api/graph", responses=RESPONSES)
async def graph(
    request: Asked,
    house: TheHouse,
    at: Annotated[int | None, Parameter(ge=0, description="As of this event.")] = None,
    offset: Annotated[int, Parameter(ge=0, description="Where the page begins.")] = 0,
    limit: Limit = 500,
) -> Response[Graph]:
    """Beads and what they wait for, now or as of an earlier event, a page at a time."""
    if at is None:
        seq, part = await house.seen(lambda world: part_of(world, offset, limit))
    else:
        seq, part = await house.past(at, lambda world: part_of(world, offset, limit))
    return tagged(request, seq, lambda: graph_of(seq, part, offset))


@dataclass(frozen=True, slots=True, kw_only=True)
class Queues:
    """Every merge queue."""

    seq: int
    now_ms: int
    queues: Sequence[QueueRow]


@get("/api/queue", responses=RESPONSES)
async def queue(house: TheHouse, limit: Limit = 200) -> Queues:
    """The merge queue of each repository: what is tested on what, and what each change waits
    for."""

    def look(world: World) -> list[QueueRow]:
        return [queue_row(world, one, limit) for one in world.repos.values()]

    seq, rows = await house.seen(look)
    return Queues(seq=seq, now_ms=house.now_ms(), queues=rows)


@dataclass(frozen=True, slots=True, kw_only=True)
class Workers:
    """Every worker slot, and what is seen of those that work."""

    seq: int
    now_ms: int
    pools: Sequence[PoolRow]
    seen: Sequence[Seen]


@get("/api/workers", responses=RESPONSES)
async def workers(house: TheHouse) -> Workers:
    """Worker slots: who has which, since when, its clocks and its memory."""
    seq, pools = await _pools(house)
    seen = await _seen_in(house, pools)
    return Workers(seq=seq, now_ms=house.now_ms(), pools=pools, seen=seen)


async def seen_workers(house: House) -> list[Seen]:
    """What is seen of every worker that runs."""
    _, pools = await _pools(house)
    return await _seen_in(house, pools)


async def _pools(house: House) -> tuple[int, list[PoolRow]]:
    now_ms = house.now_ms()
    return await house.seen(
        lambda world: [pool_row(world, one, now_ms) for one in world.repos.values()]
    )


async def _seen_in(house: House, pools: Sequence[PoolRow]) -> list[Seen]:
    runs = {one.run: (pool.repo, one.slot) for pool in pools for one in pool.slots if one.run}
    found = await house.running(tuple(runs))
    return [
        Seen(
            repo=runs[key][0],
            slot=runs[key][1],
            clocks=dict(one.clocks),
            silent_ms=one.silent_ms,
            lease_ms=one.lease_ms,
            rss_bytes=one.rss_bytes,
        )
        for key, one in found.items()
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class WholeEvent:
    """An event as the journal has it."""

    seq: int
    at_ms: int
    type: str
    subject: str
    data: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Events:
    """Events of the journal, in order. `next` is the `after` of the next page, None at the end."""

    next: int | None
    events: Sequence[WholeEvent]


@get("/api/events", responses=RESPONSES)
async def events(house: TheHouse, after: After = 0, limit: Limit = 200) -> Events:
    """The record itself."""
    rows = await house.events(after, limit)
    whole = await asyncio.to_thread(lambda: [_whole(row) for row in rows])
    return Events(next=rows[-1].seq if len(rows) == limit else None, events=whole)


def _whole(row: Recorded) -> WholeEvent:
    event = row.event
    data: dict[str, Any] = msgspec.to_builtins(event)
    effect = getattr(event, "effect", None)
    if effect is not None:
        data["effect"] = {"kind": type(effect).__name__, **data["effect"]}
    return WholeEvent(
        seq=row.seq,
        at_ms=row.at_ms,
        type=type(event).__name__,
        subject=event.subject,
        data=data,
    )


@get("/api/workflows", responses=RESPONSES)
async def workflows(request: Asked, house: TheHouse) -> Response[Sequence[WorkflowRow]]:
    """The repositories, and their beads by state."""
    seq, rows = await house.seen(workflow_rows)
    return tagged(request, seq, lambda: rows)


HANDLERS = (
    beads,
    bead,
    bead_events,
    bead_log,
    bead_diff,
    graph,
    queue,
    workers,
    events,
    workflows,
)
