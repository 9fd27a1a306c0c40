"""What becomes of workspaces, told as short stories on an outside world in memory."""

from __future__ import annotations

from dataclasses import replace

import pytest

from oya_vcs.adapters.memory import new_outside
from oya_vcs.core import effects as f
from oya_vcs.core import events as e
from oya_vcs.core.decide import advance, react
from oya_vcs.core.fold import apply
from oya_vcs.core.ids import BeadId, CommitId
from oya_vcs.core.policy import Policy
from oya_vcs.core.spec import BeadSpec, files_of, spec_key
from oya_vcs.core.world import World
from oya_vcs.journal.replay import digest, replay
from tests.daemons import REPO, Daemon, Kill, spec, states


def requested(daemon: Daemon, kind: type[f.Effect]) -> list[f.Effect]:
    """The effects of a kind that were decided on, in order."""
    rows = [row.event for row in daemon.journal.read()]
    effects = [event.effect for event in rows if isinstance(event, e.Requested)]
    return [effect for effect in effects if isinstance(effect, kind)]


async def test_a_workspace_is_set_up_before_its_worker_starts() -> None:
    """Where a setup is configured: once an attempt, between the workspace and the worker."""
    daemon = Daemon(new_outside({"a": "1"}), setup=True)
    world = await daemon.run_to_rest([spec("one"), spec("two", "one")])
    assert states(world) == {"one": "landed", "two": "landed"}
    kinds = (f.CreateWorkspace, f.SetUpWorkspace, f.RunWorker)
    order = [
        type(row.event.effect)
        for row in daemon.journal.read()
        if isinstance(row.event, e.Requested) and isinstance(row.event.effect, kinds)
    ]
    assert order == [*kinds, *kinds]
    assert digest(world) == digest(replay(daemon.journal.read()))


async def test_without_a_setup_nothing_is_set_up() -> None:
    """No effect, no event."""
    daemon = Daemon(new_outside({"a": "1"}))
    await daemon.run_to_rest([spec("one")])
    assert requested(daemon, f.SetUpWorkspace) == []


@pytest.mark.parametrize("reason", [e.Reason.WORKER_FAILED, e.Reason.WALL_TIME])
async def test_a_setup_that_fails_is_the_infrastructures_fault(reason: e.Reason) -> None:
    """No worker starts; the attempt counts, says what failed, and another one follows; when none
    is left the bead has failed for that reason."""
    daemon = FailingSetup(new_outside({"a": "1"}), setup=True, attempts_max=2).fail(reason)
    world = await daemon.run_to_rest([spec("one")])
    bead = world.beads[BeadId("one")]
    assert (bead.state, bead.reason) == ("failed", e.Reason.INFRASTRUCTURE)
    assert "was not set up" in bead.detail
    assert len(requested(daemon, f.SetUpWorkspace)) == 2
    assert requested(daemon, f.RunWorker) == []


async def test_a_setup_that_was_interrupted_costs_no_attempt() -> None:
    """A daemon that died in the middle: another attempt, in a new workspace, that lands."""
    daemon = FailingSetup(new_outside({"a": "1"}), setup=True, attempts_max=1)
    daemon.fail(e.Reason.INTERRUPTED, times=2)
    world = await daemon.run_to_rest([spec("one")])
    assert states(world) == {"one": "landed"}
    keys = {f.effect_key(one) for one in requested(daemon, f.SetUpWorkspace)}
    assert len(keys) == 3


async def test_a_kill_at_every_boundary_sets_up_once() -> None:
    """Whatever boundary the daemon dies at, the bead lands, and no setup ran twice."""
    at = 1
    while True:
        daemon = Daemon(new_outside({"a": "1"}), setup=True)
        kill = Kill(at)
        await daemon.run_to_rest([spec("one")], kill)
        if not kill.dead.is_set():
            return
        world = await daemon.run_to_rest()
        assert states(world) == {"one": "landed"}, at
        assert len(requested(daemon, f.SetUpWorkspace)) == 1
        at += 1


class FailingSetup(Daemon):
    """A daemon whose outside fails to set up workspaces."""

    def fail(self, reason: e.Reason, *, times: int = 100) -> FailingSetup:
        """The next `times` setups end for this reason."""
        left = times

        def ending(event: e.Event) -> e.Event:
            nonlocal left
            if not isinstance(event, e.WorkspaceSetUp) or not left:
                return event
            left -= 1
            return replace(event, reason=reason, detail="The workspace was not set up: it said no.")

        self.bend = ending
        return self


