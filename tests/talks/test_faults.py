"""What goes wrong on the way: requests without an answer, limits, tokens, strangers at the door."""

from __future__ import annotations

import pytest

from oya_vcs.errors import Locked
from tests.github_model.conversation import Hub
from tests.github_model.faults import Fault
from tests.github_model.tiny_ci import Way as Ci
from tests.talks.listener import ONE_WAY, Listener

COMMENT = "POST /repos/{owner}/{repo}/issues/{issue_number}/comments"
GRAPHQL = "POST /graphql"


@pytest.mark.parametrize("fault", [Fault.FAIL_AFTER, Fault.DROP_AFTER])
@ONE_WAY
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


@ONE_WAY
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


@ONE_WAY
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
