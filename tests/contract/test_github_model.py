"""The model of GitHub answers as GitHub does: requests, permissions, pages and faults."""

from __future__ import annotations

import ast
import asyncio
import base64
import gzip
import json
import tomllib
from collections.abc import AsyncIterator
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest
import pytest_asyncio

from oya_vcs.adapters.toolbox import Tools
from tests.contract.github_client import REPO, Client, app_token, client_of
from tests.github_model import descriptions
from tests.github_model.clock import VirtualClock
from tests.github_model.conversation import Hub, hub_at
from tests.github_model.faults import Fault

MODEL = Path(__file__).parent.parent / "github_model"
COMMENTS = "POST /repos/{owner}/{repo}/issues/{issue_number}/comments"


@pytest_asyncio.fixture
async def hub(tmp_path: Path, tools: Tools) -> AsyncIterator[Hub]:
    """A model on a clock that stands still."""
    async with hub_at(tmp_path / "hub", str(tools.git), VirtualClock()) as hub:
        yield hub


@pytest_asyncio.fixture
async def oya(hub: Hub) -> AsyncIterator[Client]:
    """The App's installation."""
    async with client_of(hub) as client:
        yield client


# --- Descriptions --------------------------------------------------------------------------------


async def test_everything_it_describes_is_answered_as_described(hub: Hub, oya: Client) -> None:
    """Every GET of the slice answers 200 on a lively repository; the hub checks each message."""
    hub.hooks.url = "http://127.0.0.1:9/nobody"
    pull = await hub.alice.opens({"a.txt": "A"})
    comment = hub.bob.comments(pull, "Fine")
    hub.bob.labels(pull, "oya:queue")
    hub.bob.reviews(pull, "APPROVE", "Good")
    hub.mallory.remarks(pull, "a.txt", "Why?")
    hub.protects(checks=("test",), pull_request=True)
    hub.protects(ruleset=True, checks=("test",), linear=True)
    run = await hub.ci.checks(pull.head_sha, "success")
    said = {"state": "success", "context": "old", "description": "Fine"}
    async with client_of(hub, hub.alice.token) as alice:
        assert (await alice.send("POST", f"/statuses/{pull.head_sha}", **said)).is_success
    places: dict[str, Any] = {
        "owner": "acme",
        "repo": "widget",
        "pull_number": pull.number,
        "issue_number": pull.number,
        "branch": "main",
        "username": "alice",
        "account_id": hub.alice.account.id,
        "comment_id": comment.id,
        "basehead": f"main...{pull.head_ref}",
        "commit_sha": pull.head_sha,
        "installation_id": hub.installation.id,
        "delivery_id": hub.hooks.log[0].id,
        "check_run_id": run.id,
    }
    for template, methods in descriptions.rest().root["paths"].items():
        if "get" not in methods or template.endswith("/merge"):
            continue
        ref = pull.head_sha if "/commits/" in template else "heads/main"
        path = template.format(**places, ref=ref)
        token = oya.token
        if template.startswith("/app") or template.endswith("/installation"):
            token = app_token(hub)
        elif template == "/user":
            token = hub.alice.token
        answer = await oya.http.get(path, headers={"Authorization": f"Bearer {token}"})
        assert answer.status_code == 200, f"{path}: {answer.text}"
        assert answer.json(), path


def test_slices_are_named_with_version_and_licence() -> None:
    """Whoever reads the slices knows what they were cut from; every deviation has a reason."""
    licence = (MODEL / "schemas/LICENSE").read_text(encoding="utf-8")
    for name in ("openapi", "webhooks"):
        slice_ = json.loads(gzip.decompress((MODEL / f"schemas/{name}.json.gz").read_bytes()))
        assert f" {slice_['version']}" in licence
    listed = tomllib.loads((MODEL / "schemas/deviations.toml").read_text(encoding="utf-8"))
    assert all(one["reason"] for one in [*listed["deviation"], *listed["unknown"]])


def test_it_knows_nothing_of_the_product() -> None:
    """No module of the model imports oya_vcs or oya_vcs_bot: it cannot share their faults."""
    for path in MODEL.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not any(name.startswith("oya_vcs") for name in names), path


