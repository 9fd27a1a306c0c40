"""`oya-vcs queue`: what is in the merge queue and what it waits for; what people say to it.

What changes something is said to the daemon that works on the home; where there is none, it is
recorded under the home's lock. The answers are the same.
"""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from oya_vcs.adapters.clock import SystemClock
from oya_vcs.cli.asking import person
from oya_vcs.cli.output import Output, duration, table
from oya_vcs.cli.places import home_of
from oya_vcs.cli.reading import clock_time, is_live, record, row_data, world_of
from oya_vcs.cli.summary import SHORT
from oya_vcs.cli.wishes import asked
from oya_vcs.cli.workspace import span_ms
from oya_vcs.core.events import Event, Requested
from oya_vcs.core.ids import ChangeId
from oya_vcs.core.merge import Change, MergeQueue
from oya_vcs.core.queue_forecast import expected_ms
from oya_vcs.core.queue_waits import closed, waits_for
from oya_vcs.core.queue_words import QueueVerb, Word, find_change
from oya_vcs.core.world import Repo, World
from oya_vcs.errors import ConfigurationInvalid, ExitCode
from oya_vcs.housekeeping import say


def queue(arguments: argparse.Namespace, output: Output) -> ExitCode:
    """One of the verbs below."""
    return _VERBS[arguments.verb](arguments, output)


def _list(arguments: argparse.Namespace, output: Output) -> ExitCode:
    world, live = world_of(arguments), is_live(arguments)
    data: list[dict[str, object]] = []
    lines = []
    for repo in world.repos.values():
        listed = [_data(world, repo.queue, *one) for one in _in_order(world, repo.queue)]
        data += listed
        if listed and len(world.repos) > 1:
            lines.append(f"{repo.path}:")
        lines += [_table(listed, live=live)] if listed else []
    gates = [line for repo in world.repos.values() for line in _gates(repo)]
    text = "\n".join([*(lines or ["The merge queue is empty."]), *gates])
    queues = {repo.id: _queue_data(repo) for repo in world.repos.values()}
    output.answer("queue-list", {"changes": data, "queues": queues}, text)
    return ExitCode.DONE


def _table(listed: Sequence[Mapping[str, object]], *, live: bool) -> str:
    """Each change with its place and what it waits for, and when it may land where that is known:
    while a daemon works on it."""
    rows = []
    for one in listed:
        expected = one["expected_ms"]
        when = f"in {duration(expected)}" if live and isinstance(expected, int) else ""
        where, waits = str(one["place"] or "-"), str(one["waits_for"])
        rows.append((where, str(one["id"]), f"P{one['priority']}", when, waits))
    return table(
        ("place", "change", "priority", "may land" * any(row[3] for row in rows), ""), rows
    )


def _in_order(world: World, queue: MergeQueue) -> Iterator[tuple[Change, int]]:
    """Those with a place first, in order; then those that wait aside (place 0)."""
    placed = [*queue.flying(), *queue.waiting.ordered()]
    for number, one in enumerate(placed, start=1):
        yield world.changes[one], number
    for one in queue.members:
        if one not in queue.waiting and not queue.in_flight(one):
            yield world.changes[one], 0


def _gates(repo: Repo) -> list[str]:
    gates, now_ms = repo.queue.gates, SystemClock().now_ms()
    lines = []
    if repo.queue.paused or gates.pause:
        lines.append(f"{repo.path}: The merge queue is paused: {repo.queue.paused or gates.pause}")
    if gates.frozen_until_ms > now_ms:
        until = clock_time(gates.frozen_until_ms)
        lines.append(f"{repo.path}: Nothing lands until {until}: {gates.frozen_why}")
    if gates.closed_above is not None:
        why = f": {gates.closed_why}" if gates.closed_why else "."
        lines.append(f"{repo.path}: {closed(gates.closed_above)}{why}")
    return lines


def _queue_data(repo: Repo) -> dict[str, object]:
    queue = repo.queue
    return {
        "path": repo.path,
        "paused": queue.paused or queue.gates.pause,
        "frozen_until_ms": queue.gates.frozen_until_ms,
        "closed_above": queue.gates.closed_above,
        "window": queue.pace.window,
        "failing": queue.pace.failing_ppm / 1_000_000,
        "test_ms": queue.pace.test_ms,
    }


