"""`oya-vcs bead`: every bead with its state and reason; one bead with its story; what is ready,
what is blocked, and the chain of one bead; and what a person asks of beads (`wishes.py`)."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from dataclasses import asdict

from oya_vcs.adapters.clock import SystemClock
from oya_vcs.cli.adding import add_bead
from oya_vcs.cli.importing import import_beads
from oya_vcs.cli.output import Output, duration, table
from oya_vcs.cli.places import home_of
from oya_vcs.cli.reading import beads_of, clock_time, is_live, record, row_data, world_of
from oya_vcs.cli.running import clocks_of
from oya_vcs.cli.summary import SHORT, bead_data
from oya_vcs.cli.wishes import wish
from oya_vcs.core.beads import Bead, State
from oya_vcs.core.budget import summary
from oya_vcs.core.events import AttemptClaimed
from oya_vcs.core.explain import NAMED_MAX, explain
from oya_vcs.core.ids import BeadId
from oya_vcs.core.wishes import Verb, find_bead, missing_bead
from oya_vcs.core.world import World
from oya_vcs.errors import ConfigurationInvalid, ExitCode
from oya_vcs.journal.queries import Blocked, Chain, Standing


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
        *_weights(world, found),
        f"attempts: {found.attempt}, of which {found.failures} count as failed",
    ]
    used = summary(found, SystemClock().now_ms())
    lines += [f"used: {used}"] if used else []
    slots = [
        {"attempt": one.attempt, "slot": one.slot, "why": one.why}
        for row in rows
        if isinstance(one := row.event, AttemptClaimed)
    ]
    clocks = clocks_of(home_of(arguments), world).get(found.id, {})
    lines += [f"{name + ':':<11} {shown}" for name, shown in clocks.items()]
    if found.state is State.FAILED and found.detail:
        lines += ["", *(f"  | {line}" for line in found.detail.strip().splitlines())]
    events = [row_data(row) for row in rows]
    data = {
        **bead_data(world, found, live=live),
        "detail": found.detail,
        "used": asdict(found.used.plus(found.using)),
        "clocks": clocks,
        "slots": slots,
        "events": events,
    }
    output.answer("bead-show", data, "\n".join([*lines, "", *story]))
    return ExitCode.DONE


def _weights(world: World, bead: Bead) -> Iterator[str]:
    """What the bead weighs in the choice of the next one, and what hangs on it."""
    spec = bead.spec
    sticky = f", {spec.sticky} about its slot" if spec.sticky else ""
    after = f", rather after {', '.join(spec.prefers)}" if spec.prefers else ""
    yield f"weighs: priority {spec.priority}, tenant {spec.tenant}{sticky}{after}"
    if not world.graph.is_finished(bead.id):
        below, above = world.graph.ancestors(bead.id), world.graph.descendants(bead.id)
        yield f"in all it waits for {len(below)} of what is left, and {len(above)} wait for it"


def _ready(arguments: argparse.Namespace, output: Output) -> ExitCode:
    now_ms = SystemClock().now_ms()
    with beads_of(arguments) as beads:
        found = beads.ready()
    rows = [(one.id, f"P{one.priority}", _age(one, now_ms), one.title) for one in found]
    text = table(("bead", "priority", "ready for", ""), rows) if rows else "No bead is ready."
    output.answer("bead-ready", [_plain(one) for one in found], text)
    return ExitCode.DONE


def _blocked(arguments: argparse.Namespace, output: Output) -> ExitCode:
    with beads_of(arguments) as beads:
        found = beads.blocked()
    rows = [(one.bead.id, _waits_for(one), one.bead.title) for one in found]
    text = table(("bead", "waits for", ""), rows) if rows else "No bead waits for another one."
    data = [
        {
            **_plain(one.bead),
            "waits_for": [{"id": need, "state": str(state)} for need, state in one.waits_for],
        }
        for one in found
    ]
    output.answer("bead-blocked", data, text)
    return ExitCode.DONE


def _waits_for(one: Blocked) -> str:
    named = [f"{need} ({state})" for need, state in one.waits_for[:NAMED_MAX]]
    rest = len(one.waits_for) - len(named)
    return ", ".join(named) + (f" and {rest} more" if rest else "")


def _chain(arguments: argparse.Namespace, output: Output) -> ExitCode:
    now_ms = SystemClock().now_ms()
    with beads_of(arguments) as beads:
        found = beads.chain(BeadId(arguments.bead))
    if found is None:
        raise missing_bead(BeadId(arguments.bead))
    marked = [("", one) for one in found.below] + [(">", found.bead)]
    marked += [("", one) for one in found.above]
    rows = [(mark, one.id, one.state, _age(one, now_ms), one.title) for mark, one in marked]
    text = f"{table(('', 'bead', 'state', 'for', ''), rows)}\n{_length(found)}"
    data = {
        "bead": _plain(found.bead),
        "below": [_plain(one) for one in found.below],
        "above": [_plain(one) for one in found.above],
    }
    output.answer("bead-chain", data, text)
    return ExitCode.DONE


def _length(chain: Chain) -> str:
    if chain.bead.state is State.LANDED:
        return f"{chain.bead.id} has landed; nothing waits for it any more."
    return (
        f"{chain.bead.id} waits for a chain of {len(chain.below)}; the longest chain that waits"
        f" for it has {len(chain.above)}."
    )


def _age(one: Standing, now_ms: int) -> str:
    return duration(max(0, now_ms - one.since_ms))


def _plain(one: Standing) -> dict[str, object]:
    return {**one._asdict(), "state": str(one.state)}


def _headline(event: object) -> str:
    """An event's name and the few words of it that tell people most."""
    effect = getattr(event, "effect", None)
    name = type(event).__name__ + (f" {type(effect).__name__}" if effect is not None else "")
    words = [
        f"{field} {str(value)[:SHORT] if field in _IDS else value}"
        for field in _SHOWN
        if (value := getattr(event, field, None)) not in (None, "")
    ]
    return f"{name:<28} {', '.join(words)}".rstrip()


_IDS = frozenset({"base", "commit"})
_SHOWN = ("attempt", "slot", "pid", "reason", "exit_code", "check", "base", "commit", "who", "why")


_VERBS: dict[str, Callable[[argparse.Namespace, Output], ExitCode]] = {
    "list": _list,
    "show": _show,
    "ready": _ready,
    "blocked": _blocked,
    "chain": _chain,
    "add": add_bead,
    "import": import_beads,
    **dict.fromkeys(Verb, wish),
}
