"""What the gateway passes on, to whom, and with whose key."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from oya_vcs.adapters.gateway.answers import (
    IN_BACKGROUND,
    NO_SUCH_METHOD,
    NOT_HERE,
    UNREADABLE,
    Refusal,
)
from oya_vcs.adapters.gateway.limits import HOLD_S_MAX, Pace
from oya_vcs.adapters.gateway.routes import (
    Asked,
    Provider,
    Route,
    asked_of,
    brought_headers,
    providers_of,
    route_of,
    sent_headers,
)
from oya_vcs.config import GatewayConfig, load
from oya_vcs.config.gateway import KNOWN_URLS
from oya_vcs.errors import ConfigurationInvalid

OPENAI = Provider("openai", KNOWN_URLS["openai"], "key-o")
ANTHROPIC = Provider("anthropic", KNOWN_URLS["anthropic"], "key-a")
BOTH = {one.name: one for one in (OPENAI, ANTHROPIC)}
CHAT = Route(OPENAI, "POST", "chat/completions")


@pytest.mark.parametrize(
    ("path", "url"),
    [
        ("/openai/v1/chat/completions", "https://api.openai.com/v1/chat/completions"),
        ("/openai/v1/responses", "https://api.openai.com/v1/responses"),
        ("/openai/v1/embeddings", "https://api.openai.com/v1/embeddings"),
        ("/anthropic/v1/messages", "https://api.anthropic.com/v1/messages"),
        (
            "/anthropic/v1/messages/count_tokens",
            "https://api.anthropic.com/v1/messages/count_tokens",
        ),
    ],
)
def test_what_is_passed_on(path: str, url: str) -> None:
    """Each path of a provider has one address, and one method."""
    found = route_of(BOTH, "POST", path, b"")
    assert isinstance(found, Route)
    assert found.url == url
    assert route_of(BOTH, "GET", path, b"") is NO_SUCH_METHOD
    assert route_of(BOTH, "DELETE", path, b"") is NO_SUCH_METHOD


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "",
        "/openai",
        "/openai/v1",
        "/openai/v1/",
        "/openai/v2/chat/completions",
        "/openai/v1/files",
        "/openai/v1/chat/completions/",
        "/openai/v1/chat/completions/../../files",
        "/openai/v1//chat/completions",
        "/openai/v1/messages",
        "/anthropic/v1/messages/batches",
        "/anthropic/v1/chat/completions",
        "/openai@evil.example/v1/chat/completions",
        "//evil.example/v1/chat/completions",
        "/http://evil.example/v1/models",
        "/nobody/v1/chat/completions",
    ],
)
def test_nothing_else_is_passed_on(path: str) -> None:
    """No path of a worker's becomes part of an address: it is one of the known, or refused."""
    assert route_of(BOTH, "POST", path, b"") is NOT_HERE
    assert route_of(BOTH, "GET", path, b"") is NOT_HERE


def test_a_query_is_known_or_refused() -> None:
    """Anthropic's own client sends one; any other is not passed on."""
    path = "/anthropic/v1/messages"
    assert isinstance(route_of(BOTH, "POST", path, b"beta=true"), Route)
    assert route_of(BOTH, "POST", path, b"url=http://evil.example") is NOT_HERE


def test_only_known_headers_go_along_and_the_key_is_ours() -> None:
    """The worker's token, its cookies and its host stay here; two providers want two headers."""
    headers = [
        (b"authorization", b"Bearer sk-oya1"),
        (b"x-api-key", b"sk-oya1"),
        (b"cookie", b"a=b"),
        (b"host", b"evil.example"),
        (b"x-forwarded-for", b"10.0.0.1"),
        (b"accept-encoding", b"gzip"),
        (b"content-type", b"application/json"),
        (b"anthropic-version", b"2023-06-01"),
    ]
    kept = {
        "content-type": "application/json",
        "anthropic-version": "2023-06-01",
        "accept-encoding": "identity",
    }
    assert sent_headers(OPENAI, headers) == {**kept, "authorization": "Bearer key-o"}
    assert sent_headers(ANTHROPIC, headers) == {**kept, "x-api-key": "key-a"}
    back = brought_headers(
        {"set-cookie": "a=b", "retry-after": "3", "x-ratelimit-left": "1", "server": "s"}
    )
    assert dict(back) == {b"retry-after": b"3", b"x-ratelimit-left": b"1"}


def asked(document: Any, route: Route = CHAT, prices: tuple[str, ...] = ()) -> Asked | Refusal:
    """What a document asks for."""
    body = document if isinstance(document, bytes) else msgspec.json.encode(document)
    return asked_of(route, body, GatewayConfig(prices=prices).table)


def test_a_stream_of_chat_is_made_to_say_what_it_used() -> None:
    """Whatever the worker asked for; other options of its stay, and nothing else changes."""
    for options in ({}, {"stream_options": None}, {"stream_options": {"include_usage": False}}):
        found = asked({"model": "m", "stream": True, **options})
        assert isinstance(found, Asked)
        document = msgspec.json.decode(found.body)
        assert document == {"model": "m", "stream": True, "stream_options": {"include_usage": True}}
    plain = asked({"model": "m", "max_tokens": 3})
    assert isinstance(plain, Asked)
    assert msgspec.json.decode(plain.body) == {"model": "m", "max_tokens": 3}


def test_a_provider_reads_what_we_read() -> None:
    """A key that stands twice cannot show us one model and the provider another."""
    found = asked(b'{"model": "dear", "model": "cheap"}', prices=("cheap=1/1",))
    assert isinstance(found, Asked)
    assert found.body.count(b"model") == 1
    assert b"dear" not in found.body


