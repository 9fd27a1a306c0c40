"""One conversation in the Agent Client Protocol, version 1: a session, one prompt, its answer.

Lines go in and lines come out; no process, no pipe and no clock is known here. What we do not offer
(files, terminals, questions to a person) is refused by name: agents that keep to the protocol do
not ask for it. (Protocol: agentclientprotocol.com, schema 1.19; JSON-RPC 2.0, one message a line.)
"""

from __future__ import annotations

import json
from typing import Any

from oya_vcs import __version__
from oya_vcs.adapters.escort.errand import Errand
from oya_vcs.adapters.escort.permits import answer, refusal
from oya_vcs.adapters.escort.telling import Log, Report, count, micros, short

VERSION = 1
METHOD_NOT_FOUND = -32601
AUTH_REQUIRED = -32000
STRAYS_MAX = 100
"""Lines that are no messages: some programs greet on their standard output."""
SESSION_CHARS_MAX = 200
TITLES_MAX = 1_000
"""Tools whose names are remembered until they have ended."""
ENDS = {
    "max_tokens": "it reached the most tokens that its model may write",
    "max_turn_requests": "it reached the most requests that it may make in one turn",
    "refusal": "it refuses to do this",
    "cancelled": "it was told to stop",
}
"""Why a turn ended that is not finished (ACP v1, StopReason)."""
MARKS = {"completed": "x", "in_progress": ">", "pending": " "}

Message = dict[str, Any]


