"""`oya-vcs journal replay` and `journal checkpoint`: the state that the events add up to, now or as
of then, what changed between, and the file that shortens the next start."""

from __future__ import annotations

import argparse
from collections.abc import Iterator

from oya_vcs.cli.meter import Meter
from oya_vcs.cli.output import Output
from oya_vcs.cli.places import home_of
from oya_vcs.cli.reading import clock_time, record
from oya_vcs.core.beads import State
from oya_vcs.core.world import World
from oya_vcs.errors import ConfigurationInvalid, ExitCode, NotFound
from oya_vcs.journal.difference import Difference, difference, state
from oya_vcs.journal.lock import HomeLock
from oya_vcs.journal.reader import Reader
from oya_vcs.journal.replay import digest, replay
from oya_vcs.journal.restart import keep
from oya_vcs.journal.snapshot import encode

VALUE_MAX = 72
"""Characters of a value that people are shown; `--json` has all of it."""


def replay_events(arguments: argparse.Namespace, output: Output) -> ExitCode:
    """Fold the events, all or up to `--to`, or tell the difference of two such states. No
    checkpoint is used."""
    if arguments.diff is not None:
        return _tell_difference(arguments, output)
    with record(arguments) as reader:
        last = reader.last_seq()
        upto = last if arguments.to is None else min(last, max(0, arguments.to))
        world = _replayed(reader, upto)
    counts = {str(one): sum(bead.state is one for bead in world.beads.values()) for one in State}
    present = {name: count for name, count in counts.items() if count}
    mark = digest(world)
    text = f"State after event {upto} (digest {mark}):\n" + (
        "\n".join(f"  {count:>6} {name}" for name, count in present.items()) or "  no beads"
    )
    data = {"seq": upto, "digest": mark, "beads": present, "open_effects": len(world.open)}
    output.answer("journal-replay", data, text)
    return ExitCode.DONE


def _replayed(reader: Reader, upto: int) -> World:
    if upto == 0:
        return World()
    with Meter("Replaying", upto) as meter:
        return replay(reader.read(), until=upto, progress=meter.at)


def _tell_difference(arguments: argparse.Namespace, output: Output) -> ExitCode:
    first, second = arguments.diff
    if not 0 <= first <= second:
        message = f"--diff {first} {second}: the first event must not come after the second."
        raise ConfigurationInvalid(message, "0 is the state before any event.")
    with record(arguments) as reader:
        last = reader.last_seq()
        if second > last:
            message = f"There is no event {second}: the journal ends with event {last}."
            raise NotFound(message, "`oya-vcs journal tail` shows the last ones.")
        world = _replayed(reader, first)
        before = state(world)
        if second > first:
            with Meter("Replaying", second) as meter:
                replay(reader.read(first), onto=world, until=second, progress=meter.at)
    found = difference(before, state(world))
    data = {
        "from": first,
        "to": second,
        "changes": [
            {
                "thing": one.thing,
                "id": one.id,
                "how": one.how,
                "fields": {name: list(pair) for name, pair in one.fields.items()},
            }
            for one in found
        ],
    }
    head = f"From event {first} to event {second}:"
    text = "\n".join([head, *(line for one in found for line in _lines(one))])
    output.answer("journal-diff", data, text if found else f"{head} nothing changed.")
    return ExitCode.DONE


def _lines(one: Difference) -> Iterator[str]:
    """A difference for people: the thing, and below it every field that says something."""
    if one.thing == "effect":
        kind, bead = (next(filter(None, one.fields[name])) for name in ("is", "bead"))
        how = "requested" if one.how == "added" else "settled"
        yield f"effect {one.id}: {how}, {kind} for {bead}"
        return
    yield f"{one.thing} {one.id}: {one.how}"
    for name, (before, after) in one.fields.items():
        if one.how == "changed":
            yield f"    {name}: {_shown(name, before)} → {_shown(name, after)}"
        elif name not in {"is", "id", "name"} and after not in (None, "", 0, [], False):
            yield f"    {name}: {_shown(name, after)}"


def _shown(name: str, value: object) -> str:
    if value in (None, "", []):
        return "–"
    if name.endswith("_ms") and isinstance(value, int) and value:
        return clock_time(value)
    text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    line = " ".join(text.split())
    return line if len(line) <= VALUE_MAX else f"{line[: VALUE_MAX - 1]}…"


def take_checkpoint(arguments: argparse.Namespace, output: Output) -> ExitCode:
    """Fold all events and keep the state as a checkpoint. Raises Locked where a daemon has the
    home, which takes its own."""
    home = home_of(arguments)
    with record(arguments) as reader, HomeLock(home.lock):
        seq = reader.last_seq()
        if seq == 0:
            raise NotFound("The journal has no event yet.", "There is nothing to keep.")
        world = _replayed(reader, seq)
        path = keep(home.journal, home.checkpoints, seq, encode(world))
    size = path.stat().st_size
    text = f"The state after event {seq} is kept in {path} ({size} bytes)."
    output.answer("journal-checkpoint", {"seq": seq, "path": str(path), "bytes": size}, text)
    return ExitCode.DONE
