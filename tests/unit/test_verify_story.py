"""What follows from a verify command: nothing opens a change before it, and its word counts."""

from __future__ import annotations

from dataclasses import replace

import pytest

from oya_vcs.adapters.memory import new_outside
from oya_vcs.core import effects as f
from oya_vcs.core import events as e
from oya_vcs.core.ids import BeadId
from oya_vcs.journal.replay import digest, replay
from tests.daemons import Daemon, Kill, spec, states


def asked(daemon: Daemon, kind: type[f.Effect]) -> list[f.Effect]:
    """The effects of one kind that were requested, in order."""
    rows = [row.event for row in daemon.journal.read()]
    effects = [event.effect for event in rows if isinstance(event, e.Requested)]
    return [effect for effect in effects if isinstance(effect, kind)]


class Doubting(Daemon):
    """A daemon whose verify command finds fault."""

    def doubts(self, reason: e.Reason, *, times: int = 100) -> Doubting:
        """The next `times` verifications end for this reason."""
        left = times

        def ending(event: e.Event) -> e.Event:
            nonlocal left
            if not isinstance(event, e.ResultVerified) or not left:
                return event
            left -= 1
            return replace(event, reason=reason, detail="The result was not verified: 2 failed.")

        self.bend = ending
        return self


async def test_a_result_is_verified_between_its_collection_and_its_change() -> None:
    """Once, in the workspace that it was made in, at the commit that was collected."""
    daemon = Daemon(new_outside({"a": "1"}), verify=True)
    world = await daemon.run_to_rest([spec("one")])
    assert states(world) == {"one": "landed"}
    kinds = (f.CollectResult, f.VerifyResult, f.OpenChange)
    order = [
        type(row.event.effect)
        for row in daemon.journal.read()
        if isinstance(row.event, e.Requested) and isinstance(row.event.effect, kinds)
    ]
    assert order == [*kinds]
    [verify] = asked(daemon, f.VerifyResult)
    assert isinstance(verify, f.VerifyResult)
    assert verify.path == f"/memory/{verify.workspace}"
    assert verify.commit == world.beads[BeadId("one")].commit
    assert digest(world) == digest(replay(daemon.journal.read()))


async def test_without_a_verify_command_nothing_is_verified() -> None:
    """No effect, no event."""
    daemon = Daemon(new_outside({"a": "1"}))
    await daemon.run_to_rest([spec("one")])
    assert asked(daemon, f.VerifyResult) == []


@pytest.mark.parametrize("reason", [e.Reason.WORKER_FAILED, e.Reason.WALL_TIME])
async def test_a_result_that_is_not_verified_sends_the_bead_back(reason: e.Reason) -> None:
    """The next attempt is told why; no change is opened for the one before."""
    daemon = Doubting(new_outside({"a": "1"}), verify=True).doubts(reason, times=1)
    world = await daemon.run_to_rest([spec("one")])
    assert states(world) == {"one": "landed"}
    first, second = asked(daemon, f.RunWorker)
    assert isinstance(second, f.RunWorker)
    assert (first, second.feedback) != (second, "")
    assert "2 failed" in second.feedback
    assert len(asked(daemon, f.OpenChange)) == 1


async def test_a_bead_whose_results_are_never_verified_has_failed() -> None:
    """For that reason, when no attempt is left."""
    doubts = Doubting(new_outside({"a": "1"}), verify=True, attempts_max=2)
    world = await doubts.doubts(e.Reason.WORKER_FAILED).run_to_rest([spec("one")])
    bead = world.beads[BeadId("one")]
    assert (bead.state, bead.reason) == ("failed", e.Reason.VERIFY_FAILED)


async def test_an_interrupted_verification_costs_neither_the_attempt_nor_the_result() -> None:
    """It is verified again, as another request; the worker ran once."""
    daemon = Doubting(new_outside({"a": "1"}), verify=True, attempts_max=1)
    world = await daemon.doubts(e.Reason.INTERRUPTED, times=2).run_to_rest([spec("one")])
    assert states(world) == {"one": "landed"}
    rounds = [one.round for one in asked(daemon, f.VerifyResult) if isinstance(one, f.VerifyResult)]
    assert rounds == [1, 2, 3]
    assert len(asked(daemon, f.RunWorker)) == 1


async def test_a_kill_at_every_boundary_verifies_and_lands_once() -> None:
    """Whatever boundary the daemon dies at."""
    at = 1
    while True:
        daemon = Daemon(new_outside({"a": "1"}), verify=True)
        kill = Kill(at)
        await daemon.run_to_rest([spec("one")], kill)
        if not kill.dead.is_set():
            break
        world = await daemon.run_to_rest()
        assert states(world) == {"one": "landed"}, at
        assert len(asked(daemon, f.VerifyResult)) == 1
        at += 1
    assert at > 5
