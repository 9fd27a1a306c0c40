"""What goes wrong on the way: requests without an answer, limits, tokens, strangers at the door."""

from __future__ import annotations

from dataclasses import replace

import pytest

from oya_vcs.errors import Locked
from tests.github_model.conversation import Hub
from tests.github_model.faults import ALWAYS, Fault
from tests.github_model.tiny_ci import Way as Ci
from tests.talks.listener import ONE_WAY, Listener, Way

COMMENT = "POST /repos/{owner}/{repo}/issues/{issue_number}/comments"
LABELS = "POST /repos/{owner}/{repo}/issues/{issue_number}/labels"
GRAPHQL = "POST /graphql"
MAIN = "/git/refs/heads/main"


@pytest.mark.parametrize("fault", [Fault.FAIL_AFTER, Fault.DROP_AFTER])
@pytest.mark.chaos
async def test_what_was_done_without_an_answer_is_done_once(
    oya: Listener, hub: Hub, fault: Fault
) -> None:
    """The comment that was written and the target that moved: once each."""
    hub.faults.on(COMMENT, fault)
    hub.faults.on(GRAPHQL, fault)
    async with oya.listens():
        pull = await hub.alice.opens({"a.txt": "A"})
        oya.later()
        hub.bob.comments(pull, "@oya r+")
        await oya.until(lambda: "landed" in oya.status(pull))
        assert pull.merged
        assert len(oya.answers(pull)) == 1
        assert len(hub.faults.happened) == 2


@pytest.mark.chaos
async def test_a_comment_that_cannot_be_written_holds_up_no_landing(
    oya: Listener, hub: Hub
) -> None:
    """It comes when GitHub takes it again, and once."""
    hub.faults.on(COMMENT, Fault.FAIL_BEFORE, times=4)
    async with oya.listens():
        pull = await hub.alice.opens({"a.txt": "A"})
        oya.later()
        hub.bob.comments(pull, "@oya r+")
        await oya.until(lambda: pull.merged)
        await oya.until(lambda: "landed" in oya.status(pull))
        await oya.until(lambda: len(oya.answers(pull)) == 1)


@pytest.mark.chaos
async def test_a_secondary_limit_is_waited_for_by_all_and_nothing_is_said_twice(
    oya: Listener, hub: Hub
) -> None:
    """While many comments are written GitHub refuses some with the time to wait: everything lands,
    and each answer and status is there once."""
    hub.faults.on(COMMENT, Fault.SECONDARY, skip=2, times=2, value=1)
    hub.faults.on(LABELS, Fault.SECONDARY, skip=1, value=1)
    async with oya.listens():
        pulls = [await hub.alice.opens({f"{one}.txt": one}) for one in "abcd"]
        oya.later()
        for pull in pulls:
            hub.bob.comments(pull, "@oya r+")
        await oya.until(lambda: all(pull.merged for pull in pulls))
        for pull in pulls:
            await oya.until(lambda pull=pull: "landed" in oya.status(pull) and oya.answers(pull))
        assert [len(oya.answers(pull)) for pull in pulls] == [1, 1, 1, 1]
        assert len(hub.faults.happened) == 3


@pytest.mark.parametrize("fault", [Fault.UNKNOWN_FIELD, Fault.BROKEN])
@pytest.mark.chaos
async def test_a_target_that_graphql_does_not_move_is_moved_all_the_same(
    oya: Listener, hub: Hub, fault: Fault
) -> None:
    """A server without `updateRefs` is asked by PATCH, forwards only; one that breaks is looked at,
    and asked again. Once each, and the tree is the tested one."""
    times = ALWAYS if fault is Fault.UNKNOWN_FIELD else 1
    hub.faults.on(GRAPHQL, fault, times=times)
    async with oya.listens():
        first = await hub.target()
        pull = await hub.alice.opens({"a.txt": "A"})
        oya.later()
        hub.bob.comments(pull, "@oya r+")
        await oya.until(lambda: pull.merged)
        landed = await hub.repo.bare.commit(await hub.target())
        assert landed.parents == (first, pull.head_sha)
        assert hub.ci.built == [landed.sha]
        patched = [
            one for one in hub.server.requests if one[0].startswith("PATCH") and MAIN in one[1]
        ]
        assert len(patched) == (fault is Fault.UNKNOWN_FIELD)


