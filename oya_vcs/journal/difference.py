"""What changed between two states of one journal, thing by thing and field by field.

Repositories, beads, change requests, workspaces and open effects are compared. What follows from
them (graph, timers) is not told twice, and the time of a state is no change.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from oya_vcs.core.world import World
from oya_vcs.journal.replay import plain

State = Mapping[str, Mapping[str, Mapping[str, object]]]
"""Kind of thing -> id -> field -> value, as JSON can hold it."""

_SECTIONS = {
    "repos": "repo",
    "beads": "bead",
    "changes": "change",
    "workspaces": "workspace",
    "open": "effect",
}
"""Field of `World` -> what one thing in it is called; in the order in which they are told."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that came, went or changed. `fields` holds before and after of each field that
    differs (all of them, with None on the other side, where the thing came or went)."""

    thing: str
    id: str
    how: Literal["added", "removed", "changed"]
    fields: Mapping[str, tuple[object, object]]


def state(world: World) -> State:
    """A copy of what is compared: the world may change after. A nested field is named with its
    outer one, `spec.title`; the class of a thing is its field `is`."""
    return {
        thing: {
            str(name): dict(_flat("", plain(one))) for name, one in getattr(world, section).items()
        }
        for section, thing in _SECTIONS.items()
    }


def difference(before: State, after: State) -> list[Difference]:
    """Everything that differs, kind by kind; within a kind what was there before in its order, then
    what came."""
    found = []
    for thing in _SECTIONS.values():
        old, new = before[thing], after[thing]
        for name in dict.fromkeys([*old, *new]):
            fields = _fields(old.get(name, {}), new.get(name, {}))
            if name not in old:
                found.append(Difference(thing, name, "added", fields))
            elif name not in new:
                found.append(Difference(thing, name, "removed", fields))
            elif fields:
                found.append(Difference(thing, name, "changed", fields))
    return found


def _fields(
    old: Mapping[str, object], new: Mapping[str, object]
) -> dict[str, tuple[object, object]]:
    return {
        name: (old.get(name), new.get(name))
        for name in dict.fromkeys([*old, *new])
        if name not in old or name not in new or old[name] != new[name]
    }


def _flat(name: str, value: object) -> Iterator[tuple[str, object]]:
    if isinstance(value, dict) and value:
        for key, one in value.items():
            if not (name and key == "is"):
                yield from _flat(f"{name}.{key}" if name else key, one)
    elif value != {}:
        yield name, value
