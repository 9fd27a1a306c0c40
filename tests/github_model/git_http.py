"""Git over smart HTTP: git's own http-backend as CGI. Pushes come one after the other, and what
receive-pack says is what the client hears: no push is lost and called done.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import unquote

from aiohttp import web

from tests.github_model.access import NotLet, allow
from tests.github_model.bare import ZERO, Move
from tests.github_model.github import GitHub, NoSuch
from tests.github_model.judge import linear, no_force, refusal
from tests.github_model.moves import changes, moved
from tests.github_model.records import Actor, Repo

PATH = re.compile(r"/([^/]+)/([^/]+?)(?:\.git)?(/info/refs|/git-upload-pack|/git-receive-pack)")


def operation_of(request: web.Request) -> str | None:
    """The name of a git request, for the table of faults; None where it is none."""
    match = PATH.fullmatch(request.rel_url.raw_path)
    return match and f"{request.method} /{{owner}}/{{repo}}.git{match[3]}"


async def serve(github: GitHub, request: web.Request) -> web.Response:
    """Answer a fetch or a push."""
    match = PATH.fullmatch(request.rel_url.raw_path)
    assert match
    service = request.query.get("service", match[3].lstrip("/"))
    pushing = service == "git-receive-pack"
    try:
        repo = github.repo(unquote(match[1]), unquote(match[2]))
        actor = github.access.actor(request.headers.get("Authorization"))
        allow(actor, repo, "contents:write" if pushing else "contents:read")
    except NoSuch:
        return web.Response(status=404, text="Repository not found.")
    except NotLet as refused:
        if refused.status == 401 or "Authorization" not in request.headers:
            challenge = {"WWW-Authenticate": 'Basic realm="GitHub"'}
            return web.Response(status=401, text=refused.message, headers=challenge)
        said = f"Permission to {match[1]}/{match[2]}.git denied."
        return web.Response(status=refused.status, text=said)
    body = await request.read()
    if pushing and request.method == "POST":
        return await _push(github, repo, actor, request, body)
    return _response(await _backend(repo, actor, request, body, {}))


async def _push(
    github: GitHub, repo: Repo, actor: Actor, request: web.Request, body: bytes
) -> web.Response:
    async with repo.writing:
        wanted = commands(body)
        why = [(one.ref, refusal(github, repo, actor, one)) for one in wanted]
        forward = [one.ref for one in wanted if no_force(github, repo, actor, one.ref)]
        judged = {
            "MODEL_REFUSED": "\n".join(f"{ref}\t{said}" for ref, said in why if said),
            "MODEL_NO_FORCE": "\n".join(forward),
            "MODEL_LINEAR": "\n".join(
                one.ref for one in wanted if linear(github, repo, actor, one.ref)
            ),
        }
        said = await _backend(repo, actor, request, body, judged)
        order = [one.ref for one in wanted]
        done = await changes(repo)
        done.sort(key=lambda one: order.index(one.ref) if one.ref in order else len(order))
        await moved(github, repo, actor.account, done)
    return _response(said)


def commands(body: bytes) -> list[Move]:
    """The ref updates at the beginning of a push, read from its pkt-lines."""
    found, at = [], 0
    while (size := int(body[at : at + 4] or b"0", 16)) > 4:
        line = body[at + 4 : at + size].split(b"\0")[0].decode().strip()
        at += size
        parts = line.split(" ", 2)
        if len(parts) == 3 and len(parts[0]) == len(ZERO):
            old, new, ref = parts
            found.append(Move(ref, None if old == ZERO else old, None if new == ZERO else new))
    return found


async def _backend(
    repo: Repo, actor: Actor, request: web.Request, body: bytes, env: Mapping[str, str]
) -> bytes:
    """What http-backend says."""
    tail = PATH.fullmatch(request.rel_url.raw_path)
    assert tail
    cgi = {
        "GIT_PROJECT_ROOT": str(repo.bare.path.parent),
        "GIT_HTTP_EXPORT_ALL": "1",
        "REQUEST_METHOD": request.method,
        "PATH_INFO": f"/{repo.bare.path.name}{tail[3]}",
        "QUERY_STRING": request.query_string,
        "CONTENT_TYPE": request.headers.get("Content-Type", ""),
        "CONTENT_LENGTH": str(len(body)),
        "GIT_PROTOCOL": request.headers.get("Git-Protocol", ""),
        "REMOTE_USER": actor.account.login or "anybody",
        "REMOTE_ADDR": "127.0.0.1",
    }
    code, out, err = await repo.bare.start("http-backend", stdin=body, env={**cgi, **env})
    if code:
        raise RuntimeError(f"git http-backend ended with {code}: {err.decode()}")
    return out


def _response(said: bytes) -> web.Response:
    head, _, content = said.partition(b"\r\n\r\n")
    headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n"))
    status = int(headers.pop("Status", "200 OK").split()[0])
    return web.Response(status=status, body=content, headers=headers)
