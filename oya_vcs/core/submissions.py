"""What a person's own commit means for the merge queue: which facts follow from its submission, or
why none does. Pure.

A submission is named by what stays the same while its author works on it (jj's change id); each has
one bead, whose work its author does, so that it never has a slot or a workspace. Submitted again it
is tried again; a newer commit takes the place of an older one that waits or is tested. The same
commit again changes nothing and is no error.

What follows from the facts is in `decide/submissions.py`; how a revision becomes a commit is not
known here.
"""

from __future__ import annotations

from dataclasses import dataclass

from oya_vcs.core import events as e
from oya_vcs.core.beads import TAKEABLE, Bead, State
from oya_vcs.core.ids import BeadId, ChangeId, CommitId, RepoId
from oya_vcs.core.merge import Stage
from oya_vcs.core.spec import SUBMISSION, BeadSpec, spec_key
from oya_vcs.core.texts import submission_message
from oya_vcs.core.world import World
from oya_vcs.errors import InputInvalid, NotFound

NAME_MAX = 12
"""Letters of a change id that name its bead: of jj's 32, as many as jj itself shows at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """`name` is what the work is known by over all its commits; `head` the commit that is to land,
    `title` and `body` its description. `who` submits it; `priority` 0 is the most urgent."""

    repo: RepoId
    name: str
    head: CommitId
    title: str
    body: str = ""
    who: str = ""
    priority: int = 2


@dataclass(frozen=True, slots=True)
class Entry:
    """The bead of a submission, and the facts that it makes; none where it is so already."""

    bead: BeadId
    facts: tuple[e.Event, ...] = ()


def submit(world: World, wanted: Submission) -> Entry:
    """What follows from a submission. Raises NotFound for an unknown repository, and InputInvalid,
    with the reason, for what cannot be submitted now."""
    if wanted.repo not in world.repos:
        message = f"The repository {wanted.repo} is not one of this home's."
        raise NotFound(message, "`oya-vcs init` in its folder makes it known.")
    name = _name(world, wanted)
    known = world.beads.get(name)
    spec = BeadSpec(
        id=name,
        title=wanted.title,
        description=wanted.body,
        kind=SUBMISSION,
        priority=wanted.priority,
    )
    if known is None:
        added = e.BeadAdded(
            repo=wanted.repo, bead=name, key=spec_key(spec), spec=spec, author=wanted.who or "?"
        )
        return Entry(name, (added, _submitted(wanted, spec, 1)))
    if known.state is State.LANDED or (known.commit == wanted.head and _under_way(known)):
        return Entry(name)
    if known.cancelling:
        message = f"The earlier submission {name} is being cancelled."
        raise InputInvalid(message, "Submit it again when that is over.")
    if known.state in TAKEABLE:
        return Entry(name, (_submitted(wanted, spec, known.attempt + 1),))
    return Entry(name, (_resubmitted(world, known, wanted, spec),))


def _under_way(bead: Bead) -> bool:
    """Whether what was submitted last is on its way."""
    return bead.state not in TAKEABLE and not bead.cancelling


def _name(world: World, wanted: Submission) -> BeadId:
    """The bead of the work: `jj-` and the beginning of its change id, with a number behind it where
    that is another's or has landed with another commit."""
    first = name = BeadId(f"jj-{wanted.name[:NAME_MAX]}")
    number = 1
    while not _is_free(world, name, wanted):
        number += 1
        name = BeadId(f"{first}-{number}")
    return name


def _is_free(world: World, name: BeadId, wanted: Submission) -> bool:
    bead = world.beads.get(name)
    if bead is None:
        return name not in world.pull_of
    if bead.repo != wanted.repo or not bead.is_submission:
        return False
    return bead.state is not State.LANDED or bead.commit == wanted.head


def _submitted(wanted: Submission, spec: BeadSpec, attempt: int) -> e.Event:
    return e.ChangeSubmitted(
        repo=wanted.repo,
        bead=spec.id,
        change=ChangeId(f"{spec.id}.{attempt}"),
        attempt=attempt,
        head=wanted.head,
        spec=spec,
        key=spec_key(spec),
        who=wanted.who,
    )


def _resubmitted(world: World, bead: Bead, wanted: Submission, spec: BeadSpec) -> e.Event:
    change = None if bead.change is None else world.changes.get(bead.change)
    if change is None or bead.state is State.CHECKING:
        message = f"The commit {bead.commit} of {bead.id} is being taken in."
        raise InputInvalid(message, "Submit the newer one in a moment.")
    if change.stage is Stage.MERGING:
        message = f"{change.id} is landing at {change.head}: that is not stopped any more."
        raise InputInvalid(message, "Submit the newer commit when it has landed.")
    if change.exit is not None:
        message = f"{change.id} is leaving the merge queue."
        raise InputInvalid(message, "Submit it again when it has left.")
    return e.ChangeResubmitted(
        bead=bead.id,
        change=change.id,
        head=wanted.head,
        spec=spec,
        key=spec_key(spec),
        message=submission_message(spec, change.id),
        who=wanted.who,
    )
