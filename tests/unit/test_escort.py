"""What an escort makes of what an agent says: any line at all, in each tongue; and the leave that
it gives."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from oya_vcs.adapters.agents.brief import Brief
from oya_vcs.adapters.agents.escorting import Told, told
from oya_vcs.adapters.agents.presets import PRESETS, command_of, filled, require_sense
from oya_vcs.adapters.escort.acp import STRAYS_MAX, Conversation
from oya_vcs.adapters.escort.dialects import DIALECTS
from oya_vcs.adapters.escort.errand import Errand
from oya_vcs.adapters.escort.permits import KINDS, answer, refusal
from oya_vcs.adapters.escort.telling import Log, Report
from oya_vcs.config import WorkerConfig
from oya_vcs.config.rules import TOOL_KINDS
from oya_vcs.core.usage import Usage
from oya_vcs.errors import ConfigurationInvalid

NOWHERE = os.open(os.devnull, os.O_WRONLY)
HELLO = {"result": {"protocolVersion": 1, "agentCapabilities": {"loadSession": True}}}
UPDATES = (
    *("agent_message_chunk", "agent_thought_chunk", "tool_call", "tool_call_update"),
    *("plan", "usage_update", "from_the_future"),
)


@dataclass(slots=True)
class Talk:
    """A conversation, and what came of it."""

    conversation: Conversation
    report: Report

    def says(self, message: object) -> list[dict[str, Any]]:
        """What we say in answer to a message."""
        line = message if isinstance(message, bytes) else json.dumps(message).encode()
        return [json.loads(one) for one in self.conversation.hear(line)]


def talk(*, session: str = "", allowed: tuple[str, ...] = ()) -> Talk:
    """A conversation that has begun: the first question, with id 1, is asked."""
    errand = Errand(
        tongue="acp", cwd="/ws", prompt="", report="", session=session, allowed=list(allowed)
    )
    report = Report("")
    conversation = Conversation(errand, "Do it.", Log(NOWHERE), report)
    [first] = map(json.loads, conversation.begin())
    assert (first["id"], first["method"]) == (1, "initialize")
    return Talk(conversation, report)


def opened() -> Talk:
    """One in which the prompt (id 3) is asked."""
    it = talk()
    it.says({"id": 1, **HELLO})
    [asked] = it.says({"id": 2, "result": {"sessionId": "s"}})
    assert asked["method"] == "session/prompt"
    assert asked["params"]["prompt"] == [{"type": "text", "text": "Do it."}]
    return it


def test_we_offer_nothing_but_a_conversation() -> None:
    """Version 1; neither files nor terminals; no servers of ours."""
    errand = Errand(tongue="acp", cwd="/ws", prompt="", report="")
    [first] = Conversation(errand, "", Log(NOWHERE), Report("")).begin()
    params = json.loads(first)["params"]
    assert params["protocolVersion"] == 1
    assert params["clientCapabilities"] == {
        "fs": {"readTextFile": False, "writeTextFile": False},
        "terminal": False,
    }
    [new] = talk().says({"id": 1, **HELLO})
    assert (new["method"], new["params"]) == ("session/new", {"cwd": "/ws", "mcpServers": []})


@pytest.mark.parametrize("stop", ["max_tokens", "max_turn_requests", "refusal", "cancelled", "odd"])
def test_a_turn_that_did_not_end_by_itself_has_failed(stop: str) -> None:
    """Only `end_turn` is the agent's word that it finished."""
    it = opened()
    it.says({"id": 3, "result": {"stopReason": stop}})
    assert it.conversation.over
    assert it.report.reason == "worker_failed"
    fine = opened()
    fine.says({"id": 3, "result": {"stopReason": "end_turn"}})
    assert (fine.conversation.over, fine.report.reason) == (True, "")


def test_answers_to_nothing_are_nothing() -> None:
    """An id that nobody asked under, one that was answered, one of another type."""
    it = opened()
    for number in (1, 2, 99, "3", None, [3]):
        assert it.says({"id": number, "result": {"stopReason": "end_turn"}}) == []
    assert not it.conversation.over


@pytest.mark.parametrize("error", [{"code": -32603, "message": "overloaded"}, "odd", None, {}])
def test_an_error_ends_it_with_its_words(error: object) -> None:
    """Whatever form it has."""
    it = opened()
    it.says({"id": 3, "error": error})
    assert it.conversation.over
    assert it.report.detail.startswith("The agent refused session/prompt")


