"""`oya-vcs bead`: every bead with its state and reason; one bead with its story; another try for a
failed one."""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Callable

from oya_vcs.bootstrap import find_bead, retry
from oya_vcs.cli.output import Output, table
from oya_vcs.cli.places import home_of
from oya_vcs.cli.reading import clock_time, is_live, record, row_data, world_of
from oya_vcs.cli.summary import SHORT, bead_data
from oya_vcs.core.beads import State
from oya_vcs.core.explain import explain
from oya_vcs.core.ids import BeadId
from oya_vcs.errors import ConfigurationInvalid, ExitCode


def bead(arguments: argparse.Namespace, output: Output) -> ExitCode:
    """One of the verbs below."""
    return _VERBS[arguments.verb](arguments, output)


def _list(arguments: argparse.Namespace, output: Output) -> ExitCode:
    states = [str(state) for state in State]
    if arguments.state and arguments.state not in states:
        message = f"There is no state {arguments.state!r}."
        raise ConfigurationInvalid(message, f"States are {', '.join(states)}.")
    world, live = world_of(arguments), is_live(arguments)
    beads = [
        one
        for one in sorted(world.beads.values(), key=lambda one: one.id)
        if not arguments.state or one.state == arguments.state
    ]
    rows = [(one.id, one.state, explain(world, one, live=live)) for one in beads]
    text = table(("bead", "state", ""), rows) if rows else "There are no such beads."
    output.answer("bead-list", [bead_data(world, one, live=live) for one in beads], text)
    return ExitCode.DONE


def _show(arguments: argparse.Namespace, output: Output) -> ExitCode:
    world, live = world_of(arguments), is_live(arguments)
    found = find_bead(world, BeadId(arguments.bead))
    with record(arguments) as reader:
        rows = [row for row in reader.read() if row.event.subject == found.id]
    story = [f"  {row.seq:>6}  {clock_time(row.at_ms)}  {_headline(row.event)}" for row in rows]
    lines = [
        f"{found.id}: {found.spec.title}",
        f"{found.state}: {explain(world, found, live=live)}",
        f"needs: {', '.join(found.spec.needs) or 'nothing'}",
        f"attempts: {found.attempt}, of which {found.failures} count as failed",
    ]
    if found.state is State.FAILED and found.detail:
        lines += ["", *(f"  | {line}" for line in found.detail.strip().splitlines())]
    events = [row_data(row) for row in rows]
    data = {**bead_data(world, found, live=live), "detail": found.detail, "events": events}
    output.answer("bead-show", data, "\n".join([*lines, "", *story]))
    return ExitCode.DONE


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
    found = asyncio.run(retry(home_of(arguments), BeadId(arguments.bead)))
    text = f"Bead {found.id} has new attempts; the next `oya-vcs run` takes it up."
    output.answer("bead-retry", {"id": found.id, "retried": True}, text)
    return ExitCode.DONE


_VERBS: dict[str, Callable[[argparse.Namespace, Output], ExitCode]] = {
    "list": _list,
    "show": _show,
    "retry": _retry,
}
