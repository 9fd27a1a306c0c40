"""What a submitted bead means for what is known already. Pure: says which event follows, or why
none does."""

from __future__ import annotations

from dataclasses import dataclass

from oya_vcs.core import events as e
from oya_vcs.core.beads import RESTING, State
from oya_vcs.core.ids import RepoId
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
        message = f"Bead {spec.id} is a pull request in this home already."
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
