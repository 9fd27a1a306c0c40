"""Beads and events as rows for programs: what the API answers with. Pure: reads the world only.

Every field is plain data; times are Unix milliseconds. Texts come from beads and are hostile: they
are data here, and whoever shows them escapes them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from oya_vcs.core import events as e
from oya_vcs.core.beads import Bead
from oya_vcs.core.explain import explain
from oya_vcs.core.ids import BeadId
from oya_vcs.core.standing import touched
from oya_vcs.core.wishes import Verb, Wish, judge
from oya_vcs.core.world import World
from oya_vcs.ports import Recorded

TITLE_MAX = 200
"""Characters of a title in a graph; the bead itself has all of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GraphBead:
    """A bead as a graph shows it. `needs` are all that gate it, landed or not."""

    id: str
    title: str
    state: str
    repo: str
    tenant: str
    priority: int
    labels: Sequence[str]
    needs: Sequence[str]
    since_ms: int
    attempt: int
    failures: int
    slot: int | None
    cancelling: bool


def graph_bead(bead: Bead) -> GraphBead:
    """One row."""
    spec = bead.spec
    return GraphBead(
        id=bead.id,
        title=spec.title[:TITLE_MAX],
        state=str(bead.state),
        repo=bead.repo,
        tenant=spec.tenant,
        priority=spec.priority,
        labels=spec.labels,
        needs=spec.needs,
        since_ms=bead.since_ms,
        attempt=bead.attempt,
        failures=bead.failures,
        slot=bead.slot,
        cancelling=bead.cancelling,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Graph:
    """Beads in the order they came, from `offset` on. `next` is the offset of the next page, None
    at the end. `seq` is the last event in what is shown: later ones come over the WebSocket."""

    seq: int
    now_ms: int
    total: int
    next: int | None
    beads: Sequence[GraphBead]


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A page of a graph before its number is known."""

    now_ms: int
    total: int
    beads: list[GraphBead]


def part_of(world: World, offset: int, limit: int) -> Part:
    """Costs the page (and a walk past what is before it)."""
    found = islice(world.beads.values(), offset, offset + limit)
    beads = [graph_bead(bead) for bead in found]
    return Part(now_ms=world.now_ms, total=len(world.beads), beads=beads)


def graph_of(seq: int, part: Part, offset: int) -> Graph:
    """The page."""
    end = offset + len(part.beads)
    after = end if part.beads and end < part.total else None
    return Graph(seq=seq, now_ms=part.now_ms, total=part.total, next=after, beads=part.beads)


def changed_by(world: World, events: Iterable[e.Event]) -> list[GraphBead]:
    """The rows of every bead that the events may have changed: those they are about, and those
    that became ready by them. Costs the events, and the out-degree of what landed."""
    events = list(events)
    named = (getattr(one, "bead", None) or getattr(one, "effect", None) for one in events)
    ids = {getattr(one, "bead", one) for one in named}
    ids |= {row.id for row in touched(world, [one for one in events if _is_there(world, one)])}
    return [graph_bead(world.beads[one]) for one in ids if one in world.beads]


def _is_there(world: World, event: e.Event) -> bool:
    return getattr(event, "bead", None) in world.beads


@dataclass(frozen=True, slots=True, kw_only=True)
class BeadRow:
    """A bead in a list. `why` is a sentence: what it waits for, what happens to it, its end."""

    id: str
    title: str
    repo: str
    state: str
    why: str
    priority: int
    tenant: str
    attempt: int
    failures: int
    since_ms: int
    change: str | None
    landed: str | None


def bead_row(world: World, bead: Bead) -> BeadRow:
    """One row."""
    return BeadRow(
        id=bead.id,
        title=bead.spec.title,
        repo=bead.repo,
        state=str(bead.state),
        why=explain(world, bead),
        priority=bead.spec.priority,
        tenant=bead.spec.tenant,
        attempt=bead.attempt,
        failures=bead.failures,
        since_ms=bead.since_ms,
        change=bead.change,
        landed=bead.landed,
    )


def bead_rows(
    world: World, states: frozenset[str], after: str, limit: int
) -> tuple[list[BeadRow], str | None]:
    """Beads in these states (none: in any), by their ids, after one of them; and where the next
    page begins."""
    ids = sorted(
        bead.id
        for bead in world.beads.values()
        if bead.id > after and (not states or bead.state in states)
    )
    page = ids[:limit]
    rows = [bead_row(world, world.beads[one]) for one in page]
    return rows, (page[-1] if len(ids) > limit else None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Neighbour:
    """A bead beside another one."""

    id: str
    title: str
    state: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BeadPage:
    """Everything about one bead. `can` names what may be asked of it now; `behind` is the state
    behind a pause; `run` the key of its worker, where one is under way."""

    seq: int
    bead: BeadRow
    description: str
    acceptance: str
    kind: str
    labels: Sequence[str]
    files: Sequence[str]
    needs: Sequence[Neighbour]
    dependents: Sequence[Neighbour]
    slot: int | None
    chosen: str
    key: str
    base: str | None
    commit: str | None
    feedback: str
    reason: str | None
    detail: str
    until_ms: int
    behind: str | None
    cancelling: bool
    by_hand: bool
    pull: int | None
    can: Sequence[str]


NEIGHBOURS_MAX = 200
"""Of each kind, that are listed with a bead."""


def bead_page(world: World, bead_id: BeadId) -> BeadPage | None:
    """The bead, or None where there is none. Its `seq` is set by who knows it."""
    bead = world.beads.get(bead_id)
    if bead is None:
        return None
    spec, pull = bead.spec, world.pull_of.get(bead_id)
    return BeadPage(
        seq=0,
        bead=bead_row(world, bead),
        description=spec.description,
        acceptance=spec.acceptance,
        kind=spec.kind,
        labels=spec.labels,
        files=spec.files,
        needs=_neighbours(world, spec.needs),
        dependents=_neighbours(world, world.graph.dependents(bead_id)),
        slot=bead.slot,
        chosen=bead.chosen,
        key=bead.key,
        base=bead.base,
        commit=bead.landed or bead.commit,
        feedback=bead.feedback,
        reason=None if bead.reason is None else str(bead.reason),
        detail=bead.detail,
        until_ms=bead.until_ms,
        behind=None if bead.paused_in is None else str(bead.paused_in),
        cancelling=bead.cancelling,
        by_hand=bead.by_hand,
        pull=None if pull is None else world.pulls[pull].number,
        can=tuple(_possible(world, bead)),
    )


def _neighbours(world: World, ids: Sequence[BeadId]) -> list[Neighbour]:
    beads = [world.beads[one] for one in ids[:NEIGHBOURS_MAX] if one in world.beads]
    return [Neighbour(id=one.id, title=one.spec.title, state=str(one.state)) for one in beads]


def _possible(world: World, bead: Bead) -> Iterator[str]:
    """What would be granted, asked now, and would change something."""
    for verb in Verb:
        if judge(world, Wish(verb=verb, beads=(bead.id,)))[0].event is not None:
            yield str(verb)
    change = None if bead.change is None else world.changes.get(bead.change)
    if change is not None and change.id in world.repos[bead.repo].queue.members:
        if change.id in world.repos[bead.repo].queue.unapproved:
            yield "approve"
        if change.exit is None and str(change.stage) != "merging":
            yield "rework"


@dataclass(frozen=True, slots=True, kw_only=True)
class EventRow:
    """An event in short: its number, time, kind, what it is about, and the few words of it that
    tell people most."""

    seq: int
    at_ms: int
    type: str
    subject: str
    text: str


_SHOWN = ("attempt", "slot", "reason", "exit_code", "check", "detail", "commit", "who", "why")
_SHORT = 12
TEXT_MAX = 160
"""Characters of an event's words."""


def event_row(row: Recorded) -> EventRow:
    """One row."""
    event = row.event
    effect = getattr(event, "effect", None)
    kind = type(event).__name__ + (f" {type(effect).__name__}" if effect is not None else "")
    words = []
    for field in _SHOWN:
        value = getattr(event, field, None)
        if value not in (None, ""):
            text = str(value).strip().partition("\n")[0]
            words.append(f"{field} {text[:_SHORT] if field == 'commit' else text}")
    text = ", ".join(words)[:TEXT_MAX]
    return EventRow(seq=row.seq, at_ms=row.at_ms, type=kind, subject=event.subject, text=text)
