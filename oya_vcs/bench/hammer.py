"""A load generator for webhooks, run as a program of its own: signed deliveries over kept
connections, each answered before the next is sent.

    python -m oya_vcs.bench.hammer PORT SECRET DELIVERIES CONNECTIONS FIRST

Prints one JSON object: the seconds of all, and the milliseconds that 99 of 100 took at most.
The standard library alone, so that it costs little beside what it measures.
"""

from __future__ import annotations

import asyncio
import hmac
import json
import sys

from oya_vcs.adapters.clock import stopwatch

BODY_BYTES = 25_000
"""A delivery about a comment on a pull request has about that many."""
BODIES = 256
"""Different comments, sent again and again as different deliveries: as many as a busy day has,
while the state does not grow."""
REPOSITORY = "octo-org/octo-repo"


def body_of(number: int) -> bytes:
    """A delivery in which somebody comments on a pull request with a command."""
    labels: list[dict[str, object]] = []
    comment = {
        "body": "Looks good to me.\n\n@oya status\n",
        "html_url": f"https://github.com/{REPOSITORY}/pull/{number % 50 + 1}#issuecomment-{number}",
        "created_at": "2026-01-01T00:00:00Z",
        "updated_at": "2026-01-01T00:00:00Z",
        "user": {"login": "octocat", "id": 1},
    }
    payload = {
        "action": "created",
        "comment": comment,
        "repository": {"full_name": REPOSITORY},
        "issue": {"number": number % 50 + 1, "labels": labels},
    }
    while len(text := json.dumps(payload)) < BODY_BYTES:
        at = len(labels)
        url = f"https://api.github.com/repos/{REPOSITORY}/labels/{at}"
        labels += [{"id": at + n, "url": url, "default": False, "color": None} for n in range(40)]
    return text.encode()


def requests(secret: bytes, count: int) -> list[tuple[bytes, bytes]]:
    """What stands on the wire before and behind a delivery's id."""
    found = []
    for number in range(count):
        body = body_of(number)
        head = (
            "POST /github/webhook HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
            f"content-length: {len(body)}\r\nx-github-event: issue_comment\r\n"
            f"x-hub-signature-256: sha256={hmac.new(secret, body, 'sha256').hexdigest()}\r\n"
            "x-github-delivery: "
        )
        found.append((head.encode(), b"\r\n\r\n" + body))
    return found


async def _strike(
    port: int, made: list[tuple[bytes, bytes]], ids: range, took: list[float]
) -> None:
    """One connection: the deliveries of these numbers, one after the other."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for number in ids:
        head, tail = made[number % len(made)]
        begin = stopwatch()
        writer.write(b"%bhammer-%d%b" % (head, number, tail))
        answer = await reader.readuntil(b"\r\n\r\n")
        took.append((stopwatch() - begin) * 1_000)
        if not answer.startswith(b"HTTP/1.1 202"):
            raise SystemExit(answer.decode(errors="replace"))
    writer.close()


async def _hammer(port: int, secret: bytes, count: int, connections: int, first: int) -> str:
    made = requests(secret, BODIES)
    took: list[float] = []
    begin = stopwatch()
    await asyncio.gather(
        *(
            _strike(port, made, range(first + one, first + count, connections), took)
            for one in range(connections)
        )
    )
    spent = stopwatch() - begin
    took.sort()
    return json.dumps({"spent_s": spent, "p99_ms": took[min(count - 1, int(count * 0.99))]})


if __name__ == "__main__":
    _port, _secret, _count, _connections, _first = sys.argv[1:]
    sys.stdout.write(
        asyncio.run(
            _hammer(int(_port), _secret.encode(), int(_count), int(_connections), int(_first))
        )
    )