async def test_a_request_that_github_does_not_know_is_told(tmp_path: Path, tools: Tools) -> None:
    """A wrong field, parameter or path is refused, and fails the test that uses the hub."""

    async def ask_wrongly() -> None:
        async with hub_at(tmp_path / "hub", str(tools.git)) as hub, client_of(hub) as oya:
            wrong = await oya.send("POST", "/labels", name="x", colour="red")
            assert wrong.status_code == 422
            assert (await oya.ask("GET", f"{REPO}/pulls?stat=open")).status_code == 422
            assert (await oya.ask("GET", f"{REPO}/pull")).status_code == 404

    told = r"stat: is not(?s:.)*colour: is not(?s:.)*has no GET"
    with pytest.raises(AssertionError, match=told):
        await ask_wrongly()


# --- Credentials ---------------------------------------------------------------------------------


async def test_installation_tokens_are_long_and_end(hub: Hub, oya: Client) -> None:
    """A token is far longer than 40 characters, holds for an hour, and then is 401."""
    assert len(oya.token) > 255
    assert await oya.get("")
    assert isinstance(hub.github.clock, VirtualClock)
    hub.github.clock.advance(3_600_000)
    late = await oya.ask("GET", REPO)
    assert (late.status_code, late.json()["message"]) == (401, "Bad credentials")


@pytest.mark.parametrize(
    "claims",
    [{"exp": 0}, {"exp": 10**11}, {"iat": 10**11}, {"iss": "7"}],
    ids=["ended", "too long", "from the future", "another App"],
)
async def test_jwts_are_judged(hub: Hub, claims: dict[str, Any]) -> None:
    """A JWT that has ended, lasts over ten minutes, or is another App's is refused."""
    async with client_of(hub, app_token(hub, **claims)) as app:
        assert (await app.ask("GET", "/app")).status_code == 401


async def test_jwts_are_verified(hub: Hub) -> None:
    """Only RS256 with the App's key counts: no HMAC, no "none", no changed claim."""
    good = app_token(hub)
    head, _, tail = good.split(".")
    claims = base64.urlsafe_b64encode(b'{"iss":"1"}').decode().rstrip("=")
    for token in (
        jwt.encode({"iss": str(hub.app.id)}, "k" * 32, "HS256"),
        jwt.encode({"iss": str(hub.app.id)}, "", "none"),
        f"{head}.{claims}.{tail}",
    ):
        async with client_of(hub, token) as app:
            assert (await app.ask("GET", "/app")).status_code == 401
    async with client_of(hub, good) as app:
        assert (await app.ask("GET", "/app")).json()["id"] == hub.app.id
        assert (await app.ask("GET", REPO)).status_code == 401


async def test_an_app_may_what_it_was_granted(hub: Hub) -> None:
    """Without a permission: 403 "Resource not accessible by integration"."""
    del hub.installation.permissions["issues"], hub.installation.permissions["pull_requests"]
    pull = await hub.alice.opens({"a.txt": "A"})
    async with client_of(hub) as oya:
        said = await oya.send("POST", f"/issues/{pull.number}/comments", body="Hello")
        assert said.status_code == 403
        assert said.json()["message"] == "Resource not accessible by integration"
        assert (await oya.ask("GET", f"{REPO}/branches/main")).status_code == 200


async def test_a_token_is_for_no_more_than_was_installed(hub: Hub) -> None:
    """No permission that was not granted, no repository that is not there; less is less."""
    path = f"/app/installations/{hub.installation.id}/access_tokens"
    async with client_of(hub, app_token(hub)) as app:
        for wrong in ({"permissions": {"administration": "write"}}, {"repositories": ["other"]}):
            assert (await app.ask("POST", path, json=wrong)).status_code == 422
        less = {"permissions": {"contents": "read"}, "repositories": ["widget"]}
        token = (await app.ask("POST", path, json=less)).json()["token"]
    async with client_of(hub, token) as oya:
        refused = await oya.send("PATCH", "/git/refs/heads/main", sha=await hub.target())
        assert refused.status_code == 403
        assert await oya.get("/git/ref/heads/main")


