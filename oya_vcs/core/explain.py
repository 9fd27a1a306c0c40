"""Why a bead is where it is, as one sentence: every wait has a reason. Pure, reads the world
only."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from oya_vcs.core.beads import TERMINAL, Bead, State
from oya_vcs.core.budget import closed
from oya_vcs.core.effects import Effect, Land, RunChecks, RunWorker, SetUpWorkspace, VerifyResult
from oya_vcs.core.line import wanted_slot
from oya_vcs.core.queue_waits import first_line, waits_for
from oya_vcs.core.queues import Strategy
from oya_vcs.core.reasons import Reason
from oya_vcs.core.schedule import urgency
from oya_vcs.core.slots import pool_of
from oya_vcs.core.texts import clock_text
from oya_vcs.core.tokens import dry_until
from oya_vcs.core.world import Keep, World

__all__ = ["NAMED_MAX", "UNDER_WAY", "explain", "first_line"]

NAMED_MAX = 4
"""Beads that a sentence names before it counts the rest."""


UNDER_WAY = frozenset(
    {State.CLAIMED, State.RUNNING, State.CHECKING, State.SUBMITTED, State.TESTING}
)
"""States in which a daemon does something for the bead at this moment."""


def explain(world: World, bead: Bead, *, live: bool = True) -> str:
    """A sentence that says what the bead waits for, what is happening to it, or how it ended.

    `live` False says that no daemon is running.
    """
    if bead.cancelling and bead.state not in TERMINAL:
        return _cancelling(world, bead, live=live)
    if not live and bead.state is State.PAUSED:
        resume = f"`oya-vcs bead resume {bead.id}` lets the next `oya-vcs run` go on with it."
        return f"Paused{bead.asked}. {resume}"
    if not live and bead.state in UNDER_WAY:
        return f"Was {bead.state} when the last run ended; the next `oya-vcs run` goes on."
    if not live and bead.state in (State.READY, State.BACKING_OFF):
        return "Is ready; the next `oya-vcs run` takes it up."
    return _EXPLAIN[bead.state](world, bead)


def _cancelling(world: World, bead: Bead, *, live: bool) -> str:
    if not live:
        return f"To be cancelled{bead.asked}; the next `oya-vcs run` ends what is left of it."
    open_ = {type(effect) for effect in world.open.values() if effect.bead == bead.id}
    if Land in open_:
        return (
            f"To be cancelled{bead.asked}, but it is landing, which is not stopped: it lands now,"
            " or is cancelled if it cannot."
        )
    what = next((text for kind, text in _LAST.items() if kind in open_), "its last step ends")
    return f"Being cancelled{bead.asked}: {what}."


_LAST: Mapping[type[Effect], str] = {
    SetUpWorkspace: "the setup of its workspace is being stopped",
    RunWorker: "its worker is being stopped",
    VerifyResult: "the verification of its result is being stopped",
    RunChecks: "its checks are being stopped",
}


def _pending(world: World, bead: Bead) -> str:
    if bead.by_hand:
        return "Waits until somebody approves its pull request."
    needed = [world.bead(need) for need in world.graph.waits_for(bead.id)]
    named = [f"{need.id} ({need.state})" for need in needed[:NAMED_MAX]]
    rest = len(needed) - len(named)
    more = f" and {rest} more" if rest > 0 else ""
    return f"Waits for {', '.join(named)}{more} to land."


def _ready(world: World, bead: Bead) -> str:
    repo, rules = world.repos[bead.repo], world.repos[bead.repo].rules
    if repo.queue.paused:
        return f"Waits: {repo.queue.paused[0].lower()}{repo.queue.paused[1:]}"
    if rules is not None and (why := closed(world, repo, rules.budget, world.now_ms)):
        return why
    if rules is None:
        return f"Waits for a free worker slot ({len(repo.slots)} busy)."
    if not repo.total:
        return "Waits for a worker: oya.toml names none ([worker] command)."
    own = wanted_slot(bead, repo.total)
    if own is not None and bead.spec.sticky == "hard":
        holder = f" ({repo.slots[own]} has it)" if own in repo.slots else ""
        until = clock_text(bead.since_ms + rules.sticky_ms)
        return f"Sticky to slot {own}{holder} until {until}; then the attempt has failed."
    pool, tenant = pool_of(repo, repo.total, world.now_ms), bead.spec.tenant
    dry_ms = dry_until(repo.tenants.get(tenant), rules, world.now_ms)
    if pool.idle and dry_ms is not None:
        return f"Waits for tokens of tenant {tenant} until {clock_text(dry_ms)}."
    rests = f", {pool.unhealthy} at rest after the world refused" if pool.unhealthy else ""
    weighs = "" if own is None else f"; slot {own} again, where it is free"
    if rules.strategy is Strategy.PRIORITY:
        weighs += f"; {urgency(bead, rules, world.now_ms)}"
    return f"Waits for a free worker slot ({pool.claimed} of {pool.total} busy{rests}){weighs}."


def _claimed(world: World, bead: Bead) -> str:
    return (
        f"Its workspace for attempt {bead.attempt} is being made (slot {bead.slot}).{_chosen(bead)}"
    )


def _running(world: World, bead: Bead) -> str:
    return f"Attempt {bead.attempt} runs in slot {bead.slot} (pid {bead.pid}).{_chosen(bead)}"


def _chosen(bead: Bead) -> str:
    return f" Chosen: {bead.chosen}." if bead.chosen else ""


def _checking(world: World, bead: Bead) -> str:
    if bead.by_hand:
        return f"Its change request for {bead.commit} is being opened."
    verb = "collected" if bead.commit is None else "verified"
    return f"The result of attempt {bead.attempt} is being {verb}."


def _submitted(world: World, bead: Bead) -> str:
    return f"Its change request {bead.change} is open."


def _queued(world: World, bead: Bead) -> str:
    change = None if bead.change is None else world.changes.get(bead.change)
    return "Waits in the merge queue." if change is None else waits_for(world, change)


def _testing(world: World, bead: Bead) -> str:
    change = None if bead.change is None else world.changes.get(bead.change)
    return "Its candidate is being tested." if change is None else waits_for(world, change)


def _landed(world: World, bead: Bead) -> str:
    change = None if bead.change is None else world.changes.get(bead.change)
    if change is not None and change.reason is Reason.ALREADY_LANDED:
        return f"The target held it already at {bead.landed}."
    return f"Landed as {bead.landed}."


def _sent_back(world: World, bead: Bead) -> str:
    if bead.by_hand:
        return f"Its author works on it again: {first_line(bead.detail)}"
    return f"Will be tried again after attempt {bead.attempt}: {first_line(bead.detail)}"


def _failed(world: World, bead: Bead) -> str:
    kept = [
        workspace.path
        for name in world.of_bead.get(bead.id, ())
        if (workspace := world.workspaces[name]).keep is Keep.KEPT and workspace.path
    ]
    where = f" Its last workspace is kept at {kept[-1]}." if kept else ""
    return f"Failed ({bead.reason}): {first_line(bead.detail)}{where}"


def _paused(world: World, bead: Bead) -> str:
    stands = ""
    if bead.paused_in is State.RUNNING:
        stands = f" Attempt {bead.attempt} stands still in slot {bead.slot} (pid {bead.pid})."
    elif bead.paused_in in UNDER_WAY:
        stands = " What was under way is let end first."
    return f"Paused{bead.asked}.{stands} `oya-vcs bead resume {bead.id}` lets it go on."


def _cancelled(world: World, bead: Bead) -> str:
    if bead.is_submission:
        return f"{first_line(bead.detail)} Submitted again it is taken up again."
    if bead.by_hand:
        return f"{first_line(bead.detail)} An approval of its pull request opens it again."
    return f"{first_line(bead.detail)} `oya-vcs bead retry {bead.id}` opens it again."


_EXPLAIN: dict[State, Callable[[World, Bead], str]] = {
    State.PENDING: _pending,
    State.READY: _ready,
    State.CLAIMED: _claimed,
    State.RUNNING: _running,
    State.CHECKING: _checking,
    State.SUBMITTED: _submitted,
    State.QUEUED: _queued,
    State.TESTING: _testing,
    State.LANDED: _landed,
    State.BACKING_OFF: _sent_back,
    State.REWORKING: _sent_back,
    State.FAILED: _failed,
    State.PAUSED: _paused,
    State.CANCELLED: _cancelled,
}
