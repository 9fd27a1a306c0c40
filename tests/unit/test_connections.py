"""What people are told of what a daemon hears."""

from __future__ import annotations

from oya_vcs.cli.connections import connections

NOW = 1_700_000_000_000
WEB = {"listen": "127.0.0.1:0", "address": "http://127.0.0.1:9", "error": "", "dropped": 0}
HUB = {
    "name": "acme/widget",
    "webhooks": True,
    "polled_ms": NOW - 12_000,
    "error": "",
    "requests_left": 4_812,
}


def told(web: dict[str, object], *hubs: dict[str, object]) -> list[str]:
    """The lines."""
    return list(connections(web, hubs, NOW))


def test_where_webhooks_come_in_is_told() -> None:
    """The address, and how many were for somebody else; why there is none; nothing where none is
    wanted."""
    assert told(WEB) == ["served at http://127.0.0.1:9, webhooks at /github/webhook"]
    assert told(WEB | {"dropped": 3})[0].endswith("; 3 webhooks were about no repository here")
    taken = WEB | {"address": "", "error": "The address is taken."}
    assert told(taken) == ["nothing is served: The address is taken."]
    assert told(WEB | {"address": ""}) == []


def test_how_github_is_heard_is_told() -> None:
    """When it was last asked, whether it tells by itself, what is left of the limit, and what went
    wrong."""
    asked = "GitHub for acme/widget was asked 12.0 s ago and tells by webhooks"
    assert told(WEB, HUB)[1] == f"{asked}; 4,812 requests are left this hour"
    new = HUB | {"polled_ms": 0, "webhooks": False, "requests_left": None, "error": "Not Found."}
    asked = "GitHub for acme/widget has not been asked yet and tells no webhooks"
    assert told(WEB, new)[1] == f"{asked}. The newest poll failed: Not Found."
