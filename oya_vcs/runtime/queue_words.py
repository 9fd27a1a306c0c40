"""What people say to the merge queue, carried to the engine and answered: the same with a daemon
and without.

Knows the engine; whether a word may be had is the core's to judge.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial

from oya_vcs.core.events import Event
from oya_vcs.core.queue_words import Heard, QueueVerb, Word, hear
from oya_vcs.core.world import World
from oya_vcs.errors import InputInvalid
from oya_vcs.ports import Answer
from oya_vcs.runtime.engine import Engine


async def say(engine: Engine, word: Word) -> str:
    """Record a word as one step; returns what to tell the speaker, after the fsync. Raises NotFound
    and InputInvalid, with nothing recorded."""
    heard: list[Heard] = []

    def ask(world: World) -> Sequence[Event]:
        heard.append(hear(world, word))
        return [] if heard[0].event is None else [heard[0].event]

    await engine.ask(ask)
    return heard[0].said


def answers(say: Callable[[Word], Awaitable[str]]) -> dict[str, Answer]:
    """What a running daemon answers: `queue.approve`, and so on."""

    async def answer(verb: QueueVerb, fields: Mapping[str, object]) -> object:
        return {"said": await say(word_of(verb, fields))}

    return {f"queue.{verb}": partial(answer, verb) for verb in QueueVerb}


def word_of(verb: QueueVerb, fields: Mapping[str, object]) -> Word:
    """A word as a request to the daemon has it. Raises InputInvalid where it says something
    else."""
    texts = {name: fields.get(name, "") for name in ("change", "repo", "who", "why", "head")}
    priority, until_ms = fields.get("priority"), fields.get("until_ms", 0)
    wrong = [name for name, value in texts.items() if not isinstance(value, str)]
    if wrong or not isinstance(until_ms, int) or not isinstance(priority, int | None):
        raise InputInvalid(
            f"A request to {verb} the queue is not of its form.",
            "change, repo, who, why and head are texts; priority and until_ms whole numbers.",
        )
    return Word(verb=verb, priority=priority, until_ms=until_ms, **texts)  # type: ignore[arg-type]