def _data(world: World, queue: MergeQueue, change: Change, place: int) -> dict[str, object]:
    return {
        "id": change.id,
        "bead": change.bead,
        "repo": change.repo,
        "stage": str(change.stage),
        "place": place,
        "priority": change.priority,
        "head": change.head,
        "base": change.base,
        "candidate": change.candidate,
        "round": change.round,
        "reason": None if change.reason is None else str(change.reason),
        "waits_for": waits_for(world, change) if change.id in queue.members else "",
        "expected_ms": expected_ms(world, queue, change.id),
    }


def _show(arguments: argparse.Namespace, output: Output) -> ExitCode:
    world = world_of(arguments)
    change = find_change(world, arguments.change)
    queue = world.repos[change.repo].queue
    data = _data(world, queue, change, queue.place(change.id))
    with record(arguments) as reader:
        rows = [row for row in reader.read() if _is_about(row.event, change.id)]
    story = [f"  {row.seq:>6}  {clock_time(row.at_ms)}  {_name(row.event)}" for row in rows]
    lines = [
        f"{change.id}: {world.bead(change.bead).spec.title}",
        f"{change.stage}: {data['waits_for'] or change.reason or 'landed'}",
        f"head: {change.head}, priority {change.priority}",
        *_candidate(change),
        *(f"  | {line}" for line in change.detail.strip().splitlines()),
    ]
    data |= {"detail": change.detail, "events": [row_data(row) for row in rows]}
    output.answer("queue-show", data, "\n".join([*lines, "", *story]))
    return ExitCode.DONE


def _candidate(change: Change) -> Iterator[str]:
    """What was built of it, if anything."""
    if change.candidate is not None:
        candidate, base = change.candidate[:SHORT], (change.base or "")[:SHORT]
        yield f"candidate: {candidate} on {base} (round {change.round})"


def _name(event: Event) -> str:
    """What happened; of a request, what was asked for."""
    if isinstance(event, Requested):
        return f"Requested {type(event.effect).__name__}"
    return type(event).__name__


def _is_about(event: object, change: ChangeId) -> bool:
    return change in {
        getattr(event, "change", None),
        getattr(getattr(event, "effect", None), "change", None),
    }


def _say(arguments: argparse.Namespace, output: Output) -> ExitCode:
    """Say a word, and what came of it."""
    verb = QueueVerb(arguments.verb)
    until_ms = 0
    if verb is QueueVerb.FREEZE and not arguments.end:
        span = span_ms(arguments.span)
        if not span:
            message = "A freeze of no time freezes nothing."
            raise ConfigurationInvalid(message, "Give --for 30m, 24h or 7d; --end ends a freeze.")
        until_ms = SystemClock().now_ms() + span
    above = getattr(arguments, "above", None)
    word = Word(
        verb=verb,
        change=getattr(arguments, "change", ""),
        repo=_repository(getattr(arguments, "repo", "")),
        who=person(),
        why=getattr(arguments, "reason", ""),
        head=getattr(arguments, "head", ""),
        priority=above if verb is QueueVerb.CLOSE else getattr(arguments, "priority", None),
        until_ms=until_ms,
    )
    fields = {
        name: getattr(word, name)
        for name in ("change", "repo", "who", "why", "head", "priority", "until_ms")
    }
    home = home_of(arguments)
    said = asked(home, f"queue.{verb}", fields, lambda: {"said": asyncio.run(say(home, word))})
    ends = f" The freeze ends at {clock_time(until_ms)}." if until_ms else ""
    output.answer(f"queue-{verb}", {**fields, **said}, f"{said['said']}{ends}")
    return ExitCode.DONE


def _repository(name: str) -> str:
    """A folder as the home knows it; anything else as it is."""
    return str(Path(name).resolve()) if name and Path(name).is_dir() else name


def _simulate(arguments: argparse.Namespace, output: Output) -> ExitCode:
    from oya_vcs.cli.simulate import simulate  # noqa: PLC0415 - it is rarely asked for

    return simulate(arguments, output)


_VERBS: dict[str, Callable[[argparse.Namespace, Output], ExitCode]] = {
    "list": _list,
    "show": _show,
    **dict.fromkeys(QueueVerb, _say),
    "simulate": _simulate,
}
