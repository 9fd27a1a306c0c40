"""`oya-vcs bead`: every bead with its state and reason; one bead with its story; another try for a
failed one."""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Callable

from oya_vcs.adapters.clock import SystemClock
from oya_vcs.cli.output import Output, table
from oya_vcs.cli.places import home_of
from oya_vcs.cli.reading import clock_time, record, world_of
from oya_vcs.cli.summary import SHORT, bead_data
from oya_vcs.core.beads import Bead, State
from oya_vcs.core.events import BeadRetried
from oya_vcs.core.explain import explain
from oya_vcs.core.ids import BeadId
from oya_vcs.core.world import World
from oya_vcs.errors import ConfigurationInvalid, ExitCode, InputInvalid, NotFound
from oya_vcs.journal.lock import HomeLock
from oya_vcs.journal.reader import require
from oya_vcs.journal.replay import plain
from oya_vcs.journal.store import SqliteJournal


def bead(arguments: argparse.Namespace, output: Output) -> ExitCode:
    """One of the verbs below."""
    return _VERBS[arguments.verb](arguments, output)


def _list(arguments: argparse.Namespace, output: Output) -> ExitCode:
    states = [str(state) for state in State]
    if arguments.state and arguments.state not in states:
        message = f"There is no state {arguments.state!r}."
        raise ConfigurationInvalid(message, f"States are {', '.join(states)}.")
    world = world_of(arguments)
    beads = [
        one
        for one in sorted(world.beads.values(), key=lambda one: one.id)
        if not arguments.state or one.state == arguments.state
    ]
    rows = [(one.id, one.state, explain(world, one)) for one in beads]
    text = table(("bead", "state", ""), rows) if rows else "There are no such beads."
    output.answer("bead-list", [bead_data(world, one) for one in beads], text)
    return ExitCode.DONE


def _show(arguments: argparse.Namespace, output: Output) -> ExitCode:
    world = world_of(arguments)
    found = _find(world, arguments.bead)
    with record(arguments) as reader:
        rows = [row for row in reader.read() if row.event.subject == found.id]
    story = [f"  {row.seq:>6}  {clock_time(row.at_ms)}  {_headline(row.event)}" for row in rows]
    lines = [
        f"{found.id}: {found.spec.title}",
        f"{found.state}: {explain(world, found)}",
        f"needs: {', '.join(found.spec.needs) or 'nothing'}",
        f"attempts: {found.attempt}, of which {found.failures} count as failed",
    ]
    if found.state is State.FAILED and found.detail:
        lines += ["", *(f"  | {line}" for line in found.detail.strip().splitlines())]
    events = [
        {
            "seq": row.seq,
            "at_ms": row.at_ms,
            "type": type(row.event).__name__,
            "data": plain(row.event),
        }
        for row in rows
    ]
    data = {**bead_data(world, found), "detail": found.detail, "events": events}
    output.answer("bead-show", data, "\n".join([*lines, "", *story]))
    return ExitCode.DONE


def _find(world: World, name: str) -> Bead:
    found = world.beads.get(BeadId(name))
    if found is None:
        message = f"There is no bead {name!r} in this home."
        raise NotFound(message, "`oya-vcs bead list` lists all of them; --home names another home.")
    return found


def _headline(event: object) -> str:
    """An event's name and the few words of it that tell people most."""
    effect = getattr(event, "effect", None)
    name = type(event).__name__ + (f" {type(effect).__name__}" if effect is not None else "")
    words = [
        f"{field} {str(value)[:SHORT] if field in _IDS else value}"
        for field in ("attempt", "slot", "pid", "reason", "exit_code", "check", "base", "commit")
        if (value := getattr(event, field, None)) not in (None, "")
    ]
    return f"{name:<28} {', '.join(words)}".rstrip()


_IDS = frozenset({"base", "commit"})


def _retry(arguments: argparse.Namespace, output: Output) -> ExitCode:
    home = home_of(arguments)
    require(home.journal)
    with HomeLock(home.lock):
        found = _find(world_of(arguments), arguments.bead)
        if found.state is not State.FAILED:
            message = f"Bead {found.id} is {found.state}; only a failed one can be retried."
            raise InputInvalid(message)
        asyncio.run(_append_retry(SqliteJournal(home.journal), found.id))
    text = f"Bead {found.id} has new attempts; the next `oya-vcs run` takes it up."
    output.answer("bead-retry", {"id": found.id, "retried": True}, text)
    return ExitCode.DONE


async def _append_retry(journal: SqliteJournal, bead_id: BeadId) -> None:
    try:
        await journal.append(SystemClock().now_ms(), [BeadRetried(bead=bead_id)])
    finally:
        await asyncio.to_thread(journal.close)


_VERBS: dict[str, Callable[[argparse.Namespace, Output], ExitCode]] = {
    "list": _list,
    "show": _show,
    "retry": _retry,
}
