"""What is made of an opencode server's words: streams cut anywhere, events of any form, sessions at
their end; and what a server is given."""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from oya_vcs.adapters.agents import opencode as agents
from oya_vcs.adapters.agents.presets import command_of
from oya_vcs.adapters.escort.frames import FRAME_BYTES_MAX, Frames, FrameTooLongError
from oya_vcs.adapters.escort.opencode import RETRIES_MAX, SESSIONS_MAX, Session, rules
from oya_vcs.adapters.escort.telling import Log, Report
from oya_vcs.config import OpencodeConfig, WorkerConfig, load
from oya_vcs.errors import ConfigurationInvalid

NOWHERE = os.open(os.devnull, os.O_WRONLY)


@given(
    texts=st.lists(
        st.text(st.characters(codec="utf-8", exclude_characters="\r\n"), min_size=1), max_size=6
    ),
    end_of_line=st.sampled_from(["\n", "\r\n", "\r"]),
    cuts=st.lists(st.integers(0, 300), max_size=10),
)
@example(texts=["a", "b"], end_of_line="\r\n", cuts=[11, 12, 13])
def test_events_come_whole_however_their_bytes_come(
    texts: list[str], end_of_line: str, cuts: list[int]
) -> None:
    """The same events with every kind of line end, wherever the stream was cut, with comments and
    names between them; one that is not ended is not given."""
    stream = ""
    for text in texts:
        for line in (": a comment", "event: message", f"data: {text}", ""):
            stream += line + end_of_line
    stream += "data: not ended"
    data = stream.encode()
    frames, found = Frames(), []
    for begin, end in itertools.pairwise(
        [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    ):
        found += frames.feed(data[begin:end])
    assert [one.decode() for one in found] == texts


def test_an_event_may_have_several_lines_and_many_bytes() -> None:
    """Its lines are joined; a megabyte that comes in pieces is one event; 32 are none."""
    frames = Frames()
    assert frames.feed(b"\xef\xbb\xbfdata:a\ndata: b\n\n") == [b"a\nb"]
    for _ in range(1_000):
        assert frames.feed(b"data: " + b"x" * 994 if _ == 0 else b"x" * 1_000) == []
    [large] = frames.feed(b"\n\n")
    assert len(large) > 990_000
    for _ in range(40):
        assert frames.feed(b"data: " + b"y" * 1_000_000 + b"\n\n") == [b"y" * 1_000_000]
    for _ in range(FRAME_BYTES_MAX // 1_000_000):
        assert frames.feed(b"z" * 1_000_000) == []
    with pytest.raises(FrameTooLongError):
        frames.feed(b"z" * 1_000_000)


def session() -> tuple[Session, Report]:
    """A session that has just begun."""
    report = Report("")
    return Session("ses_1", Log(NOWHERE), report), report


def event(kind: str, number: str = "ses_1", **more: object) -> dict[str, Any]:
    """An event of a session."""
    return {"type": kind, "properties": {"sessionID": number, **more}}


KINDS = (
    *("session.created", "session.status", "session.error", "session.idle", "message.updated"),
    *("message.part.updated", "message.part.delta", "permission.asked", "question.asked"),
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["info", "part", "status", "type", "state", "id", "tokens", "error", "data", "role"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(
    kind=st.sampled_from(KINDS),
    more=st.dictionaries(st.sampled_from(["info", "part", "status", "error", "field"]), JSON),
    loose=JSON,
    messages=JSON,
)
def test_no_word_of_a_server_is_too_strange(
    kind: str, more: Mapping[str, Any], loose: object, messages: object
) -> None:
    """Events and answers of any form are read or passed over; none is a crash, and none ends a
    session well."""
    one, report = session()
    one.hear(event(kind, **more))
    one.hear(loose)
    if one.look(loose, messages):
        assert isinstance(messages, list)
        assert report.reason or messages[-1]["info"]["finish"] == "stop"


def test_a_session_ends_when_nothing_is_done_and_the_agent_spoke_last() -> None:
    """Idle is said after every error, before the beginning, and in the middle: what was said last
    decides."""
    done = {"role": "assistant", "time": {"completed": 2}, "finish": "stop", "id": "m2"}
    asked = {"info": {"role": "user", "id": "m1"}}
    cases: list[tuple[list[Any], bool, str]] = [
        ([], False, ""),
        ([asked], False, ""),
        ([asked, {"info": done}], True, ""),
        ([asked, {"info": {**done, "finish": "tool-calls"}}], True, "in the middle"),
        ([asked, {"info": {**done, "time": {"created": 1}}}], True, "in the middle"),
        ([asked, {"info": {**done, "finish": "length"}}], True, "did not finish: length"),
        ([asked, {"info": {**done, "error": {"name": "APIError"}}}], True, "APIError"),
    ]
    for messages, over, words in cases:
        one, report = session()
        assert one.look({}, messages) is over
        assert words in report.detail
        assert bool(report.reason) is bool(words)
    one, _ = session()
    assert not one.look({"ses_1": {"type": "busy"}}, [asked, {"info": done}])


def test_what_was_used_is_counted_once_a_message() -> None:
    """However often it is told of; in the words of its last telling."""
    one, report = session()
    tokens = {"input": 5, "output": 2, "reasoning": 1, "cache": {"read": 3, "write": 1}}
    for number, cost in (("m1", 0.1), ("m1", 0.2), ("m2", 0.3)):
        info = {"role": "assistant", "id": number, "tokens": tokens, "cost": cost}
        one.hear(event("message.updated", info=info))
    assert (report.tokens_in, report.tokens_out, report.cost_micros) == (18, 6, 500_000)


def test_helpers_of_the_agent_are_watched_and_strangers_are_not() -> None:
    """A session that this one began asks for leave in its name; one on the same server that is not
    ours is none of our business."""
    one, report = session()
    assert one.hear(event("permission.asked", "ses_2", id="per_1", permission="bash")) == []
    child = {"id": "ses_2", "parentID": "ses_1"}
    one.hear(event("session.created", "ses_2", info=child))
    [(path, body)] = one.hear(event("permission.asked", "ses_2", id="per_1", permission="bash"))
    assert (path, body["reply"]) == ("/permission/per_1/reply", "reject")
    assert report.refused
    assert one.concerns({"sessionID": "ses_2"})
    assert not one.concerns({"sessionID": "ses_3"})
    one.hear(event("session.idle", "ses_2"))
    assert not one.at_rest
    one.hear(event("session.idle"))
    assert one.at_rest
    for number in range(2 * SESSIONS_MAX):
        one.hear(event("session.created", info={"id": f"s{number}", "parentID": "ses_1"}))
    assert not one.concerns({"sessionID": f"s{2 * SESSIONS_MAX - 1}"})


def test_a_model_that_does_not_answer_is_given_up() -> None:
    """A server would ask it again for ever."""
    one, _ = session()
    status = {"type": "retry", "message": "overloaded"}
    one.hear(event("session.status", status={**status, "attempt": RETRIES_MAX}))
    assert not one.gave_up
    one.hear(event("session.status", status={**status, "attempt": RETRIES_MAX + 1}))
    assert "overloaded" in one.gave_up


def test_what_nobody_allowed_is_denied() -> None:
    """Files of the workspace may be changed; a shell, the web and other folders are for
    `permissions` to allow, and `all` is all."""

    def allowed(*words: str) -> set[str]:
        first, *others = rules(list(words))
        assert (first["permission"], first["action"]) == ("*", "deny")
        return {one["permission"] for one in others if one["action"] == "allow"}

    assert {"read", "edit", "grep"} <= allowed()
    assert not {"bash", "webfetch", "task", "external_directory"} & allowed()
    assert "bash" in allowed("execute")
    assert "webfetch" in allowed("fetch")
    assert rules(["all"]) == [{"permission": "*", "pattern": "*", "action": "allow"}]


GRANTED = {
    "OYA_GATEWAY_URL": "http://127.0.0.1:5",
    "OYA_GATEWAY_TOKEN": "sk-oya1",
    "ANTHROPIC_BASE_URL": "http://127.0.0.1:5/anthropic",
    "ANTHROPIC_API_KEY": "sk-oya1",
    "MY_OWN_BASE_URL": "http://127.0.0.1:5/my-own/v1",
    "MY_OWN_API_KEY": "sk-oya1",
}


def test_a_server_behind_the_gateway_knows_no_other_way() -> None:
    """Each provider is asked at the gateway, by a token that stands in no configuration; no other
    provider is on."""
    found = agents.variables(OpencodeConfig(model="my-own/big"), GRANTED, {})
    assert found["OPENCODE_DISABLE_PROJECT_CONFIG"] == "1"
    assert "sk-oya1" not in str(found)
    configuration = json.loads(found["OPENCODE_CONFIG_CONTENT"])
    assert configuration["enabled_providers"] == ["anthropic", "my-own"]
    assert configuration["model"] == "my-own/big"
    assert configuration["provider"] == {
        "anthropic": {
            "options": {
                "baseURL": "http://127.0.0.1:5/anthropic/v1",
                "apiKey": "{env:ANTHROPIC_API_KEY}",
            }
        },
        "my-own": {
            "npm": "@ai-sdk/openai-compatible",
            "models": {"big": {"name": "big"}},
            "options": {
                "baseURL": "http://127.0.0.1:5/my-own/v1",
                "apiKey": "{env:MY_OWN_API_KEY}",
            },
        },
    }
    plain = json.loads(agents.variables(OpencodeConfig(), {}, {})["OPENCODE_CONFIG_CONTENT"])
    assert plain == {"autoupdate": False, "share": "disabled"}


def test_a_server_that_runs_gets_its_password_and_nothing_else() -> None:
    """It is what its user made of it."""
    settings = OpencodeConfig(urls=("http://127.0.0.1:4096",), password_env="PW")
    found = agents.variables(settings, GRANTED, {"PW": "secret"})
    assert found == {"OPENCODE_SERVER_PASSWORD": "secret"}


@pytest.mark.parametrize(
    ("worker", "server", "words"),
    [
        ({"kind": "acp"}, {"model": "a/b"}, "[opencode] is set"),
        ({"sandbox": "bwrap"}, {"urls": ("http://localhost:1",)}, "no sandbox of ours"),
        ({"network": "none"}, {}, "spoken to over the network"),
        ({"command": ("opencode", "serve")}, {"urls": ("http://localhost:1",)}, "one of them"),
        ({}, {"password_env": "PW"}, "a password of its own"),
    ],
)
def test_settings_without_sense_are_refused(
    worker: dict[str, Any], server: dict[str, Any], words: str
) -> None:
    """With what to do about it."""
    with pytest.raises(ConfigurationInvalid) as caught:
        agents.require_sense(
            WorkerConfig(**{"kind": "opencode", **worker}), OpencodeConfig(**server)
        )
    assert words in str(caught.value.message + caught.value.hint)
    assert caught.value.hint


def test_the_usual_command() -> None:
    """Where none is set, `opencode serve`; and the plain settings make sense."""
    settings = WorkerConfig(kind="opencode")
    assert command_of(settings) == ("opencode", "serve")
    assert command_of(WorkerConfig(kind="opencode", command=("oc",))) == ("oc",)
    agents.require_sense(settings, OpencodeConfig(model="a/b"))
    agents.require_sense(WorkerConfig(), OpencodeConfig())


@pytest.mark.parametrize("url", ["http://models.example:4096", "ftp://localhost", "localhost:4096"])
def test_a_password_goes_to_no_stranger_in_the_clear(url: str) -> None:
    """Only this machine is spoken to without encryption."""
    with pytest.raises(ConfigurationInvalid, match="must hold addresses"):
        load(None, None, "oya.toml", {}, {"opencode.urls": (url,)})
