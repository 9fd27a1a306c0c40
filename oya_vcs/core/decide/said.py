"""A command with all that it is judged by, and the ways to answer one. What each comes to is in
`commands.py`, `approvals.py` and `trials.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from oya_vcs.core import events as e
from oya_vcs.core.commands import Command
from oya_vcs.core.decide.decisions import request
from oya_vcs.core.decide.pull_queue import name_of
from oya_vcs.core.policy import Policy
from oya_vcs.core.pull_request import Ask, Order, Pull
from oya_vcs.core.pull_words import reply
from oya_vcs.core.pulls import Reply
from oya_vcs.core.world import World


@dataclass(frozen=True, slots=True)
class Said:
    """A command with all that it is judged by. `who` speaks; `line` counts from 1."""

    world: World
    pull: Pull
    ask: Ask
    command: Command
    line: int
    at_ms: int
    policy: Policy

    @property
    def who(self) -> str:
        """Who speaks."""
        return self.ask.user or "somebody"

    @property
    def order(self) -> Order:
        """When it was said."""
        return (self.ask.written_ms, self.ask.asked, self.line)


def respond(said: Said, template: str, **fields: object) -> Reply:
    """An answer by that template."""
    name = name_of(said.world, said.pull)
    return reply(said.pull, name, said.ask.asked, said.line, template, **fields)


def refuse(said: Said, why: str, mend: str = "") -> e.Event:
    """The answer to what cannot be had: half a sentence with the reason, and what helps."""
    return request(respond(said, "refused", why=why, mend=mend))


def done(said: Said, what: str) -> e.Event:
    """The answer to what is done."""
    return request(respond(said, "done", what=what))


def obeyed(said: Said, **fields: Any) -> e.CommandObeyed:
    """The decision that the command counts; `by` is in whose name, the speaker's own by default."""
    return e.CommandObeyed(
        repo=said.pull.repo,
        number=said.pull.number,
        comment=said.ask.asked,
        line=said.line,
        written_ms=said.ask.written_ms,
        command=said.command,
        **{"by": said.who, **fields},
    )
