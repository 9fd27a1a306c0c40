"""One pull request and what people say on it, until it has landed or not."""

from __future__ import annotations

import pytest

from oya_vcs.core.ids import BeadId
from oya_vcs.core.spec import BeadSpec
from tests.github_model.conversation import Hub
from tests.github_model.tiny_ci import Way as Ci
from tests.projects import agent
from tests.talks.listener import Listener


async def test_what_is_approved_lands_as_it_was_tested(oya: Listener, hub: Hub) -> None:
    """The tree on the target is the tested one, under a merge of base and head; the answer names
    the commit, and there are one answer, one living status, one check and one label in the end."""
    async with oya.listens():
        first = await hub.target()
        pull = await hub.alice.opens({"a.txt": "A"})
        oya.later()
        said = hub.bob.comments(pull, "@oya r+")
        assert pull.head_sha in await oya.hears(said, "Approved")
        await oya.until(lambda: pull.merged)
        await oya.until(lambda: "landed" in oya.status(pull))
        target = await hub.target()
        landed = await hub.repo.bare.commit(target)
        assert landed.parents == (first, pull.head_sha)
        assert hub.ci.built == [target]
        await oya.until(lambda: [one.name for one in pull.labels] == ["oya:is/landed"])
        await oya.until(lambda: getattr(oya.check(pull.head_sha), "conclusion", "") == "success")
        assert len(oya.answers(pull)) == 1


async def test_what_fails_leaves_the_target_and_is_tried_again_by_word(
    oya: Listener, hub: Hub
) -> None:
    """The job that failed is named, on the pull request and by our check; `retry` tests the very
    same commit again, and it lands."""
    hub.ci.way = Ci.RED
    async with oya.listens():
        first = await hub.target()
        pull = await hub.alice.opens({"a.txt": "A"})
        oya.later()
        hub.bob.comments(pull, "@oya r+")
        await oya.until(lambda: "test" in oya.status(pull) and "failed" in oya.status(pull))
        await oya.until(lambda: getattr(oya.check(pull.head_sha), "conclusion", "") == "failure")
        assert await hub.target() == first
        hub.ci.way = Ci.GREEN
        oya.later()
        hub.bob.comments(pull, "@oya retry")
        await oya.until(lambda: pull.merged)
        await oya.until(lambda: [one.name for one in pull.labels] == ["oya:is/landed"])


@pytest.mark.parametrize("method", ["squash", "rebase"])
@pytest.mark.chaos
async def test_one_commit_in_place_of_several_is_shown_as_merged(
    oya: Listener, hub: Hub, method: str
) -> None:
    """The head is moved first, so that GitHub shows as merged what landed as another commit; our
    own push drops no approval."""
    async with oya.listens(queue__method=method):
        first = await hub.target()
        pull = await hub.alice.opens({"a.txt": "A"})
        await hub.alice.pushes(pull, {"b.txt": "B"})
        oya.later()
        hub.bob.comments(pull, "@oya r+")
        await oya.until(lambda: pull.merged)
        await oya.until(lambda: "landed" in oya.status(pull))
        target = await hub.target()
        landed = await hub.repo.bare.commit(target)
        assert (landed.parents == (first,)) == (method == "squash")
        assert pull.head_sha == target
        assert {"a.txt", "b.txt"} <= set(await hub.files())
        assert len(oya.answers(pull)) == 1


@pytest.mark.chaos
async def test_what_was_green_while_nobody_listened_lands(oya: Listener, hub: Hub) -> None:
    """The daemon ends while the CI works; it comes back to the result, and says nothing twice."""
    hub.ci.way = Ci.HELD
    async with oya.listens():
        pull = await hub.alice.opens({"a.txt": "A"})
        oya.later()
        hub.bob.comments(pull, "@oya r+")
        await oya.until(hub.ci.waiting)
        await oya.until(lambda: "testing" in oya.status(pull))
    await hub.ci.passes()
    async with oya.listens():
        await oya.until(lambda: pull.merged)
        await oya.until(lambda: "landed" in oya.status(pull))
        assert len(hub.ci.built) == 1
        assert len(oya.answers(pull)) == 1


@pytest.mark.chaos
async def test_a_trial_lands_nothing(oya: Listener, hub: Hub) -> None:
    """`try` tests it on top of the target and says how that ended; its branch is gone."""
    async with oya.listens():
        first = await hub.target()
        pull = await hub.alice.opens({"a.txt": "A"})
        oya.later()
        said = hub.bob.comments(pull, "@oya try")
        await oya.hears(said, "The trial passed")
        assert await hub.target() == first
        assert not [ref for ref in await hub.repo.bare.refs() if "oya/queue" in ref]


@pytest.mark.chaos
async def test_a_beads_pull_request_says_where_it_comes_from_and_goes_back_with_a_note(
    oya: Listener, hub: Hub
) -> None:
    """It has the bead's title, what it asks for, and the trailers of the result; `rework` gives the
    bead back."""
    words, finished = "What @ann wants.", "It says so."
    bead = BeadSpec(id=BeadId("b0"), title="A bead", description=words, acceptance=finished)
    settings = {"worker__command": agent("honest"), "queue__approval": "manual"}
    async with oya.listens(**settings) as daemon:
        await daemon.submit([bead])
        await oya.until(lambda: hub.repo.pulls)
        pull = next(iter(hub.repo.pulls.values()))
        text = "What @ ann wants.\n\nIt is finished when:\n\nIt says so.\n\nOya-Bead: b0\n"
        assert (pull.title, text in (pull.body or "")) == ("A bead", True)
        await oya.until(lambda: "waiting" in oya.status(pull))
        oya.later()
        await oya.hears(hub.bob.comments(pull, "@oya rework Write more."), "")
        await oya.until(lambda: getattr(oya.bead("b0"), "attempt", 0) == 2)


@pytest.mark.chaos
async def test_one_commit_of_several_people_names_them(oya: Listener, hub: Hub) -> None:
    """Who began it is its author, the others are named in its message. Asked for by word."""
    async with oya.listens():
        pull = await hub.alice.opens({"a.txt": "A"}, title="Two of us")
        await hub.bob.pushes(pull, {"b.txt": "B"})
        oya.later()
        hub.bob.comments(pull, "@oya squash\n@oya r+")
        await oya.until(lambda: pull.merged)
        landed = await hub.repo.bare.commit(await hub.target())
        assert landed.author.name == "alice"
        assert "Co-authored-by: bob <bob@github.test>" in landed.message
        assert landed.message.startswith(f"Land #{pull.number}: Two of us")


@pytest.mark.chaos
async def test_whether_it_merges_is_never_known_and_it_lands(oya: Listener, hub: Hub) -> None:
    """GitHub's own job may take for ever: the candidate tells."""
    hub.github.unknown_reads = float("inf")
    async with oya.listens():
        pull = await hub.alice.opens({"a.txt": "A"})
        clash = await hub.alice.opens({"a.txt": "AA"})
        oya.later()
        hub.bob.comments(pull, "@oya r+")
        await oya.until(lambda: pull.merged)
        oya.later()
        hub.bob.comments(clash, "@oya r+")
        await oya.until(lambda: "These files conflict: a.txt." in oya.status(clash))
        assert not clash.merged
