"""What a running daemon hears of the world, and how: as `status` and `doctor` tell it. Reads what
the daemon answered; asks nobody."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from oya_vcs.cli.output import duration


def connections(
    web: Mapping[str, Any], github: Sequence[Mapping[str, Any]], now_ms: int
) -> Iterator[str]:
    """The web server, and each repository on GitHub, from the daemon's answers to "web" and
    "github" at this time (Unix milliseconds)."""
    if web["address"]:
        dropped = web["dropped"]
        lost = f"; {dropped} webhooks were about no repository here" if dropped else ""
        yield f"served at {web['address']}, webhooks at /github/webhook{lost}"
    elif web["error"]:
        yield f"nothing is served: {web['error']}"
    for one in github:
        yield f"GitHub for {one['name']} {heard(one, now_ms)}"


def heard(one: Mapping[str, Any], now_ms: int) -> str:
    """How a repository on GitHub is heard of: when it was last asked, whether it tells by itself,
    what is left of the limit, and what went wrong."""
    asked = "has not been asked yet"
    if one["polled_ms"]:
        asked = f"was asked {duration(max(0, now_ms - one['polled_ms']))} ago"
    hooks = "and tells by webhooks" if one["webhooks"] else "and tells no webhooks"
    left = one["requests_left"]
    limit = "" if left is None else f"; {left:,} requests are left this hour"
    error = f". The newest poll failed: {one['error']}" if one["error"] else ""
    return f"{asked} {hooks}{limit}{error}"
