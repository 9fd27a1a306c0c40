"""What people ask of beads, carried to the engine and answered: the same with a daemon and without.

Knows the engine; whether a wish may be had is the core's to judge, and who hears of it is not known
here.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial

from oya_vcs.core.beads import State
from oya_vcs.core.events import Event
from oya_vcs.core.explain import explain
from oya_vcs.core.ids import BeadId
from oya_vcs.core.wishes import Verb, Verdict, Wish, facts_of, judge
from oya_vcs.core.world import World
from oya_vcs.errors import InputInvalid
from oya_vcs.ports import Answer
from oya_vcs.runtime.engine import Engine


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What became of a wish for one bead: the state it is in now, whether the wish changed
    anything, whether it was refused, and a sentence."""

    bead: BeadId
    state: State
    changed: bool
    refused: bool
    said: str


async def grant(engine: Engine, wish: Wish, *, live: bool = True) -> list[Told]:
    """Judge and record a wish as one step; returns after the fsync. `live` says that what follows
    from it is done now.

    Raises NotFound, with nothing recorded, where a bead is not known.
    """
    verdicts: list[Verdict] = []

    def ask(world: World) -> Sequence[Event]:
        verdicts[:] = judge(world, wish)
        return facts_of(verdicts)

    await engine.ask(ask)
    return [_told(engine.world, verdict, live=live) for verdict in verdicts]


def _told(world: World, verdict: Verdict, *, live: bool) -> Told:
    bead = world.bead(verdict.bead)
    return Told(
        bead=bead.id,
        state=bead.state,
        changed=verdict.event is not None,
        refused=bool(verdict.refusal),
        said=verdict.refusal or f"{bead.id}: {explain(world, bead, live=live)}",
    )


def answers(grant: Callable[[Wish], Awaitable[Sequence[Told]]]) -> dict[str, Answer]:
    """What a running daemon answers to people's wishes: `bead.cancel`, and so on."""

    async def answer(verb: Verb, fields: Mapping[str, object]) -> object:
        return [asdict(told) for told in await grant(wish_of(verb, fields))]

    return {f"bead.{verb}": partial(answer, verb) for verb in Verb}


def wish_of(verb: Verb, fields: Mapping[str, object]) -> Wish:
    """A wish as a request to the daemon has it: `beads`, and perhaps `who` and `why`. Raises
    InputInvalid where it says something else."""
    beads, who, why = fields.get("beads"), fields.get("who", ""), fields.get("why", "")
    if not isinstance(beads, list) or not beads or not all(isinstance(one, str) for one in beads):
        message = f"A request to {verb} names no beads."
        raise InputInvalid(message, 'It has a field such as "beads": ["a", "b"].')
    if not isinstance(who, str) or not isinstance(why, str):
        raise InputInvalid(f'"who" and "why" of a request to {verb} are texts.')
    return Wish(verb=verb, beads=tuple(map(BeadId, beads)), who=who, why=why)
