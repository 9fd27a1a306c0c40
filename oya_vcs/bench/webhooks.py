"""How fast webhooks are taken: the whole way from the socket to the disk, beside the same web
server with the same check of the signature and nothing behind it; and what it does to memory.

The load comes from a program of its own (`hammer.py`), over loopback. Knows no policy: what follows
from a comment is decided by the core as ever.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from litestar import Litestar, Request, Response, post
from litestar.exceptions import NotAuthorizedException

from oya_vcs.adapters.clock import SystemClock
from oya_vcs.adapters.jj.program import run_program
from oya_vcs.bench import hammer
from oya_vcs.bench.figures import Figure, median
from oya_vcs.config import environment
from oya_vcs.core.event import Event
from oya_vcs.core.events import RepoRegistered
from oya_vcs.core.ids import RepoId
from oya_vcs.core.policy import Policy
from oya_vcs.core.world import World
from oya_vcs.journal.store import SqliteJournal
from oya_vcs.runtime.engine import Engine
from oya_vcs_bot.app import WEBHOOK_PATH, make_app
from oya_vcs_bot.reception import Desk, Reception
from oya_vcs_bot.serving import listening, serve
from oya_vcs_bot.translate import Translator

REPO = RepoId("bench")
SECRET = "It's a Secret to Everybody"  # noqa: S105 - GitHub's own example of one
PACKAGE = Path(hammer.__file__).resolve().parents[2]
CONNECTIONS = 32
"""Deliveries at once; GitHub sends a busy organization's side by side."""
ROUND = 4_000
"""Deliveries of one round: two seconds or so."""
PER_S = 1_500
P99_MS = 100.0
RATIO = 0.4
GROWTH = 0.10


def webhooks(folder: Path, rounds: int, deliveries: int) -> list[Figure]:
    """Rounds of ours and bare, turn by turn; then `deliveries` in a row, and memory by then."""
    return asyncio.run(_webhooks(folder, rounds, deliveries))


async def _webhooks(folder: Path, rounds: int, deliveries: int) -> list[Figure]:
    ours: list[float] = []
    bare: list[float] = []
    least: list[float] = []
    slow: list[float] = []
    slow_bare: list[float] = []
    framed = _framed()
    async with _behind_an_engine(folder / "webhooks.db") as app:
        for number in range(rounds):
            turns: tuple[tuple[Any, list[float], list[float]], ...] = (
                (_least, least, []),
                (framed, bare, slow_bare),
                (app, ours, slow),
            )
            for served, paces, p99s in turns:
                pace, p99_ms = await _round(served, ROUND, number * ROUND)
                paces.append(pace)
                p99s.append(p99_ms)
        ratio = median([one / other for one, other in zip(ours, bare, strict=True)])
        to_least = median([one / other for one, other in zip(ours, least, strict=True)])
        before = _resident_bytes()
        await _round(app, deliveries, rounds * ROUND)
        after = _resident_bytes()
    return [
        Figure(
            name="webhook",
            what=f"webhooks of {hammer.BODY_BYTES:,} bytes, {CONNECTIONS} at once, on disk when"
            " accepted; baseline: the web server and the signature alone (rate)",
            ours=f"{median(ours):,.0f}/s",
            baseline=f"{median(bare):,.0f}/s",
            ratio=ratio,
            wanted=f"≥ {PER_S:,}/s, ≥ {RATIO}",
            met=median(ours) >= PER_S and ratio >= RATIO,
        ),
        Figure(
            name="webhook-least",
            what="the same; baseline: a bare function behind the socket, no framework (rate)",
            ours=f"{median(ours):,.0f}/s",
            baseline=f"{median(least):,.0f}/s",
            ratio=to_least,
        ),
        Figure(
            name="webhook-p99",
            what="the same: p99 of one (time)",
            ours=f"{median(slow):.0f} ms",
            baseline=f"{median(slow_bare):.0f} ms",
            ratio=median(slow) / median(slow_bare),
            wanted=f"< {P99_MS:.0f} ms",
            met=median(slow) < P99_MS,
        ),
        Figure(
            name="webhook-memory",
            what=f"resident memory after {deliveries:,} more; baseline: before them",
            ours=f"{after / 1e6:.0f} MB",
            baseline=f"{before / 1e6:.0f} MB",
            ratio=after / before,
            wanted=f"≤ {1 + GROWTH}",
            met=after <= before * (1 + GROWTH),
        ),
    ]


@asynccontextmanager
async def _behind_an_engine(path: Path) -> AsyncIterator[Any]:
    """The application, on an engine with a journal on disk."""
    journal = SqliteJournal(path)
    policy = Policy(repo=REPO, slots=1, attempts_max=1, backoff_ms=1)
    engine = Engine(world=World(), journal=journal, clock=SystemClock(), policy=policy)
    await engine.offer(RepoRegistered(repo=REPO, path=str(path.parent), target="main"))

    async def offer(facts: Sequence[Event], delivery: str) -> None:
        await engine.offer(*facts, delivery=delivery)

    read = Translator(repo=REPO, name=hammer.REPOSITORY).read
    reception = Reception()
    reception.open(REPO, Desk(name=hammer.REPOSITORY, secret=SECRET.encode(), understand=read))
    try:
        yield make_app(reception, offer)
    finally:
        journal.close()


def _framed() -> Litestar:
    """The same web server and framework, with the body, its signature and the answer in it."""

    @post(WEBHOOK_PATH, status_code=202)
    async def webhook(request: Request[Any, Any, Any]) -> Response[bytes]:
        body = await request.body()
        given = request.headers.get("x-hub-signature-256", "")
        digest = hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
        if not hmac.compare_digest(f"sha256={digest}", given):
            raise NotAuthorizedException
        return Response(b"")

    return Litestar([webhook], openapi_config=None, logging_config=None)


async def _least(
    scope: dict[str, Any], receive: Callable[[], Any], send: Callable[[Any], Any]
) -> None:
    """The least that can be called a webhook: the body, its signature, 202."""
    pieces = []
    while True:
        message = await receive()
        pieces.append(message["body"])
        if not message.get("more_body"):
            break
    given = dict(scope["headers"]).get(b"x-hub-signature-256", b"")
    digest = hmac.new(SECRET.encode(), b"".join(pieces), hashlib.sha256).hexdigest()
    right = hmac.compare_digest(f"sha256={digest}".encode(), given)
    headers = [(b"content-length", b"0")]
    await send({"type": "http.response.start", "status": 202 if right else 401, "headers": headers})
    await send({"type": "http.response.body", "body": b""})


async def _round(app: Any, count: int, first: int) -> tuple[float, float]:
    """Deliveries a second, and the p99 of what each took, in ms."""
    sock = listening("127.0.0.1:0")
    port = sock.getsockname()[1]
    up = asyncio.Event()
    serving = asyncio.create_task(serve(app, sock, up.set))
    try:
        await up.wait()
        numbers = (str(one) for one in (count, CONNECTIONS, first))
        argv = [sys.executable, "-m", hammer.__name__, str(port), SECRET, *numbers]
        env = {**environment(), "PYTHONPATH": str(PACKAGE)}
        answer = json.loads((await run_program(argv, env=env)).out)
    finally:
        serving.cancel()
        with suppress(asyncio.CancelledError):
            await serving
    return count / answer["spent_s"], answer["p99_ms"]


def _resident_bytes() -> int:
    """Memory that this process holds now. Linux only: elsewhere there is no /proc."""
    fields = dict(
        line.split(":", 1) for line in Path("/proc/self/status").read_text("ascii").splitlines()
    )
    return int(fields["VmRSS"].split()[0]) * 1_024