@pytest.mark.chaos
async def test_a_target_that_only_takes_pull_requests_says_so(oya: Listener, hub: Hub) -> None:
    """What passed waits with GitHub's own words; where the rule lets us through, `retry` lands
    it."""
    hub.repo.rules.clear()
    rule = hub.protects(checks=("test",), pull_request=True, ruleset=True)
    async with oya.listens():
        first = await hub.target()
        pull = await hub.alice.opens({"a.txt": "A"})
        oya.later()
        said = hub.bob.comments(pull, "@oya r+")
        await oya.hears(said, "Approved")
        await oya.until(lambda: "Changes must be made through a pull request" in oya.status(pull))
        assert await hub.target() == first
        hub.repo.rules[:] = [replace(rule, bypass=frozenset({"oya[bot]"}))]
        oya.later()
        hub.bob.comments(pull, "@oya retry")
        await oya.until(lambda: pull.merged)


@pytest.mark.parametrize("way", [Way.POLLING], ids=["polling"])
@pytest.mark.chaos
async def test_branches_that_a_kill_left_are_removed_and_nobody_elses(
    oya: Listener, hub: Hub
) -> None:
    """Candidates of ours that no change needs go; those of another home and of people stay."""
    sha = await hub.target()
    async with oya.listens():
        pull = await hub.alice.opens({"a.txt": "A"})
        oya.later()
        hub.bob.comments(pull, "@oya r+")
        await oya.until(lambda: pull.merged)
    pushed = [one[1] for one in hub.server.requests if "matching-refs" in one[0]]
    folder = next(one for one in pushed if "oya/queue/" in one).rpartition("heads/")[2]
    tag = folder.split("/")[2]
    left, others = f"oya/queue/{tag}/gone.1/{sha[:16]}", ("oya/queue/zzzzzz/a.1/1", "oya/mine")
    for branch in (left, *others):
        await hub.ann.moves(branch, sha)
    async with oya.listens():

        async def gone() -> bool:
            return f"refs/heads/{left}" not in await hub.repo.bare.refs()

        await oya.until(gone)
    assert {f"refs/heads/{one}" for one in others} <= set(await hub.repo.bare.refs())


@pytest.mark.chaos
async def test_a_token_that_ends_early_is_renewed(oya: Listener, hub: Hub) -> None:
    """In the middle, for the API and for git; nobody sees it."""
    hub.ci.way = Ci.HELD
    async with oya.listens():
        pull = await hub.alice.opens({"a.txt": "A"})
        oya.later()
        hub.bob.comments(pull, "@oya r+")
        await oya.until(hub.ci.waiting)
        hub.github.access.revoke(lambda actor: actor.installation is hub.installation)
        await hub.ci.passes()
        await oya.until(lambda: pull.merged)
        await oya.until(lambda: "landed" in oya.status(pull))


@ONE_WAY
@pytest.mark.chaos
async def test_nobody_else_speaks_for_github(oya: Listener, hub: Hub) -> None:
    """A delivery that is signed with another secret is refused, one of another installation means
    nothing, and neither is on record; the true one is."""
    async with oya.listens() as daemon:
        pull = await hub.alice.opens({"a.txt": "A"})
        oya.later()
        await oya.hears(hub.bob.comments(pull, "@oya status"), "Nobody has approved")
        true = next(one for one in hub.hooks.log if one.event == "issue_comment")
        comment = true.payload["comment"] | {
            "body": "@oya hold",
            "html_url": true.payload["comment"]["html_url"] + "7",
        }
        said = true.payload | {"comment": comment}
        assert await oya.delivers("issue_comment", said, secret="guessed") == 401
        foreign = said | {"installation": {"id": hub.installation.id + 1}}
        assert await oya.delivers("issue_comment", foreign) == 202
        seen = next(iter(daemon.world.pulls.values()))
        assert len(seen.heard) == 1
        assert await oya.delivers("issue_comment", said) == 202
        assert len(seen.heard) == 2


@ONE_WAY
@pytest.mark.chaos
async def test_only_one_of_two_listens(oya: Listener, hub: Hub) -> None:
    """A second daemon on the same home says that the first one has it."""
    async with oya.listens():
        with pytest.raises(Locked):
            async with oya.listens():
                raise AssertionError(hub)