# --- What a workspace shows -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("worker", "files", "expected"),
    [
        ("", (), ()),
        ("./agent.sh -x", (), ()),
        ("", ("src",), ("src",)),
        ("./agent.sh -x", ("src",), ("src", "./agent.sh")),
        ("tools/agent", ("src",), ("src", "tools/agent")),
        ("/usr/bin/agent src", ("src",), ("src",)),
        ("agent", ("src",), ("src",)),
    ],
)
def test_a_worker_sees_its_files_and_itself(
    worker: str, files: tuple[str, ...], expected: tuple[str, ...]
) -> None:
    """What the bead names, and a program of the repository's; without names, everything."""
    bead = BeadSpec(id=BeadId("b"), title="B", worker=worker, files=files)
    assert files_of(bead) == expected


# --- A landing that was found ---------------------------------------------------------------------


async def test_a_result_that_the_target_was_found_to_hold_needs_no_pin() -> None:
    """A landing whose outcome was lost with a failed step is found by the next candidate: the bead
    has landed like any other, and what pinned its result may go."""
    daemon = Daemon(new_outside({"a": "1"}))
    outside = daemon.outside

    def lands_unseen(event: e.Event) -> e.Event:
        if not isinstance(event, e.Landed):
            return event
        failed = e.EffectFailed(
            key=event.key, bead=event.bead, kind="Land", workspace=None, message="The disk is full."
        )
        daemon.bend = lambda event: event
        return failed

    daemon.bend = lands_unseen
    await daemon.run_to_rest([spec("one")])
    world = await daemon.run_to_rest(facts=[e.QueueResumed(repo=REPO)])
    assert states(world) == {"one": "landed"}
    assert any(isinstance(row.event, e.FoundLanded) for row in daemon.journal.read())
    (removal,) = requested(daemon, f.RemoveWorkspace)
    assert isinstance(removal, f.RemoveWorkspace)
    assert removal.landed
    assert not outside.workspaces


# --- Wishes during a setup ------------------------------------------------------------------------


def being_set_up() -> World:
    """A bead whose workspace is being set up."""
    world = World()
    first = BeadSpec(id=BeadId("one"), title="One")
    step(world, e.RepoRegistered(repo=REPO, path="/memory", target="main"))
    step(world, e.BeadAdded(repo=REPO, bead=first.id, key=spec_key(first), spec=first))
    ((key, creation),) = world.open.items()
    assert isinstance(creation, f.CreateWorkspace)
    created = e.WorkspaceCreated(
        key=key,
        bead=first.id,
        attempt=1,
        workspace=creation.workspace,
        path="/memory/one",
        base=CommitId("a" * 40),
    )
    step(world, created)
    return world


def step(world: World, fact: e.Event) -> list[e.Event]:
    """One step of the engine; what it decided."""
    policy = Policy(repo=REPO, slots=1, attempts_max=3, backoff_ms=1_000, setup=True)
    apply(world, fact, 1)
    decided = []
    for rules in (react(world, fact, 1, policy), advance(world, 1, policy)):
        for decision in rules:
            apply(world, decision, 1)
            decided.append(decision)
    return decided


def set_up(world: World, reason: e.Reason | None) -> e.WorkspaceSetUp:
    """The end of the setup that is under way."""
    ((key, effect),) = world.open.items()
    assert isinstance(effect, f.SetUpWorkspace)
    return e.WorkspaceSetUp(
        key=key,
        bead=effect.bead,
        attempt=1,
        workspace=effect.workspace,
        reason=reason,
        detail="It ended.",
    )


@pytest.mark.parametrize("ended", [e.Reason.PAUSED, None])
def test_a_pause_ends_a_setup_and_no_worker_begins(ended: e.Reason | None) -> None:
    """It is asked to end; whether it was stopped or had just succeeded, the attempt does not count,
    and after the pause another one begins."""
    world = being_set_up()
    decided = step(world, e.BeadPaused(bead=BeadId("one")))
    assert [type(one) for one in decided] == [e.StopRequested]
    after = step(world, set_up(world, ended))
    assert not any(
        isinstance(one, e.Requested) and isinstance(one.effect, f.RunWorker) for one in after
    )
    (back,) = (one for one in after if isinstance(one, e.BeadBackedOff))
    assert (back.reason, back.counted) == (e.Reason.PAUSED, False)


def test_a_cancelled_bead_ends_with_its_setup() -> None:
    """Not before its process tree is gone, and then without another attempt."""
    world = being_set_up()
    decided = step(world, e.CancelRequested(bead=BeadId("one")))
    assert [type(one) for one in decided] == [e.StopRequested]
    after = step(world, set_up(world, e.Reason.CANCELLED))
    assert e.BeadCancelled(bead=BeadId("one")) in after
    assert world.bead(BeadId("one")).state == "cancelled"