def test_strays_are_tolerated_up_to_a_point() -> None:
    """Some programs greet; one that never speaks the protocol has failed."""
    it = opened()
    for _ in range(STRAYS_MAX):
        it.says(b"hello")
    assert not it.conversation.over
    it.says(b"hello")
    assert it.report.reason == "worker_failed"


def test_a_wish_to_stop_is_said_once_and_then_nothing_is_allowed() -> None:
    """And only where there is something to stop."""
    assert talk().conversation.cancel() == []
    it = opened()
    [wish] = map(json.loads, it.conversation.cancel())
    assert (wish["method"], wish["params"]) == ("session/cancel", {"sessionId": "s"})
    assert it.conversation.cancel() == []
    [left] = it.says({"id": 9, "method": "session/request_permission", "params": {}})
    assert left["result"]["outcome"] == {"outcome": "cancelled"}


def test_a_session_is_taken_up_only_where_that_is_offered() -> None:
    """And an agent that cannot load sessions leaves no name of one behind."""
    it = talk(session="old")
    [load] = it.says({"id": 1, **HELLO})
    assert (load["method"], load["params"]["sessionId"]) == ("session/load", "old")
    it = talk(session="old")
    [new] = it.says({"id": 1, "result": {"protocolVersion": 1}})
    assert new["method"] == "session/new"
    it.says({"id": 2, "result": {"sessionId": "s"}})
    it.says({"id": 3, "result": {"stopReason": "end_turn"}})
    assert it.report.session == ""


