"""REST: the App, its installations and tokens, and the deliveries of its webhook."""

from __future__ import annotations

from tests.github_model.calls import REPO, ROUTES, Answer, Call, Refusal
from tests.github_model.check_shapes import app_json
from tests.github_model.clock import iso
from tests.github_model.github import NoSuch
from tests.github_model.hooks import Delivery
from tests.github_model.records import App, Installation
from tests.github_model.rest_repos import readable
from tests.github_model.shapes import Json

DELIVERY = "/app/hook/deliveries/{delivery_id}"


def _app(call: Call) -> App:
    """The App that a JWT speaks for. Raises Refusal."""
    if call.actor.app is None:
        raise Refusal(401, "A JSON web token could not be decoded")
    return call.actor.app


def _installation(call: Call) -> Installation:
    held = call.github.access.installations.get(call.number("installation_id"))
    if held is None or held.app is not _app(call):
        raise NoSuch
    return held


@ROUTES.on("GET /app")
async def get_app(call: Call) -> Answer:
    """The App that asks."""
    return Answer(body=app_json(call.github.shapes, _app(call)))


@ROUTES.on("GET /app/installations")
async def list_installations(call: Call) -> Answer:
    """Its installations."""
    app = _app(call)
    found = [held for held in call.github.access.installations.values() if held.app is app]
    return Answer(body=[call.github.shapes.installation(held) for held in call.page(found)])


@ROUTES.on("GET /app/installations/{installation_id}")
async def get_installation(call: Call) -> Answer:
    """One of them."""
    return Answer(body=call.github.shapes.installation(_installation(call)))


@ROUTES.on(f"GET {REPO}/installation")
async def get_repo_installation(call: Call) -> Answer:
    """The one on a repository."""
    app = _app(call)
    repo = call.github.repo(call.params["owner"], call.params["repo"])
    for held in call.github.access.installations.values():
        if held.app is app and any(one is repo for one in held.repos):
            return Answer(body=call.github.shapes.installation(held))
    raise NoSuch


@ROUTES.on("POST /app/installations/{installation_id}/access_tokens")
async def create_token(call: Call) -> Answer:
    """A token of an installation for an hour, with at most what the installation was granted."""
    held = _installation(call)
    asked = call.said.get("permissions", held.permissions)
    order = ("none", "read", "write", "admin")
    for name, level in asked.items():
        if order.index(level) > order.index(held.permissions.get(name, "none")):
            raise Refusal(422, "The permissions requested are not granted to this installation.")
    names = {repo.name for repo in held.repos}
    if not names.issuperset(call.said.get("repositories", ())):
        said = "There is at least one repository that does not exist or is not accessible."
        raise Refusal(422, said)
    if held.suspended:
        raise Refusal(403, "This installation has been suspended")
    token, ends = call.github.access.installation_token(held, dict(asked))
    body = {
        "token": token,
        "expires_at": iso(ends),
        "permissions": dict(asked),
        "repository_selection": "selected",
    }
    return Answer(201, body)


@ROUTES.on("GET /installation/repositories")
async def list_repositories(call: Call) -> Answer:
    """The repositories of the installation that asks."""
    if call.actor.installation is None:
        raise Refusal(403, "You must authenticate with an installation access token.")
    found = readable(call)
    page = [call.github.shapes.repo(repo) for repo in call.page(found)]
    return Answer(body={"total_count": len(found), "repositories": page})


def _item(one: Delivery) -> Json:
    return {
        "id": one.id,
        "guid": one.guid,
        "delivered_at": iso(one.at_ms),
        "redelivery": one.redelivery,
        "duration": 0.1,
        "status": one.status,
        "status_code": one.status_code,
        "event": one.event,
        "action": one.action or None,
        "installation_id": one.installation,
        "repository_id": one.repository,
    }


@ROUTES.on("GET /app/hook/deliveries")
async def list_deliveries(call: Call) -> Answer:
    """What was delivered, newest first; pages by cursor."""
    _app(call)
    size = int(call.query.get("per_page") or 30)
    found = [one for one in call.github.hooks.log[::-1] if one.status != "pending"]
    cursor = call.query.get("cursor", "").removeprefix("v1_")
    if cursor.isdecimal():
        found = [one for one in found if one.id <= int(cursor)]
    if call.query.get("status") in {"success", "failure"}:
        good = call.query["status"] == "success"
        found = [one for one in found if (one.status == "OK") == good]
    page = found[:size]
    if len(found) > size:
        url = f"{call.github.shapes.api}{call.path}?per_page={size}&cursor=v1_{found[size].id}"
        call.headers["Link"] = f'<{url}>; rel="next"'
    return Answer(body=[_item(one) for one in page])


def _delivery(call: Call) -> Delivery:
    _app(call)
    number = call.number("delivery_id")
    held = next((one for one in call.github.hooks.log if one.id == number), None)
    if held is None:
        raise NoSuch
    return held


@ROUTES.on(f"GET {DELIVERY}")
async def get_delivery(call: Call) -> Answer:
    """One delivery with what was sent."""
    one = _delivery(call)
    headers = {"X-GitHub-Event": one.event, "X-GitHub-Delivery": one.guid}
    whole = {
        "url": call.github.hooks.url or "",
        "request": {"headers": headers, "payload": one.payload},
        "response": {"headers": {}, "payload": None},
    }
    return Answer(body=_item(one) | whole)


@ROUTES.on(f"POST {DELIVERY}/attempts")
async def redeliver(call: Call) -> Answer:
    """Deliver once more: the same body and guid, a new number."""
    call.github.hooks.redeliver(_delivery(call).id)
    return Answer(202, {})
