"""Pull requests of beads: what people and the CI say goes back to a worker, or ends the bead."""

from __future__ import annotations

import pytest

from oya_vcs.core.beads import State
from oya_vcs.core.ids import BeadId
from oya_vcs.core.reasons import Reason
from oya_vcs.core.spec import BeadSpec
from tests.github_model.conversation import Hub
from tests.github_model.records import Pull
from tests.github_model.tiny_ci import Way as Ci
from tests.projects import agent
from tests.talks.listener import Listener, Way

BEAD = BeadSpec(id=BeadId("b0"), title="A bead")
WORKER = agent("honest")


async def opened(oya: Listener, hub: Hub) -> Pull:
    """The pull request of the one bead, once its status was told."""
    await oya.until(lambda: [one for one in hub.repo.pulls.values() if oya.status(one)])
    return next(iter(hub.repo.pulls.values()))


def attempt(oya: Listener) -> int:
    """Which attempt the bead is at."""
    bead = oya.bead("b0")
    return 0 if bead is None else bead.attempt


@pytest.mark.chaos
async def test_a_review_that_requests_changes_sends_the_bead_back(oya: Listener, hub: Hub) -> None:
    """With what it says; the next result is the same pull request. Somebody who may only read
    changes nothing."""
    async with oya.listens(worker__command=WORKER, queue__approval="manual") as daemon:
        await daemon.submit([BEAD])
        pull = await opened(oya, hub)
        await oya.until(lambda: "waiting" in oya.status(pull))
        oya.later()
        hub.mallory.reviews(pull, "REQUEST_CHANGES", "I hate it.")
        oya.later()
        first = pull.head_sha
        hub.bob.reviews(pull, "REQUEST_CHANGES", "The name is wrong.")
        await oya.until(lambda: attempt(oya) == 2)
        bead = oya.bead("b0")
        assert bead is not None
        assert "The name is wrong." in bead.feedback
        await oya.until(lambda: oya.answers(pull))
        assert oya.answers(pull)[0].endswith("It goes back to a worker.")
        await oya.until(lambda: bead.state is State.QUEUED and pull.head_sha == bead.commit)
        await oya.until(lambda: "waiting" in oya.status(pull) and pull.head_sha in oya.status(pull))
        oya.later()
        hub.bob.comments(pull, "@oya r+")
        await oya.until(lambda: pull.merged)
        assert list(hub.repo.pulls) == [pull.number]
        assert (attempt(oya), pull.head_sha != first, len(oya.answers(pull))) == (2, True, 2)


@pytest.mark.chaos
async def test_a_failed_check_sends_the_bead_back(oya: Listener, hub: Hub) -> None:
    """With what the check said, and what people see of it meanwhile; the next result lands."""
    hub.ci.way = Ci.HELD
    async with oya.listens(worker__command=WORKER, worker__attempts_max=2) as daemon:
        await daemon.submit([BEAD])
        pull = await opened(oya, hub)
        await oya.until(hub.ci.waiting)
        hub.ci.way = Ci.GREEN
        await hub.ci.fails()
        await oya.until(lambda: pull.merged)
        bead = oya.bead("b0")
        assert bead is not None
        assert bead.attempt == 2
        await oya.until(lambda: oya.bead("b0").state is State.LANDED)  # type: ignore[union-attr]


@pytest.mark.chaos
async def test_a_beads_pull_request_that_is_closed_ends_it(oya: Listener, hub: Hub) -> None:
    """The bead says who closed it; nothing of it lands."""
    hub.ci.way = Ci.HELD
    async with oya.listens(worker__command=WORKER) as daemon:
        await daemon.submit([BEAD])
        pull = await opened(oya, hub)
        await oya.until(hub.ci.waiting)
        oya.later()
        hub.bob.closes(pull)
        await oya.until(lambda: oya.bead("b0").reason is Reason.CLOSED)  # type: ignore[union-attr]
        bead = oya.bead("b0")
        assert bead is not None
        who = "somebody" if oya.way is Way.POLLING else "bob"  # lists do not say who
        assert (bead.state, bead.detail) == (State.FAILED, f"Closed by {who}.")
        await oya.until(lambda: f"Closed by {who}." in oya.status(pull))


@pytest.mark.chaos
async def test_a_beads_pull_request_that_is_merged_by_hand_has_landed(
    oya: Listener, hub: Hub
) -> None:
    """What people merged themselves they wanted: the bead has landed once its checks have passed
    where it is."""
    async with oya.listens(worker__command=WORKER, queue__approval="manual") as daemon:
        await daemon.submit([BEAD])
        pull = await opened(oya, hub)
        await oya.until(lambda: "waiting" in oya.status(pull))
        oya.later()
        await hub.ann.merges(pull)
        await oya.until(lambda: "landed" in oya.status(pull))
        bead = oya.bead("b0")
        assert bead is not None
        assert bead.state is State.LANDED