async def test_people_may_what_their_role_is(hub: Hub) -> None:
    """A reader comments and opens, but labels and moves nothing; what is private is 404."""
    pull = await hub.alice.opens({"a.txt": "A"})
    async with client_of(hub, hub.mallory.token) as mallory:
        said = await mallory.send("POST", f"/issues/{pull.number}/comments", body="Hello")
        assert said.status_code == 201
        for answer in (
            await mallory.send("POST", f"/issues/{pull.number}/labels", labels=["oya:queue"]),
            await mallory.send("PATCH", "/git/refs/heads/main", sha=pull.head_sha),
            await mallory.send("PUT", f"/pulls/{pull.number}/merge"),
        ):
            assert answer.status_code == 403, answer.text
        hub.repo.private = True
        hub.repo.roles.clear()
        assert (await mallory.ask("GET", REPO)).status_code == 404


@pytest.mark.parametrize(
    ("role", "permission"),
    [("read", "read"), ("triage", "read"), ("write", "write"), ("maintain", "write")],
)
async def test_permissions_have_old_names_and_roles(
    hub: Hub, oya: Client, role: Any, permission: str
) -> None:
    """`permission` folds triage into read and maintain into write; `role_name` does not."""
    hub.person("zoe", role)
    said = await oya.get("/collaborators/zoe/permission")
    assert (said["permission"], said["role_name"]) == (permission, role)
    by_id = await oya.ask("GET", f"/user/{said['user']['id']}")
    assert by_id.json()["login"] == "zoe"


# --- Pages, conditions, limits -------------------------------------------------------------------


async def test_lists_come_in_pages(hub: Hub, oya: Client) -> None:
    """Thirty unless asked otherwise; Link leads through all, in order, each once."""
    pull = await hub.alice.opens({"a.txt": "A"})
    made = [hub.bob.comments(pull, f"{number}").id for number in range(45)]
    first = await oya.ask("GET", f"{REPO}/issues/{pull.number}/comments")
    assert len(first.json()) == 30
    found: list[int] = []
    url = f"{hub.url}{REPO}/issues/{pull.number}/comments?per_page=20"
    while url:
        answer = await oya.ask("GET", url)
        found += [one["id"] for one in answer.json()]
        url = answer.links.get("next", {}).get("url", "")
    assert found == made


async def test_comments_since_are_those_changed_since(hub: Hub, oya: Client) -> None:
    """`since` counts the last change, not the beginning."""
    assert isinstance(hub.github.clock, VirtualClock)
    pull = await hub.alice.opens({"a.txt": "A"})
    old, _ = hub.bob.comments(pull, "old"), hub.bob.comments(pull, "older")
    hub.github.clock.advance(60_000)
    hub.bob.edits(old, "changed")
    found = await oya.get("/issues/comments", since="2026-01-01T00:00:30Z", sort="updated")
    assert [one["body"] for one in found] == ["changed"]


async def test_what_did_not_change_is_304_and_free(hub: Hub, oya: Client) -> None:
    """With its ETag an unchanged answer is empty, and costs nothing of the hour."""
    await hub.alice.opens({"a.txt": "A"})
    first = await oya.ask("GET", f"{REPO}/pulls")
    tagged = {"If-None-Match": first.headers["ETag"]}
    again = await oya.ask("GET", f"{REPO}/pulls", headers=tagged)
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["X-RateLimit-Used"] == first.headers["X-RateLimit-Used"]
    await hub.alice.opens({"b.txt": "B"})
    assert (await oya.ask("GET", f"{REPO}/pulls", headers=tagged)).status_code == 200


async def test_the_hour_ends(hub: Hub, oya: Client) -> None:
    """When the hour's requests are used up, all is 403 until it has passed."""
    hub.github.limits.requests_an_hour = 2
    for _ in range(2):
        assert (await oya.ask("GET", REPO)).status_code == 200
    spent = await oya.ask("GET", REPO)
    assert (spent.status_code, spent.headers["X-RateLimit-Remaining"]) == (403, "0")
    now = parsedate_to_datetime(spent.headers["Date"]).timestamp()
    assert int(spent.headers["X-RateLimit-Reset"]) - now == 3_600
    assert isinstance(hub.github.clock, VirtualClock)
    hub.github.clock.advance(3_599_000)
    assert (await oya.ask("GET", REPO)).status_code == 403
    hub.github.clock.advance(1_000)
    hub.github.access.tokens[oya.token] = (hub.github.access.tokens[oya.token][0], None)
    assert (await oya.ask("GET", REPO)).status_code == 200


