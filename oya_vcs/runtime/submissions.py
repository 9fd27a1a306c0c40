"""People's own commits, carried to the engine, and followed until they land or come back: the same
with a daemon and without.

Knows the engine; whether something may be submitted is the core's to judge, and how a revision
becomes a commit is not known here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from functools import partial

from oya_vcs.core.beads import TERMINAL, Bead, State
from oya_vcs.core.events import Event
from oya_vcs.core.explain import explain
from oya_vcs.core.ids import BeadId, CommitId, RepoId
from oya_vcs.core.queue_words import find_repo
from oya_vcs.core.submissions import Entry, Submission, submit
from oya_vcs.core.wishes import find_bead
from oya_vcs.core.world import World
from oya_vcs.errors import InputInvalid
from oya_vcs.ports import Answer
from oya_vcs.runtime.door import Door, Life
from oya_vcs.runtime.engine import Engine
from oya_vcs.runtime.roster import Roster

LOOK_S = 0.1
"""Between two looks at a bead that is followed."""
LOOKS_MAX = 200
"""After so many looks without news an answer says that there are none: whoever asks must not take
the daemon for dead."""


async def take(engine: Engine, wanted: Submission, *, live: bool = True) -> dict[str, object]:
    """Judge and record a submission as one step; returns what became of it, after the fsync. `live`
    says that what follows from it is done now. Raises NotFound and InputInvalid, with nothing
    recorded."""
    entries: list[Entry] = []

    def ask(world: World) -> Sequence[Event]:
        entries.append(submit(world, wanted))
        return entries[0].facts

    await engine.ask(ask)
    bead = engine.world.bead(entries[0].bead)
    return {"changed": bool(entries[0].facts), **told(engine.world, bead, live=live)}


def told(world: World, bead: Bead, *, live: bool = True) -> dict[str, object]:
    """How a submission stands: `over` says that nothing more happens to it by itself, `detail` is
    what its author is to know of a failure."""
    return {
        "bead": bead.id,
        "state": str(bead.state),
        "head": bead.commit,
        "over": bead.state in TERMINAL or bead.state is State.REWORKING,
        "landed": bead.landed,
        "target": world.repos[bead.repo].target,
        "said": explain(world, bead, live=live),
        "detail": bead.detail,
    }


async def follow(door: Door, name: BeadId, known: str) -> dict[str, object]:
    """How the bead stands, as soon as that is said otherwise than in `known`, or after a while.
    Raises NotFound."""

    async def look(life: Life) -> dict[str, object]:
        return told(life.engine.world, find_bead(life.engine.world, name))

    for _ in range(LOOKS_MAX):
        now = await door.through(look)
        if now["over"] or now["said"] != known:
            return now
        await asyncio.sleep(LOOK_S)
    return await door.through(look)


def answers(door: Door, roster: Roster) -> dict[str, Answer]:
    """What a running daemon answers about submissions."""
    return {
        "change.submit": partial(_submitted, door, roster),
        "change.follow": partial(_followed, door),
    }


BY_PULLS = "Push the commit (`jj git push -c REVISION`), open one, and say `@oya r+` there."
"""What is to be done with a commit for a target that takes pull requests."""


async def _submitted(door: Door, roster: Roster, fields: Mapping[str, object]) -> object:
    life = await door.holder()
    wanted = submission_of(life.engine.world, fields)
    if (aside := roster.aside.get(wanted.repo)) is not None:
        message = f"The daemon does not work on this repository now: {aside}"
        raise InputInvalid(message, "`oya-vcs status` says so, too. Submit it when that is mended.")
    if any(one.by_pulls for one in roster if one.repo == wanted.repo):
        raise InputInvalid("The changes of this repository are pull requests.", BY_PULLS)
    return await door.ask(lambda life: take(life.engine, wanted))


async def _followed(door: Door, fields: Mapping[str, object]) -> object:
    return await follow(door, BeadId(str(fields.get("bead"))), str(fields.get("known")))


def submission_of(world: World, fields: Mapping[str, object]) -> Submission:
    """A submission as a request to the daemon has it. Raises InputInvalid where it says something
    else, and NotFound where the home has no such repository."""
    texts = {name: fields.get(name, "") for name in ("change", "head", "title", "body", "who")}
    priority = fields.get("priority", 2)
    wrong = [name for name, value in texts.items() if not isinstance(value, str)]
    named = texts["change"] and texts["head"] and isinstance(fields.get("repo"), str)
    if wrong or not named or not isinstance(priority, int) or priority < 0:
        raise InputInvalid(
            "A request to submit a change is not of its form.",
            "repo, change and head name it; title, body and who are texts; priority is 0 or more.",
        )
    return Submission(
        repo=RepoId(find_repo(world, str(fields["repo"])).id),
        name=str(texts["change"]),
        head=CommitId(str(texts["head"])),
        title=str(texts["title"]),
        body=str(texts["body"]),
        who=str(texts["who"]),
        priority=priority,
    )
