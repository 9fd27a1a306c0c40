"""The model of GitHub sends webhooks as GitHub does, and loses, doubles and shuffles on demand."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from oya_vcs.adapters.toolbox import Tools
from tests.contract.github_client import REPO, Client, app_token, client_of, listening
from tests.github_model.clock import VirtualClock
from tests.github_model.conversation import Hub, hub_at
from tests.github_model.hooks import LOST, STRAIGHT, Delivery, Way, doubled_and_shuffled
from tests.github_model.workflows import tell_group


@pytest_asyncio.fixture
async def hub(tmp_path: Path, tools: Tools) -> AsyncIterator[Hub]:
    """A model on a clock that stands still."""
    async with hub_at(tmp_path / "hub", str(tools.git), VirtualClock()) as hub:
        yield hub


@pytest_asyncio.fixture
async def app(hub: Hub) -> AsyncIterator[Client]:
    """The App itself, by its JWT."""
    async with client_of(hub, app_token(hub)) as client:
        yield client


async def test_every_kind_of_event_comes_signed_and_in_order(hub: Hub) -> None:
    """What happens is told once, signed over the very bytes, with a new guid each."""
    async with listening(hub) as came:
        pull = await hub.alice.opens({"a.txt": "A"}, branch="oya/queue/1")
        comment = hub.bob.comments(pull, "@oya r+")
        hub.bob.edits(comment, "@oya r-")
        hub.bob.labels(pull, "oya:queue")
        hub.bob.unlabels(pull, "oya:queue")
        hub.mallory.remarks(pull, "a.txt", "Why?")
        hub.bob.reviews(pull, "REQUEST_CHANGES", "No")
        await hub.alice.rewrites(pull, title="Other", body="Other")
        await hub.alice.pushes(pull, {"b.txt": "B"}, force=True)
        hub.alice.drafts(pull)
        hub.alice.drafts(pull, draft=False)
        hub.alice.closes(pull)
        await hub.alice.reopens(pull)
        await hub.alice.moves("next", await hub.target())
        await hub.alice.retargets(pull, "next")
        await hub.alice.moves(pull.head_ref, None)
        async with client_of(hub, hub.alice.token) as alice:
            sha = await hub.target()
            await alice.send("POST", f"/statuses/{sha}", state="success", context="x")
        await hub.settled()
    kinds = [one.event for one in came]
    assert kinds[:2] == ["push", "check_suite.requested"]
    assert set(kinds) == {
        "check_run.completed",
        "check_run.created",
        "check_suite.completed",
        "check_suite.requested",
        "issue_comment.created",
        "issue_comment.edited",
        "pull_request.closed",
        "pull_request.converted_to_draft",
        "pull_request.edited",
        "pull_request.labeled",
        "pull_request.opened",
        "pull_request.ready_for_review",
        "pull_request.reopened",
        "pull_request.synchronize",
        "pull_request.unlabeled",
        "pull_request_review.submitted",
        "pull_request_review_comment.created",
        "push",
        "status",
        "workflow_run.completed",
        "workflow_run.requested",
    }
    assert len({one.headers["X-GitHub-Delivery"] for one in came}) == len(came)
    for one in came:
        right = hmac.new(hub.hooks.secret.encode(), one.body, hashlib.sha256).hexdigest()
        assert one.headers["X-Hub-Signature-256"] == f"sha256={right}"
        said = json.loads(one.body)
        assert said["installation"]["id"] == hub.installation.id
        assert said["repository"]["full_name"] == "acme/widget"


async def test_the_app_s_own_events_come(hub: Hub) -> None:
    """The try when the webhook is set up, and the owner who suspends the App and takes it back."""
    async with listening(hub) as came:
        hub.pings()
        hub.owner.suspends()
        token, _ = hub.github.access.installation_token(hub.installation, {})
        async with client_of(hub, token) as oya:
            assert (await oya.ask("GET", REPO)).status_code == 403
            hub.owner.suspends(suspended=False)
            assert (await oya.ask("GET", REPO)).status_code == 200
        await hub.settled()
    assert [one.event for one in came] == ["ping", "installation.suspend", "installation.unsuspend"]


async def test_what_an_owner_does_is_told(hub: Hub, app: Client) -> None:
    """Taken away and installed again: another installation, and the tokens of the first have ended.
    An archived repository is read-only, a renamed one is elsewhere, a deleted one is gone."""
    async with listening(hub) as came:
        first = hub.installation
        token, _ = hub.github.access.installation_token(first, {"contents": "write"})
        hub.owner.uninstalls()
        async with client_of(hub, token) as oya:
            assert (await oya.ask("GET", REPO)).status_code == 401
        assert (await app.ask("GET", f"{REPO}/installation")).status_code == 404
        hub.owner.installs()
        assert (await app.ask("GET", f"{REPO}/installation")).json()["id"] != first.id
        hub.owner.withholds()
        assert (await app.ask("GET", f"{REPO}/installation")).status_code == 404
        hub.owner.withholds(withheld=False)
        pull = await hub.alice.opens({"a.txt": "A"})
        await hub.settled()
        came.clear()
        await tell_group(hub.github, hub.repo, pull)
        hub.owner.archives()
        token, _ = hub.github.access.installation_token(hub.installation, {"issues": "write"})
        async with client_of(hub, token) as oya:
            said = await oya.send("POST", f"/issues/{pull.number}/comments", body="Hello")
            assert said.status_code == 403
            hub.owner.archives(archived=False)
            hub.owner.renames("gadget")
            assert (await oya.ask("GET", REPO)).status_code == 301
            assert (await oya.ask("GET", "/repos/acme/gadget")).status_code == 200
            hub.owner.deletes()
            assert (await oya.ask("GET", "/repos/acme/gadget")).status_code == 404
        await hub.settled()
    kinds = [one.event for one in came]
    assert kinds == [
        "merge_group.checks_requested",
        "repository.archived",
        "repository.unarchived",
        "repository.renamed",
        "repository.deleted",
    ]


async def test_a_lost_delivery_is_not_sent_again_but_on_request(hub: Hub, app: Client) -> None:
    """GitHub never delivers again by itself. The App sees what failed, and asks for it: the same
    guid and body, as a redelivery."""
    async with listening(hub) as came:
        pull = await hub.alice.opens({"a.txt": "A"})
        await hub.settled()
        came.clear()
        hub.hooks.way = lambda delivery: LOST
        hub.bob.comments(pull, "@oya r+")
        hub.hooks.way = lambda delivery: STRAIGHT
        await hub.settled()
        assert came == []
        listed = (await app.ask("GET", "/app/hook/deliveries?status=failure")).json()
        failed = next(one for one in listed if one["event"] == "issue_comment")
        again = await app.ask("POST", f"/app/hook/deliveries/{failed['id']}/attempts")
        assert again.status_code == 202
        await hub.settled()
    assert [one.headers["X-GitHub-Delivery"] for one in came] == [failed["guid"]]
    newest = (await app.ask("GET", "/app/hook/deliveries?per_page=1")).json()[0]
    assert (newest["guid"], newest["redelivery"], newest["status_code"]) == (
        failed["guid"],
        True,
        202,
    )


async def test_deliveries_are_listed_by_cursor(hub: Hub, app: Client) -> None:
    """Following Link gives each delivery once, the newest first: those that nobody took too."""
    hub.hooks.url = "http://127.0.0.1:9/nobody"
    pull = await hub.alice.opens({"a.txt": "A"})
    for number in range(5):
        hub.bob.comments(pull, f"{number}")
    await hub.settled()
    found: list[int] = []
    url = f"{hub.url}/app/hook/deliveries?per_page=3"
    while url:
        answer = await app.ask("GET", url)
        found += [one["id"] for one in answer.json()]
        url = answer.links.get("next", {}).get("url", "")
    assert found == [one.id for one in hub.hooks.log[::-1]]


async def test_a_listener_that_refuses_is_on_record(hub: Hub, app: Client) -> None:
    """An answer of 500 is a failed delivery, as is nobody at the address."""
    async with listening(hub, status=500):
        await hub.alice.pushes_to("side", {"a.txt": "A"})
        await hub.settled()
        newest = (await app.ask("GET", "/app/hook/deliveries?per_page=1")).json()[0]
        assert (newest["status_code"], newest["status"]) == (500, "Invalid HTTP Response: 500")


async def test_deliveries_are_doubled_and_shuffled(hub: Hub) -> None:
    """Every one comes twice with the same guid, and not in order; none is lost."""
    hub.hooks.way = doubled_and_shuffled(seed=1)
    async with listening(hub) as came:
        pull = await hub.alice.opens({"a.txt": "A"})
        for number in range(10):
            hub.bob.comments(pull, f"{number}")
        await hub.settled()
    guids = [one.headers["X-GitHub-Delivery"] for one in came]
    sent = [one.guid for one in hub.hooks.log if one.sent]
    assert Counter(guids) == dict.fromkeys(sent, 2)
    assert list(dict.fromkeys(guids)) != sent


async def test_a_delivery_may_be_late(hub: Hub) -> None:
    """Three days by the model's clock, behind all that happened since."""

    def way(delivery: Delivery) -> Way:
        return Way(delay_ms=3 * 86_400_000) if delivery.event == "issue_comment" else STRAIGHT

    hub.hooks.way = way
    async with listening(hub) as came:
        pull = await hub.alice.opens({"a.txt": "A"})
        hub.bob.comments(pull, "@oya r+")
        hub.alice.closes(pull)
        await hub.settled()
        assert came[-1].event == "pull_request.closed"
        assert isinstance(hub.github.clock, VirtualClock)
        hub.github.clock.advance(3 * 86_400_000)
        await hub.settled()
        assert came[-1].event == "issue_comment.created"


async def test_only_subscribed_events_of_installed_repositories_come(hub: Hub) -> None:
    """An App hears what it asked for, and nothing once it is suspended."""
    hub.app.events.remove("push")
    async with listening(hub) as came:
        pull = await hub.alice.opens({"a.txt": "A"})
        await hub.settled()
        assert [one.event for one in came] == ["pull_request.opened"]
        hub.owner.suspends()
        hub.bob.comments(pull, "@oya r+")
        await hub.settled()
        assert [one.event for one in came[1:]] == ["installation.suspend"]
