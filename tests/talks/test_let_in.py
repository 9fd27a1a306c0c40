"""Whether GitHub lets us in, what it sends us, and what it did not: the App taken away and
installed again, deliveries that failed, webhooks that wake us."""

from __future__ import annotations

import logging

import pytest

from oya_vcs.core.ids import BeadId
from oya_vcs.core.spec import BeadSpec
from tests.github_model.conversation import Hub
from tests.github_model.hooks import LOST, STRAIGHT
from tests.github_model.tiny_ci import Way as Ci
from tests.projects import agent
from tests.talks.listener import ONE_WAY, Listener

RARELY_MS = 3_600_000
"""Between two polls: no conversation lasts as long."""


@pytest.mark.chaos
async def test_the_app_is_taken_away_and_installed_again(
    oya: Listener, hub: Hub, caplog: pytest.LogCaptureFixture
) -> None:
    """The repository stands aside with one sentence, however often GitHub refuses us; installed
    again, which is another installation, what waited goes on by itself."""
    caplog.set_level(logging.WARNING)
    hub.ci.way = Ci.HELD
    async with oya.listens():
        pull = await hub.alice.opens({"a.txt": "A"})
        oya.later()
        hub.bob.comments(pull, "@oya r+")
        await oya.until(hub.ci.waiting)
        hub.owner.uninstalls()
        refused = f"The GitHub App {hub.app.id} is not installed on acme/widget."
        await oya.until(lambda: refused in caplog.text)
        await oya.until(lambda: asked_in_vain(hub) >= 4)
        assert sum(refused in one.message for one in caplog.records if of_poller(one)) == 1
        hub.ci.way = Ci.GREEN
        await hub.ci.passes()
        hub.owner.installs()
        await oya.until(lambda: pull.merged)
        await oya.until(lambda: "landed" in oya.status(pull))


def of_poller(record: logging.LogRecord) -> bool:
    """Whether the poller says it."""
    return record.name.endswith(".poller")


def asked_in_vain(hub: Hub) -> int:
    """How often we asked where the App is, and it was nowhere."""
    return sum(
        (what, status) == ("GET /repos/{owner}/{repo}/installation", 404)
        for what, _, status in hub.server.requests
    )


@ONE_WAY
@pytest.mark.chaos
async def test_an_app_that_is_suspended_goes_on_when_that_ends(
    oya: Listener, hub: Hub, caplog: pytest.LogCaptureFixture
) -> None:
    """A bead whose pull request could not be opened meanwhile opens it then."""
    caplog.set_level(logging.WARNING)
    settings = {"worker__command": agent("honest"), "queue__approval": "manual"}
    async with oya.listens(**settings) as daemon:
        pull = await hub.alice.opens({"a.txt": "A"})
        oya.later()
        await oya.hears(hub.bob.comments(pull, "@oya status"), "Nobody has approved it yet")
        hub.owner.suspends()
        await oya.until(lambda: "has been suspended" in caplog.text)
        await daemon.submit([BeadSpec(id=BeadId("b0"), title="A bead")])
        hub.owner.suspends(suspended=False)
        await oya.until(lambda: "lets us in again" in caplog.text)
        await oya.until(lambda: len(hub.repo.pulls) == 2)
        oya.later()
        hub.bob.comments(pull, "@oya r+")
        await oya.until(lambda: pull.merged)


@ONE_WAY
@pytest.mark.chaos
async def test_a_repository_that_is_renamed_says_where_to_write_that(
    oya: Listener, hub: Hub, caplog: pytest.LogCaptureFixture
) -> None:
    """It stands aside with a sentence until the configuration has its name."""
    caplog.set_level(logging.WARNING)
    async with oya.listens():
        await hub.alice.opens({"a.txt": "A"})
        hub.owner.renames("gadget")
        await oya.until(lambda: "acme/widget is called acme/gadget on GitHub now." in caplog.text)
        assert "Write that into [github] repo" in caplog.text


@ONE_WAY
@pytest.mark.chaos
async def test_an_archived_repository_waits_until_it_is_none(
    oya: Listener, hub: Hub, caplog: pytest.LogCaptureFixture
) -> None:
    """It stands aside with a sentence; what was said before is done when it may be written to."""
    caplog.set_level(logging.WARNING)
    async with oya.listens():
        pull = await hub.alice.opens({"a.txt": "A"})
        hub.owner.archives()
        await oya.until(lambda: "acme/widget is archived on GitHub" in caplog.text)
        hub.owner.archives(archived=False)
        await oya.until(lambda: "lets us in again" in caplog.text)
        oya.later()
        hub.bob.comments(pull, "@oya r+")
        await oya.until(lambda: pull.merged)


@ONE_WAY
@pytest.mark.chaos
async def test_a_delivery_that_failed_is_asked_for_again_once(oya: Listener, hub: Hub) -> None:
    """GitHub never sends one again by itself: it is asked to, and what it tells counts once."""
    async with oya.listens() as daemon:
        pull = await hub.alice.opens({"a.txt": "A"})
        oya.later()
        hub.hooks.way = lambda _delivery: LOST
        said = hub.bob.comments(pull, "@oya r+")
        hub.hooks.way = lambda _delivery: STRAIGHT
        lost = next(one for one in hub.hooks.log if one.event == "issue_comment")
        await oya.until(lambda: [one for one in hub.hooks.log if one.redelivery])
        again = [one for one in hub.hooks.log if one.redelivery and one.guid == lost.guid]
        await oya.until(lambda: again[0].status == "OK")
        await oya.until(lambda: pull.merged)
        assert len(again) == 1
        assert f"issuecomment-{said.id}" in next(iter(daemon.world.pulls.values())).heard
        assert len(oya.answers(pull)) == 1


@ONE_WAY
@pytest.mark.chaos
async def test_a_webhook_wakes_who_waits_for_the_next_poll(oya: Listener, hub: Hub) -> None:
    """A comment of which no webhook tells is found when another one comes, of whatever kind; a
    check's wakes whoever waits for it."""
    async with oya.listens(github__poll_ms=RARELY_MS):
        pull = await hub.alice.opens({"a.txt": "A"})
        await oya.until(lambda: any("hook/deliveries" in one[0] for one in hub.server.requests))
        oya.later()
        hub.hooks.way = lambda _delivery: LOST
        hub.bob.comments(pull, "@oya r+")
        hub.hooks.way = lambda _delivery: STRAIGHT
        await hub.ann.pushes_to("elsewhere", {"b.txt": "B"})
        await oya.until(lambda: pull.merged)