class Conversation:
    """What we say next, given what we hear. `over` says that nothing more is expected; whether all
    went well is in the report."""

    def __init__(self, errand: Errand, prompt: str, log: Log, report: Report) -> None:
        self._errand = errand
        self._prompt = prompt
        self._log = log
        self._report = report
        self._asked: dict[int, str] = {}
        self._number = 0
        self._strays = 0
        self._loads = False
        self._cancelled = False
        self._plan = ""
        self._titles: dict[str, str] = {}
        self.over = False

    def begin(self) -> list[bytes]:
        """The first message."""
        ours = {"fs": {"readTextFile": False, "writeTextFile": False}, "terminal": False}
        info = {"name": "oya-vcs", "version": __version__}
        hello = {"protocolVersion": VERSION, "clientCapabilities": ours, "clientInfo": info}
        return [self._ask("initialize", hello)]

    def cancel(self) -> list[bytes]:
        """The wish that the agent stops what it does."""
        if self._cancelled or self.over or "session/prompt" not in self._asked.values():
            return []
        self._cancelled = True
        self._log.line("escort", "the agent is asked to stop")
        return [_message({"method": "session/cancel", "params": {"sessionId": self._session}})]

    def hear(self, line: bytes) -> list[bytes]:
        """What is said in answer to a line."""
        if not line.strip():
            return []
        try:
            message = json.loads(line)
        except (ValueError, RecursionError):
            message = None
        if not isinstance(message, dict):
            return self._stray(line)
        method = message.get("method")
        if isinstance(method, str):
            params = message.get("params")
            params = params if isinstance(params, dict) else {}
            if "id" in message:
                return [self._answer(message["id"], method, params)]
            if method == "session/update":
                self._update(params.get("update"))
            return []
        return self._answered(message)

    def gone(self, status: int | None) -> None:
        """The agent hung up, and ended with this status (None: it has not ended)."""
        stage = next(reversed(self._asked.values()), "initialize")
        how = "hung up" if status is None else f"ended with status {status}"
        self._fail(f"The agent {how} before it had answered {stage}.")

    @property
    def _session(self) -> str:
        return self._report.session

    def _ask(self, method: str, params: Message) -> bytes:
        self._number += 1
        self._asked[self._number] = method
        return _message({"id": self._number, "method": method, "params": params})

    def _stray(self, line: bytes) -> list[bytes]:
        self._strays += 1
        self._log.line("not understood", short(line[:1_000].decode(errors="replace")))
        if self._strays > STRAYS_MAX:
            self._fail("The agent writes what are no messages of the Agent Client Protocol.")
        return []

    def _answered(self, message: Message) -> list[bytes]:
        number = message.get("id")
        asked = self._asked.pop(number, "") if isinstance(number, int) else ""
        result = message.get("result")
        if not asked:
            return []
        if "error" in message:
            return self._refused(asked, message["error"])
        if not isinstance(result, dict):
            if asked == "session/load" and result is None:
                return [self._say()]
            self._fail(f"The agent's answer to {asked} is no object.")
            return []
        if asked == "initialize":
            return self._hello(result)
        if asked == "session/new":
            return self._opened(result)
        if asked == "session/load":
            return [self._say()]
        self._finished(result)
        return []

    def _hello(self, result: Message) -> list[bytes]:
        version = result.get("protocolVersion")
        if version != VERSION:
            self._fail(
                f"The agent speaks version {short(version)} of the Agent Client Protocol, and we "
                f"speak {VERSION}: install a release of it that does."
            )
            return []
        known = result.get("agentInfo")
        known = known if isinstance(known, dict) else {}
        name = short(f"{known.get('name', 'agent')} {known.get('version', '')}")
        self._log.line("escort", f"{name} speaks ACP {VERSION}")
        able = result.get("agentCapabilities")
        self._loads = isinstance(able, dict) and able.get("loadSession") is True
        if self._loads and self._errand.session:
            self._report.session = self._errand.session
            self._log.line("escort", f"its session {short(self._session)} is taken up again")
            return [self._ask("session/load", {"sessionId": self._session, **self._where()})]
        return [self._ask("session/new", self._where())]

    def _where(self) -> Message:
        return {"cwd": self._errand.cwd, "mcpServers": []}

    def _opened(self, result: Message) -> list[bytes]:
        session = result.get("sessionId")
        if not isinstance(session, str) or not 0 < len(session) <= SESSION_CHARS_MAX:
            self._fail("The agent opened a session without a name.")
            return []
        self._report.session = session
        return [self._say()]

    def _say(self) -> bytes:
        content = [{"type": "text", "text": self._prompt}]
        return self._ask("session/prompt", {"sessionId": self._session, "prompt": content})

    def _refused(self, asked: str, error: object) -> list[bytes]:
        error = error if isinstance(error, dict) else {"message": error}
        said = short(error.get("message", "it does not say why"))
        if asked == "session/load":
            self._log.line("escort", f"it cannot be taken up ({said}); a new one is opened")
            self._report.session = ""
            return [self._ask("session/new", self._where())]
        if error.get("code") == AUTH_REQUIRED:
            self._fail(
                f"The agent wants its user to log in: {said}. Log in with the agent itself, or "
                "name the variable that holds its key in [worker] env."
            )
        else:
            self._fail(f"The agent refused {asked}: {said}.")
        return []

    def _finished(self, result: Message) -> None:
        self._count(result.get("usage"))
        why = result.get("stopReason")
        if why != "end_turn":
            because = ENDS.get(str(why), f"it stopped with {short(why)}")
            self._report.fail(f"The agent did not finish: {because}.")
        self._log.line("escort", f"the agent ended its turn: {short(why)}")
        if not self._loads:
            self._report.session = ""
        self.over = True

    def _fail(self, detail: str) -> None:
        self._report.fail(detail)
        self._log.line("escort", detail)
        self.over = True

    def _answer(self, number: object, method: str, params: Message) -> bytes:
        if method == "session/request_permission":
            return _message({"id": number, "result": {"outcome": self._permit(params)}})
        self._log.line("refused", f"{short(method)}: the agent works on its files by itself")
        error = {"code": METHOD_NOT_FOUND, "message": f"{short(method)} is not offered here."}
        return _message({"id": number, "error": error})

    def _permit(self, params: Message) -> Message:
        call = params.get("toolCall")
        call = call if isinstance(call, dict) else {}
        title = short(call.get("title") or call.get("kind") or "a tool")
        if self._cancelled:
            return {"outcome": "cancelled"}
        why = refusal(call, self._errand.allowed, self._errand.cwd)
        if why:
            self._report.refuse(title)
            self._log.line("refused", f"{title}: {why}")
        else:
            self._log.line("allowed", title)
        return answer(params.get("options"), allow=not why)

    def _update(self, update: object) -> None:
        """Progress. What a session repeats when it is taken up again is told as little as what we
        do not know."""
        if not isinstance(update, dict):
            return
        if "session/prompt" not in self._asked.values():
            self._log.stream("past", ".")
            return
        kind = update.get("sessionUpdate")
        if kind in {"agent_message_chunk", "agent_thought_chunk"}:
            content = update.get("content")
            text = content.get("text") if isinstance(content, dict) else None
            who = "agent" if kind == "agent_message_chunk" else "thinks"
            self._log.stream(who, text if isinstance(text, str) else "")
        elif kind in {"tool_call", "tool_call_update"}:
            self._tool(update)
        elif kind == "plan":
            self._tell_plan(update.get("entries"))
        elif kind == "usage_update":
            cost = update.get("cost")
            if isinstance(cost, dict) and cost.get("currency") == "USD":
                self._report.cost_micros = micros(cost.get("amount"))

    def _tool(self, update: Message) -> None:
        number = str(update.get("toolCallId"))
        title = update.get("title") or self._titles.get(number) or "a tool"
        if len(self._titles) >= TITLES_MAX:
            self._titles.clear()
        self._titles[number] = short(title)
        status = update.get("status")
        self._log.line("tool", short(title) + (f" ({short(status)})" if status else ""))

    def _tell_plan(self, entries: object) -> None:
        lines = [
            f"[{MARKS.get(str(one.get('status')), ' ')}] {short(one.get('content', ''))}"
            for one in (entries if isinstance(entries, list) else [])
            if isinstance(one, dict)
        ]
        plan = "; ".join(lines)
        if plan != self._plan:
            self._plan = plan
            self._log.line("plan", plan)

    def _count(self, usage: object) -> None:
        if isinstance(usage, dict):
            read = sum(
                count(usage.get(name))
                for name in ("inputTokens", "cachedReadTokens", "cachedWriteTokens")
            )
            self._report.tokens_in = read
            self._report.tokens_out = count(usage.get("outputTokens")) + count(
                usage.get("thoughtTokens")
            )


def _message(content: Message) -> bytes:
    return json.dumps({"jsonrpc": "2.0", **content}).encode()
