"""`POST`: what people ask of the daemon. Each takes a token, and is answered when it is on disk."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import msgspec
from litestar import Response, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody, SkipValidation

from oya_vcs.core.ids import BeadId
from oya_vcs.core.queue_words import QueueVerb, Word
from oya_vcs.core.wishes import Verb, Wish
from oya_vcs.errors import NotFound
from oya_vcs_bot.api.answers import RESPONSES, refused
from oya_vcs_bot.api.asking import Taken, Told
from oya_vcs_bot.api.guard import ENTRY_PATH
from oya_vcs_bot.api.reading import BeadName, TheHouse
from oya_vcs_bot.api.sessions import Sessions

TEXT_MAX = 20_000
"""Characters of a note."""
Text = Annotated[str, msgspec.Meta(max_length=TEXT_MAX)]
HOUR_MS = 3_600_000


class Why(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A person's words about what they ask; all may be empty."""

    why: Text = ""
    who: Annotated[str, msgspec.Meta(max_length=200)] = "the page"


@post("/api/beads/{bead:str}/{verb:str}", status_code=200, responses=RESPONSES)
async def ask_bead(
    house: TheHouse, bead: BeadName, verb: FromPath[str], data: JSONBody[Why]
) -> Response[Told]:
    """Cancel, pause, resume or retry a bead; `rework` sends its change back to a worker with the
    note in `why`, `approve` lets its change land. 409 says why it cannot be had."""
    if verb in set(Verb):
        wish = Wish(verb=Verb(verb), beads=(BeadId(bead),), who=data.who, why=data.why)
        told = (await house.wish(wish))[0]
        return refused("Refused", told.said) if told.refused else Response(told)
    if verb not in _WORDS:
        raise NotFound(f"There is no way to {verb!r} a bead.", f"There is {', '.join(_ALL)}.")
    word = Word(verb=_WORDS[verb], change=bead, who=data.who, why=data.why)
    said = await house.word(word)
    return Response(Told(bead=bead, state="", changed=True, refused=False, said=said))


_WORDS = {"rework": QueueVerb.REJECT, "approve": QueueVerb.APPROVE}
_ALL = (*map(str, Verb), *_WORDS)


class Gate(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What is said to a merge queue. `repo` is an id or a path, where there are several; `above` is
    the priority that a tree is closed above (none: to all); `for_ms` how long a freeze lasts, 0
    ends it."""

    why: Text = ""
    who: Annotated[str, msgspec.Meta(max_length=200)] = "the page"
    repo: str = ""
    above: int | None = None
    for_ms: Annotated[int, msgspec.Meta(ge=0, le=366 * 24 * HOUR_MS)] = 24 * HOUR_MS


@dataclass(frozen=True, slots=True)
class Said:
    """What to tell whoever said it."""

    said: str


@post("/api/queue/{verb:str}", status_code=200, responses=RESPONSES)
async def ask_queue(house: TheHouse, verb: FromPath[str], data: JSONBody[Gate]) -> Said:
    """Pause, resume, freeze, close or open a merge queue."""
    if verb not in _GATES:
        raise NotFound(f"There is no way to {verb!r} a queue.", f"There is {', '.join(_GATES)}.")
    freezes = verb == QueueVerb.FREEZE and data.for_ms
    word = Word(
        verb=QueueVerb(verb),
        repo=data.repo,
        who=data.who,
        why=data.why,
        priority=data.above if verb == QueueVerb.CLOSE else None,
        until_ms=house.now_ms() + data.for_ms if freezes else 0,
    )
    return Said(await house.word(word))


_GATES = ("pause", "resume", "freeze", "close", "open")


class Work(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Beads for a repository that is on record (its id or path), as lines of a beads file."""

    repo: str
    beads: Annotated[Sequence[Mapping[str, Any]], msgspec.Meta(min_length=1, max_length=10_000)]


@post("/api/workflows", status_code=201, responses=RESPONSES)
async def submit(house: TheHouse, data: JSONBody[Work]) -> Taken:
    """Take beads in. All of them are on record when it is answered, or none."""
    return await house.submit(data.repo, data.beads)


class Code(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What stands in the fragment of a link."""

    code: Annotated[str, msgspec.Meta(max_length=200)]


@dataclass(frozen=True, slots=True)
class Pass:
    """What a browser sends as its bearer token from now on."""

    token: str


TheSessions = NamedDependency[SkipValidation[Sessions]]


@post(ENTRY_PATH, status_code=200, responses=RESPONSES)
async def enter(sessions: TheSessions, data: JSONBody[Code]) -> Response[Pass]:
    """Give a link's code back, once, for a pass."""
    token = sessions.enter(data.code)
    if token is None:
        said = "The link is used up or too old: `oya-vcs ui` prints another one."
        return refused("Unauthorized", said, 401)
    return Response(Pass(token))


HANDLERS = (ask_bead, ask_queue, submit, enter)