async def test_many_writes_meet_the_secondary_limit(hub: Hub, oya: Client) -> None:
    """Too many writes in a minute are 403 with Retry-After; reading goes on."""
    hub.github.limits.writes_a_minute = 1
    pull = await hub.alice.opens({"a.txt": "A"})
    codes = [
        (await oya.send("POST", f"/issues/{pull.number}/comments", body="Hi")) for _ in range(2)
    ]
    assert [one.status_code for one in codes] == [201, 403]
    assert codes[1].headers["Retry-After"] == "60"
    assert (await oya.ask("GET", REPO)).status_code == 200


# --- Faults --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "status", "done"),
    [
        (Fault.FAIL_BEFORE, 500, 0),
        (Fault.FAIL_AFTER, 500, 1),
        (Fault.DROP_BEFORE, 0, 0),
        (Fault.DROP_AFTER, 0, 1),
        (Fault.TWICE, 201, 2),
        (Fault.SECONDARY, 403, 0),
        (Fault.PRIMARY, 403, 0),
        (Fault.UNAUTHORISED, 401, 0),
        (Fault.CONFLICT, 409, 0),
        (Fault.NOT_YET, 409, 0),
    ],
)
async def test_faults_happen_as_planned(
    hub: Hub, oya: Client, fault: Fault, status: int, done: int
) -> None:
    """Each fault says what it says and does what it does, as often as asked, to its route only."""
    pull = await hub.alice.opens({"a.txt": "A"})
    hub.faults.on(COMMENTS, fault, skip=1, value=7)
    codes = []
    for text in ("first", "second", "third"):
        try:
            said = await oya.send("POST", f"/issues/{pull.number}/comments", body=text)
            codes.append(said.status_code)
        except httpx.RemoteProtocolError:
            codes.append(0)
        assert (await oya.ask("GET", REPO)).status_code == 200
    assert codes == [201, status, 201]
    assert hub.said(pull) == ["first", *["second"] * done, "third"]


async def test_answers_may_be_late(hub: Hub, oya: Client) -> None:
    """By the model's clock: nothing is answered before it has come so far."""
    hub.faults.on("GET *", Fault.DELAY, value=5_000)
    asked = asyncio.create_task(oya.ask("GET", REPO))
    assert isinstance(hub.github.clock, VirtualClock)
    await hub.github.clock.sleeper()
    hub.github.clock.advance(4_999)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(asyncio.shield(asked), 0.05)
    hub.github.clock.advance(1)
    assert (await asked).status_code == 200


async def test_an_enterprise_server_has_its_own_paths(hub: Hub, oya: Client) -> None:
    """The same under /api/v3 and /api/graphql; GraphQL answers nobody without credentials."""
    assert (await oya.ask("GET", f"/api/v3{REPO}")).json()["full_name"] == "acme/widget"
    ref = 'ref(qualifiedName:"main"){name prefix target{oid}}'
    query = {"query": f'{{repository(owner:"acme",name:"widget"){{id databaseId {ref}}}}}'}
    said = (await oya.ask("POST", "/api/graphql", json=query)).json()
    assert said["data"]["repository"]["ref"] == {
        "name": "main",
        "prefix": "refs/heads/",
        "target": {"oid": await hub.target()},
    }
    assert (await oya.http.post("/graphql", json=query)).status_code == 401


async def test_stale_reads_are_of_the_past(hub: Hub, oya: Client) -> None:
    """A stale answer is what was true before the last change."""
    before = await oya.get("/git/ref/heads/main")
    await hub.bob.pushes_to("main", {"x.txt": "X"})
    after = await oya.get("/git/ref/heads/main")
    hub.faults.on("GET /repos/{owner}/{repo}/git/ref/{ref}", Fault.STALE)
    assert await oya.get("/git/ref/heads/main") == before
    assert await oya.get("/git/ref/heads/main") == after != before