def test_what_cannot_be_metered_is_refused() -> None:
    """Bodies that are no object, answers in the background, and models without a price."""
    for body in (b"", b"[]", b"{", b"\xff"):
        assert asked(body) is UNREADABLE
    assert asked({"model": "m", "background": True}) is IN_BACKGROUND
    found = asked({"model": "other"}, prices=("m*=1/2",))
    assert isinstance(found, Refusal)
    assert (found.status, "other" in found.message) == (403, True)
    assert isinstance(asked({"model": "mini"}, prices=("m*=1/2",)), Asked)
    assert isinstance(asked({"model": "other"}), Asked)


def test_a_pace_lets_a_minutes_requests_through_and_then_one_by_one() -> None:
    """Sixty a minute: sixty at once, then one a second; 0 is any number."""
    pace = Pace(60)
    assert [pace.take(1_000) for _ in range(61)] == [0] * 60 + [1]
    assert pace.take(1_500) == 1
    assert pace.take(2_000) == 0
    assert pace.take(2_000) == 1
    assert pace.take(10_000_000) == 0
    free = Pace(0)
    assert [free.take(1) for _ in range(1_000)] == [0] * 1_000


@pytest.mark.parametrize(
    ("said", "wait_s"),
    [("30", 30), ("", 1), ("soon", 1), ("0", 1), ("nan", 1), ("1e9", HOLD_S_MAX), ("-3", 1)],
)
def test_a_provider_that_was_asked_too_often_is_left_alone(said: str, wait_s: int) -> None:
    """As long as it says, within reason; whatever the pace is."""
    pace = Pace(0)
    pace.hold(1_000, said)
    assert pace.take(1_000) == wait_s
    assert pace.take(1_000 + wait_s * 1_000) == 0


def test_keys_come_from_the_environment_or_a_file_of_ones_own(tmp_path: Path) -> None:
    """Each with the address of its provider; a key is never shown."""
    file = tmp_path / "openai.key"
    file.write_text("key-from-file\n")
    file.chmod(0o600)
    settings = GatewayConfig(
        keys=("anthropic=env:A_KEY", "openai=file:~/openai.key", "own=env:A_KEY"),
        urls=("own=http://127.0.0.1:8080/v1/",),
    )
    found = providers_of(settings, {"A_KEY": "key-a"}, tmp_path)
    assert {name: (one.url, one.key) for name, one in found.items()} == {
        "anthropic": ("https://api.anthropic.com/v1", "key-a"),
        "openai": ("https://api.openai.com/v1", "key-from-file"),
        "own": ("http://127.0.0.1:8080/v1", "key-a"),
    }
    assert "key-" not in repr(found)
    assert settings.variables == ("A_KEY", "A_KEY")


def test_a_key_that_is_not_there_is_said(tmp_path: Path) -> None:
    """So is a file that others can read, and a provider that nobody knows."""
    file = tmp_path / "key"
    file.write_text("k")
    file.chmod(0o644)
    cases = {
        "openai=env:MISSING": "MISSING",
        f"openai=file:{tmp_path}/none": "cannot be read",
        f"openai=file:{file}": "can be read by others",
        "stranger=env:HOME": "nothing says where it is",
    }
    for entry, words in cases.items():
        with pytest.raises(ConfigurationInvalid) as caught:
            providers_of(GatewayConfig(keys=(entry,)), {"HOME": "h"}, tmp_path)
        assert words in caught.value.message
        assert caught.value.hint


def test_a_repository_has_no_say_in_it(tmp_path: Path) -> None:
    """[gateway] in an oya.toml is refused by its line; in the user's own file and in the
    environment it counts."""
    text = '[gateway]\nkeys = ["openai=env:K"]\n'
    with pytest.raises(ConfigurationInvalid) as caught:
        load(None, text, "oya.toml (on main)", {}, {})
    assert "oya.toml (on main):1: [gateway] counts in your own configuration" in str(caught.value)
    own = tmp_path / "config.toml"
    own.write_text(text)
    assert load(own, None, "oya.toml", {}, {}).gateway.keys == ("openai=env:K",)
    said = {"OYA_GATEWAY__KEYS": "openai=env:K"}
    assert load(None, None, "oya.toml", said, {}).gateway.keys == ("openai=env:K",)


@pytest.mark.parametrize(
    ("key", "entry"),
    [
        ("keys", "openai"),
        ("keys", "openai=OPENAI_API_KEY"),
        ("keys", "openai=file:relative"),
        ("keys", "Open AI=env:K"),
        ("urls", "own=http://models.example/v1"),
        ("urls", "own=https://user@models.example/v1"),
        ("urls", "own=https://models.example/v1?x=1"),
        ("prices", "m=3"),
        ("prices", "m=3/x"),
        ("prices", "=3/15"),
    ],
)
def test_entries_that_say_nothing_are_refused(key: str, entry: str) -> None:
    """With the form that they have to have: a key in the clear to a stranger is none of them."""
    with pytest.raises(ConfigurationInvalid) as caught:
        load(None, None, "oya.toml", {}, {f"gateway.{key}": (entry,)})
    assert f"gateway.{key} must hold entries such as" in caught.value.message


def test_names_stand_once() -> None:
    """Two keys for one provider would be a guess."""
    with pytest.raises(ConfigurationInvalid, match="names openai twice"):
        load(None, None, "oya.toml", {}, {"gateway.keys": ("openai=env:A", "openai=env:B")})
