"""The HTTP server: who asks, what goes wrong, what answers, and whether all of it is as GitHub
describes it. Knows no operation by itself.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Awaitable, Callable
from email.utils import formatdate
from typing import Any
from urllib.parse import unquote

from aiohttp import web

from tests.github_model import (
    git_http,
    graphql,
    rest_apps,
    rest_checks,
    rest_git,
    rest_issues,
    rest_pulls,
    rest_repos,
)
from tests.github_model.access import NotLet
from tests.github_model.calls import ROUTES, Answer, Call, Refusal, Route
from tests.github_model.descriptions import answer_faults, request_faults
from tests.github_model.faults import Fault, Planned
from tests.github_model.github import GitHub, NoSuch
from tests.github_model.pulls import Invalid
from tests.github_model.records import ANYBODY
from tests.github_model.shapes import Shapes

SERVED = (rest_apps, rest_checks, rest_git, rest_issues, rest_pulls, rest_repos)
"""Importing them fills ROUTES."""

ENTERPRISE = "/api/v3"
BODY_MAX = 64 * 1024 * 1024
GRAPHQL = Route("POST /graphql", re.compile("/graphql"), graphql.answer)


class Server:
    """The model on a port of loopback."""

    def __init__(self, github: GitHub) -> None:
        self.github = github
        self._seen: dict[str, tuple[bytes, bytes]] = {}
        self.requests: list[tuple[str, str, int]] = []
        """Operation, path with query, and status of all that was answered."""
        self.cut: Callable[[str, str, str], bool] = lambda _boundary, _operation, _path: False
        """Asked "before" and "after" each request is done; True ends its connection there."""

    async def start(self) -> int:
        """Serve on a free port; which."""
        app = web.Application(client_max_size=BODY_MAX)
        app.on_response_prepare.append(self._dated)
        app.router.add_route("*", "/{tail:.*}", self._serve)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        port: int = self._runner.addresses[0][1]
        web_url = f"http://127.0.0.1:{port}"
        self.github.shapes = Shapes(web_url, web_url)
        return port

    async def stop(self) -> None:
        """Serve no more."""
        await self._runner.cleanup()

    async def _dated(self, request: web.Request, said: web.StreamResponse) -> None:
        """Every answer says what time it is, by the model's clock."""
        said.headers["Date"] = formatdate(self.github.clock.now_ms() / 1000, usegmt=True)

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        git = git_http.operation_of(request)
        if git is not None:
            return await self._meet(git, request, lambda: git_http.serve(self.github, request))
        path = request.rel_url.raw_path.removeprefix(ENTERPRISE)
        path = "/graphql" if path == "/api/graphql" else path
        by_number = re.fullmatch(r"/repositories/(\d+)(/.*)?", path)
        if by_number:
            names = [
                one.full_name for one in self.github.repos.values() if str(one.id) == by_number[1]
            ]
            path = f"/repos/{names[0]}{by_number[2] or ''}"
        if path == "/graphql":
            found: tuple[Route, dict[str, str]] | None = GRAPHQL, {}
        else:
            found = ROUTES.find(request.method, path)
        if found is None:
            self.github.violations.append(f"the model has no {request.method} {path}")
            return web.json_response({"message": "Not Found"}, status=404)
        route, params = found

        async def do() -> web.StreamResponse:
            return await self._call(request, path, route, params)

        return await self._meet(route.operation, request, do)

    async def _meet(
        self,
        operation: str,
        request: web.Request,
        do: Callable[[], Awaitable[web.StreamResponse]],
    ) -> web.StreamResponse:
        """Let a request meet the fault that is planned for it, else be answered."""
        planned = self.github.faults.next(operation)
        said: web.StreamResponse | None = _instead(planned) if planned else None
        fault = planned.fault if planned else None
        if planned is not None and fault is Fault.DELAY:
            await self.github.clock.sleep(planned.value)
        if self.cut("before", operation, request.path):
            fault = Fault.DROP_BEFORE
        if said is None and fault is not Fault.DROP_BEFORE:
            said = await do()
            if fault is Fault.TWICE:
                said = await do()
        if fault is not Fault.DROP_BEFORE and self.cut("after", operation, request.path):
            fault = Fault.DROP_AFTER
        if fault is Fault.FAIL_AFTER:
            said = web.json_response({"message": "Server Error"}, status=500)
        elif fault is Fault.STALE:
            said = self._stale(request, said)
        self.requests.append((operation, request.path_qs, said.status if said else 0))
        if fault in {Fault.DROP_BEFORE, Fault.DROP_AFTER} or said is None:
            if request.transport is not None:
                request.transport.abort()
            return web.Response(status=500)
        return said

    def _stale(
        self, request: web.Request, said: web.StreamResponse | None
    ) -> web.StreamResponse | None:
        older, _ = self._seen.get(request.path_qs, (b"", b""))
        if not older or said is None:
            return said
        return web.Response(body=older, content_type="application/json")

    async def _call(
        self, request: web.Request, path: str, route: Route, params: dict[str, str]
    ) -> web.Response:
        github, now = self.github, self.github.clock.now_ms()
        try:
            actor = github.access.actor(request.headers.get("Authorization"))
        except NotLet as refused:
            return web.json_response({"message": refused.message}, status=refused.status)
        moved = github.renamed.get("/".join((params.get("owner", ""), params.get("repo", ""))))
        if moved is not None:
            place = f"{github.shapes.api}/repositories/{moved.id}/{'/'.join(path.split('/')[4:])}"
            body = {"message": "Moved Permanently", "url": place}
            status = 301 if request.method == "GET" else 307
            return web.json_response(body, status=status, headers={"Location": place.rstrip("/")})
        who = actor.token or actor.account.login
        if actor.installation is not None:
            who = f"installation {actor.installation.id}"
        free = route.operation == "GET /rate_limit"
        if not free and github.limits.spent(who, now):
            headers = github.limits.headers(who, now)
            said = f"API rate limit exceeded for {actor.account.login}."
            return web.json_response({"message": said}, status=403, headers=headers)
        wait = 0 if request.method == "GET" else github.limits.too_fast(who, now)
        if wait:
            return _secondary(wait)
        names = {name: unquote(text) for name, text in params.items()}
        call = Call(github, route.operation, path, actor, names, dict(request.query))
        answer = await self._answer(call, request, route)
        return self._send(request, call, answer, who, free=free)

    async def _answer(self, call: Call, request: web.Request, route: Route) -> Answer:
        if "User-Agent" not in request.headers:
            return Answer(403, {"message": "Request forbidden by administrative rules."})
        text = await request.read()
        try:
            call.body = json.loads(text) if text else None
        except ValueError:
            return Answer(400, {"message": "Problems parsing JSON"})
        if route is not GRAPHQL:
            broken = request_faults(call.operation, call.query, call.body)
            if broken:
                self.github.violations += [f"asked: {one}" for one in broken]
                return Answer(422, {"message": "Invalid request.", "errors": broken})
        return await _handled(call, route)

    def _send(
        self, request: web.Request, call: Call, answer: Answer, who: str, *, free: bool
    ) -> web.Response:
        github, now = self.github, self.github.clock.now_ms()
        if call.operation != GRAPHQL.operation:
            github.violations += answer_faults(call.operation, answer.status, answer.body)
        body = b"" if answer.body is None else json.dumps(answer.body).encode()
        headers = {**call.headers, **answer.headers}
        if request.method == "GET" and answer.status == 200:
            older, newer = self._seen.get(request.path_qs, (b"", b""))
            self._seen[request.path_qs] = (older if newer == body else newer, body)
            headers["ETag"] = f'W/"{hashlib.sha256(body).hexdigest()}"'
            if request.headers.get("If-None-Match") == headers["ETag"]:
                free = free or call.actor is not ANYBODY
                answer, body = Answer(304), b""
        if not free:
            github.limits.count(who, now)
        headers |= github.limits.headers(who, now)
        if call.actor.token.startswith("ghp_"):
            headers["X-OAuth-Scopes"] = "repo"
        kind = None if answer.status in {204, 304} else "application/json"
        return web.Response(status=answer.status, body=body, headers=headers, content_type=kind)


