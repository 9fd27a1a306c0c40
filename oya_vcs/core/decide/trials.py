"""Trials: a pull request tested on top of the target without landing."""

from __future__ import annotations

from oya_vcs.core import events as e
from oya_vcs.core.decide.decisions import Decisions, request
from oya_vcs.core.decide.pull_queue import name_of
from oya_vcs.core.decide.said import Said, done, obeyed, refuse
from oya_vcs.core.pulls import PullState, TryPull


def begin(said: Said) -> Decisions:
    """Of the newest commit; an older trial gives way to it."""
    world, pull = said.world, said.pull
    if not pull.seen or pull.state is not PullState.OPEN:
        yield refuse(said, "it is not open.")
        return
    if pull.trying is not None and pull.trying not in world.stops:
        effect = world.open[pull.trying]
        if isinstance(effect, TryPull) and effect.head == pull.head:
            yield done(said, f"Commit {pull.head} is being tried.")
            return
        yield from _stop_trial(said, e.Reason.SUPERSEDED)
    yield obeyed(said, head=pull.head)
    name = name_of(world, pull)
    yield request(
        TryPull(
            repo=pull.repo,
            bead=name,
            number=pull.number,
            round=pull.tries + 1,
            head=pull.head,
            message=f"{pull.message}\n",
            made_at_ms=said.at_ms,
            method="squash" if pull.squash else said.policy.merge.method,
        )
    )
    yield done(said, f"Commit {pull.head} is tried on top of the target; nothing lands.")


def _stop_trial(said: Said, reason: e.Reason) -> Decisions:
    if said.pull.trying is not None:
        name = said.world.open[said.pull.trying].bead
        yield e.StopRequested(bead=name, key=said.pull.trying, reason=reason)


def end(said: Said) -> Decisions:
    """Stop it."""
    if said.pull.trying is None or said.pull.trying in said.world.stops:
        yield refuse(said, "nothing is being tried.")
        return
    yield obeyed(said)
    yield from _stop_trial(said, e.Reason.CANCELLED)
    yield done(said, "The trial is being stopped.")
