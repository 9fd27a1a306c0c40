"""Whether a fact says anything that is not known. What does not is neither recorded nor decided on.

A late outcome, a snapshot that an older one overtook, a comment that a webhook and a poll both
brought: the fence before every step. Changes nothing.
"""

from __future__ import annotations

from oya_vcs.core import events as e
from oya_vcs.core.ids import pull_key
from oya_vcs.core.operations import OperationSeen, OperationsPassed
from oya_vcs.core.pull_request import is_news as is_news_of
from oya_vcs.core.world import World


def is_news(world: World, fact: e.Event) -> bool:
    """Whether the fact is to be recorded. One about an effect that is not open (late, repeated, of
    an older attempt) is not, and of what is seen of pull requests and of jj nothing twice."""
    if isinstance(fact, e.Outcome):
        return fact.key in world.open
    if isinstance(fact, e.WorkerSpawned | e.UsageCounted):
        return fact.run in world.open
    if isinstance(fact, (e.PullSeen, e.CommentSeen, e.ReviewSeen)):
        known = fact.repo in world.repos
        return known and is_news_of(world.pulls.get(pull_key(fact.repo, fact.number)), fact)
    if isinstance(fact, (OperationSeen, OperationsPassed)):
        return fact.repo in world.repos and world.repos[fact.repo].seen == fact.since
    return True