async def _handled(call: Call, route: Route) -> Answer:
    """The answer, or GitHub's words for why there is none."""
    try:
        return await route.handler(call)
    except NoSuch:
        return Answer(404, {"message": "Not Found"})
    except NotLet as refused:
        return Answer(refused.status, {"message": refused.message})
    except Refusal as refused:
        return refused.answer
    except Invalid as invalid:
        errors: list[Any] = [invalid.error] if invalid.error else [invalid.message]
        return Answer(422, {"message": invalid.message, "errors": errors})


def _instead(planned: Planned) -> web.Response | None:
    """What a fault answers before anything is done."""
    if planned.fault is Fault.FAIL_BEFORE:
        return web.json_response({"message": "Server Error"}, status=500)
    if planned.fault is Fault.SECONDARY:
        return _secondary(planned.value or 60)
    if planned.fault is Fault.UNAUTHORISED:
        return web.json_response({"message": "Bad credentials"}, status=401)
    if planned.fault is Fault.CONFLICT:
        return web.json_response({"message": "Conflict"}, status=409)
    if planned.fault is Fault.NOT_YET:
        said = {"message": "You are not authorized to push to this branch"}
        return web.json_response(said, status=409)
    if planned.fault in _GRAPHQL:
        return web.json_response({"data": None, "errors": [_GRAPHQL[planned.fault]]})
    if planned.fault is Fault.PRIMARY:
        headers = {"X-RateLimit-Remaining": "0", "X-RateLimit-Limit": "5000"}
        headers["X-RateLimit-Reset"] = str(planned.value)
        said = {"message": "API rate limit exceeded."}
        return web.json_response(said, status=403, headers=headers)
    return None


_GRAPHQL = {
    Fault.UNKNOWN_FIELD: {
        "message": "Field 'updateRefs' doesn't exist on type 'Mutation'",
        "extensions": {"code": "undefinedField", "typeName": "Mutation"},
    },
    Fault.BROKEN: {
        "type": "INTERNAL",
        "message": "Something went wrong while executing your query.",
    },
}


def _secondary(wait_s: int) -> web.Response:
    said = (
        "You have exceeded a secondary rate limit. Please wait a few minutes before you try again."
    )
    headers = {"Retry-After": str(wait_s)}
    return web.json_response({"message": said}, status=403, headers=headers)
