"""What becomes of workspaces, told as short stories on an outside world in memory."""

from __future__ import annotations

from dataclasses import replace

import pytest

from oya_vcs.adapters.memory import new_outside
from oya_vcs.core import effects as f
from oya_vcs.core import events as e
from oya_vcs.core.ids import BeadId
from oya_vcs.core.spec import BeadSpec, files_of
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