NAMES = (
    *("sessionUpdate", "content", "text", "entries", "title", "status", "cost", "amount"),
    *("currency", "toolCall", "options", "kind", "optionId", "locations", "path", "type", "item"),
    *("message", "usage", "part", "state", "error", "tokens", "result", "id", "changes"),
    *("input_tokens", "total_cost_usd", "is_error", "inputTokens", "outcome"),
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(
    st.sampled_from(["session/update", "session/request_permission", "fs/read_text_file", "x"]),
    st.sampled_from(UPDATES),
    st.dictionaries(st.sampled_from(["content", "entries", "cost", "title", "status"]), JSON),
    JSON,
)
def test_any_message_is_heard(
    method: str, kind: str, fields: dict[str, Any], params: object
) -> None:
    """Nothing that an agent can say brings the escort down, and every request gets one answer."""
    it = opened()
    update = {"update": {**fields, "sessionUpdate": kind}}
    assert it.says({"method": method, "params": update}) == []
    assert it.says({"method": method, "params": params}) == []
    for given_params in (update, params):
        [said] = it.says({"id": "q", "method": method, "params": given_params})
        assert said["id"] == "q"
        assert ("result" in said) is (method == "session/request_permission")
    it.says({"id": 3, "result": params})


@given(JSON, st.sampled_from([*KINDS, "unknown"]), st.lists(st.sampled_from(KINDS)))
def test_nothing_is_allowed_that_was_not_allowed_before(
    call: object, kind: str, allowed: list[str]
) -> None:
    """Whatever else the call says; a kind that we do not know is `other`."""
    it = talk(allowed=tuple(allowed))
    it.says({"id": 1, **HELLO})
    it.says({"id": 2, "result": {"sessionId": "s"}})
    extra = call if isinstance(call, dict) else {}
    options = [{"optionId": f"o-{one}", "kind": one} for one in ("allow_once", "reject_once")]
    params = {"toolCall": {**extra, "kind": kind, "locations": []}, "options": options}
    [said] = it.says({"id": 7, "method": "session/request_permission", "params": params})
    effective = kind if kind in KINDS else "other"
    chosen = "allow_once" if effective in allowed else "reject_once"
    assert said["result"]["outcome"] == {"outcome": "selected", "optionId": f"o-{chosen}"}


def test_leave_is_for_once_where_that_is_offered() -> None:
    """For ever only where there is nothing less; and no answer that was not offered."""
    always = {"kind": "allow_always", "optionId": "a"}
    once = {"kind": "allow_once", "optionId": "o"}
    assert answer([always, once], allow=True) == {"outcome": "selected", "optionId": "o"}
    assert answer([always], allow=True) == {"outcome": "selected", "optionId": "a"}
    for options in ([always, once], [], None, [{"kind": "reject_once"}], ["x"]):
        assert answer(options, allow=False) == {"outcome": "cancelled"}


def test_paths_outside_of_the_workspace_are_refused(tmp_path: Path) -> None:
    """By name, by `..` and through a link."""
    (tmp_path / "ws").mkdir()
    (tmp_path / "ws" / "out").symlink_to(tmp_path)
    cwd = str(tmp_path / "ws")
    for path, well in (("a.txt", True), (f"{cwd}/b", True), ("../x", False), ("out/x", False)):
        call = {"kind": "edit", "locations": [{"path": path}]}
        assert (refusal(call, ["all"], cwd) == "") is well


def test_the_words_of_the_configuration_are_those_of_the_escort() -> None:
    """Two rooms that may not know each other have the same list."""
    assert list(TOOL_KINDS) == [*KINDS, "all"]
    assert set(DIALECTS) == set(PRESETS)


@given(
    st.sampled_from(sorted(DIALECTS)),
    st.lists(st.binary(max_size=40) | JSON.map(lambda one: json.dumps(one).encode())),
)
@example("codex", [b'{"type":"item.completed","item":{"changes":[1,{"path":2}]}}'])
@example("claude", [b'{"type":"assistant","message":{"content":[{"text":1},3]}}'])
@example("opencode", [b'{"type":"error"}', b"[" * 100_000])
@example("aider", [b"Tokens: 1.2.3k sent, 5 received. Cost: $1.2.3 session."])
def test_any_line_is_read(name: str, lines: list[bytes]) -> None:
    """Nothing that a program can print brings the escort down, and figures never fall below 0."""
    report = Report("")
    dialect = DIALECTS[name](Log(NOWHERE), report)
    for line in lines:
        dialect.hear(line)
    assert min(report.tokens_in, report.tokens_out, report.cost_micros) >= 0


def test_aider_speaks_of_thousands() -> None:
    """Tokens are told rounded, for one message; the cost of the session so far."""
    report = Report("")
    dialect = DIALECTS["aider"](Log(NOWHERE), report)
    dialect.hear(b"Tokens: 12k sent, 1.5k cache write, 133 received. Cost: $0.04 message, $0.10 se")
    dialect.hear(b"Tokens: 1M sent, 1,000 received. Cost: $0.04 message, $0.14 session.")
    assert (report.tokens_in, report.tokens_out) == (1_013_500, 1_133)
    assert report.cost_micros == 140_000


def _reports() -> Iterator[tuple[bytes, Told]]:
    """What may stand in a report, and what is made of it."""
    yield b"", Told()
    yield b"[1]", Told()
    yield b"\xff{", Told()
    yield b'{"tokens_in": -1, "cost_micros": "5", "session": 7, "reason": "landed"}', Told()
    yield b'{"tokens_in": true, "tokens_out": 3}', Told(usage=Usage(tokens_in=1, tokens_out=3))
    yield b'{"session": "%s"}' % (b"s" * 201), Told()
    yield b'{"session": "s", "detail": "d"}', Told(session="s", detail="d")


@pytest.mark.parametrize(("text", "expected"), [*_reports()])
def test_a_report_is_believed_as_far_as_it_makes_sense(
    tmp_path: Path, text: bytes, expected: Told
) -> None:
    """It may be missing, cut, or written by somebody else."""
    brief = Brief(tmp_path)
    assert told(brief) == Told()
    (tmp_path / "report.json").write_bytes(text)
    assert told(brief) == expected


def test_a_preset_fills_the_command_and_a_command_of_ones_own_stands() -> None:
    """The task comes in the way that the program takes it."""
    assert command_of(WorkerConfig(preset="codex"))[:2] == ("codex", "exec")
    assert command_of(WorkerConfig(preset="codex", command=("mine",))) == ("mine",)
    assert command_of(WorkerConfig()) == ()


def test_words_of_a_command_are_filled(tmp_path: Path) -> None:
    """As one argument, or several; and a prompt that no argument can hold is cut, with the place of
    the rest."""
    prompt = tmp_path / "prompt.md"
    prompt.write_text("Do\nit {files}.")
    command = ("x", "{prompt}", "--f={prompt_file}", "{files}", "{other}")
    expected = ("x", "Do\nit {files}.", f"--f={prompt}", "a", "b c", "{other}")
    assert filled(command, prompt, ("a", "b c")) == expected
    prompt.write_text("ü" * 200_000)
    [long] = filled(("{prompt}",), prompt, ())
    assert len(long.encode()) <= 100_000
    assert long.endswith(f"the rest is in the file {prompt}.\n")


@pytest.mark.parametrize(
    ("settings", "key"),
    [
        ({"kind": "acp", "preset": "codex"}, "worker.preset"),
        ({"permissions": ("edit",)}, "worker.permissions"),
    ],
)
def test_keys_without_effect_are_refused(settings: dict[str, Any], key: str) -> None:
    """By name."""
    with pytest.raises(ConfigurationInvalid, match=key):
        require_sense(WorkerConfig(**settings))
