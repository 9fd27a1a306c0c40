"""What a submitted bead means for what is known already. Pure: says which event follows, or why
none does."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, replace
from itertools import count

from oya_vcs.core import events as e
from oya_vcs.core.beads import RESTING, State
from oya_vcs.core.graph import Graph
from oya_vcs.core.ids import BeadId, RepoId
from oya_vcs.core.spec import BeadSpec, spec_key
from oya_vcs.core.world import World
from oya_vcs.errors import InputInvalid


@dataclass(frozen=True, slots=True)
class Intake:
    """`event` is to be recorded, or None where nothing changes; `note` is a sentence for the
    person, or empty."""

    event: e.Event | None
    note: str = ""


def take_in(world: World, repo: RepoId, spec: BeadSpec) -> Intake:
    """Decide what a bead of a submitted file is: new, known, revised, or too late to change.

    Raises InputInvalid where its id belongs to another repository of this home, or to a pull
    request.
    """
    key = spec_key(spec)
    known = world.beads.get(spec.id)
    if known is None:
        return Intake(e.BeadAdded(repo=repo, bead=spec.id, key=key, spec=spec))
    if known.repo != repo:
        message = f"Bead {spec.id} belongs to the repository {known.repo} in this home already."
        raise InputInvalid(message, "Give the bead another id, or use another --home.")
    if known.by_hand:
        what = "a person's own commit" if known.is_submission else "a pull request"
        message = f"Bead {spec.id} is {what} in this home already."
        raise InputInvalid(message, "Give the bead another id.")
    if known.key == key:
        return Intake(None)
    if known.state in RESTING:
        revised = e.BeadRevised(bead=spec.id, key=key, spec=spec)
        return Intake(revised, f"Bead {spec.id} has new content; it is taken up again with it.")
    if known.state is State.LANDED:
        note = f"Bead {spec.id} has landed already; its new content is ignored: use a new id."
        return Intake(None, note)
    note = f"Bead {spec.id} is {known.state} with its earlier content; submit it again later."
    return Intake(None, note)


class Trial:
    """What the dependencies of all beads would be after some events, one after the other: the world
    is not changed. Costs the needs of new beads; where needs change, the whole graph once."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._graph: Graph | None = None
        self._fresh: dict[BeadId, tuple[BeadId, ...]] = {}

    def take(self, event: e.Event) -> None:
        """Count this event, too. Raises InputInvalid, and does not, where it names a need that
        nobody knows, or closes a cycle, perhaps through beads that no event is about."""
        if isinstance(event, e.BeadRevised):
            if self._graph is None:
                self._graph = Graph.restore(self._world.graph.snapshot())
                for bead, needs in self._fresh.items():
                    self._graph.add(bead, needs)
            self._graph.replace(event.bead, event.spec.needs)
        elif isinstance(event, e.BeadAdded):
            if self._graph is None:
                old = [one for one in event.spec.needs if one not in self._fresh]
                self._world.graph.check(event.bead, old)
            else:
                self._graph.add(event.bead, event.spec.needs)
            self._fresh[event.bead] = event.spec.needs


NAME_CHARS_MAX = 40
"""Of a name that is made from a title: it becomes part of folders, refs and workspaces."""


def new_bead(world: World, repo: RepoId, spec: BeadSpec, *, named: bool) -> e.BeadAdded:
    """The fact that a person added one bead. Where it was not `named`, its id is only the beginning
    of one, and the first that is free counts: two beads of one title are two beads.

    Raises InputInvalid where its id is taken, or it needs a bead that nobody knows.
    """
    for need in (*spec.needs, *spec.prefers):
        if need not in world.beads:
            message = f"There is no bead {need!r} in this home, which the new one is to wait for."
            raise InputInvalid(message, "`oya-vcs bead list` lists all of them.")
    if named and _is_taken(world, spec.id):
        message = f"There is a bead {spec.id} in this home already."
        raise InputInvalid(message, "Give it another id, or none; `bead import` revises beads.")
    if not named:
        names = (spec.id if at == 1 else BeadId(f"{spec.id}-{at}") for at in count(1))
        spec = replace(spec, id=next(name for name in names if not _is_taken(world, name)))
    return e.BeadAdded(repo=repo, bead=spec.id, key=spec_key(spec), spec=spec)


def named_after(title: str) -> BeadId:
    """A name that people know the title by: its words in small letters, digits and hyphens."""
    plain = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode().lower()
    words = re.findall(r"[a-z0-9]+", plain)
    name = ""
    for word in words:
        if len(name) + len(word) >= NAME_CHARS_MAX:
            break
        name = f"{name}-{word}" if name else word
    return BeadId(name or "".join(words)[:NAME_CHARS_MAX] or "bead")


def _is_taken(world: World, bead: BeadId) -> bool:
    return bead in world.beads or bead in world.pull_of
