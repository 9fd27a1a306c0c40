"""What is made of what an opencode server tells of one session, and what it is asked.

Events say that something may have happened; what has happened is read from the server. Pure: no
request is made here. (opencode 1.18, `GET /doc`.)
"""

from __future__ import annotations

from typing import Any

from oya_vcs.adapters.escort.permits import ALL
from oya_vcs.adapters.escort.telling import Log, Report, count, micros, short

Message = dict[str, Any]

ALWAYS = ("read", "list", "glob", "grep", "edit", "todowrite", "todoread", "lsp")
"""What working on files takes; `edit` is every way to change one. Outside of the workspace neither
is allowed (`external_directory`)."""
ASKED = {
    "execute": ("bash",),
    "fetch": ("webfetch", "websearch", "codesearch"),
    "other": ("task", "skill"),
}
"""What else a word of `[worker] permissions` allows."""
RETRIES_MAX = 8
"""How often a server may ask its model again; it would go on for ever."""
SESSIONS_MAX = 200
"""Sessions of helpers of the agent that are watched."""
REFUSED = "This is not allowed here, and nobody can be asked. Go on without it."


def rules(allowed: list[str]) -> list[dict[str, str]]:
    """The permissions of a session: what nobody allowed is denied, before anybody is asked."""
    if ALL in allowed:
        return [{"permission": "*", "pattern": "*", "action": "allow"}]
    names = [*ALWAYS, *(name for word in allowed for name in ASKED.get(word, ()))]
    return [
        {"permission": "*", "pattern": "*", "action": "deny"},
        *({"permission": name, "pattern": "*", "action": "allow"} for name in names),
    ]


class Session:
    """One session: what is told of it, and whether it has come to its end."""

    def __init__(self, number: str, log: Log, report: Report) -> None:
        self.number = number
        self.at_rest = False
        """An event said that nothing is being done. Others say so, too, after every error."""
        self.gave_up = ""
        """Why nothing more is to be expected; empty as long as there is."""
        self._sessions = {number}
        self._log = log
        self._report = report
        self._tools: dict[str, str] = {}
        self._used: dict[str, tuple[int, int, int]] = {}

    def hear(self, event: object) -> list[tuple[str, Message]]:
        """What to send in answer to an event: paths, and bodies to post there."""
        kind, said = _event(event)
        if kind == "session.created":
            self._adopt(said.get("info"))
        if said.get("sessionID") not in self._sessions:
            return []
        if kind == "message.part.delta" and said.get("field") == "text":
            self._log.stream("agent", str(said.get("delta", "")))
        elif kind == "message.part.updated":
            self._part(said.get("part"))
        elif kind == "message.updated":
            self._count(said.get("info"))
        elif kind == "permission.asked":
            return [self.refuse(said)]
        elif kind == "question.asked":
            self._log.line("refused", "a question to its user")
            return [(f"/question/{said.get('id')}/reject", {})]
        elif said.get("sessionID") == self.number:
            self._state(kind, said)
        return []

    def refuse(self, asked: Message) -> tuple[str, Message]:
        """What to send when the agent asks for leave: all that it may have, it has already."""
        what = short(f"{asked.get('permission')} {asked.get('patterns') or ''}")
        self._report.refuse(what)
        self._log.line("refused", f"{what}: [worker] permissions does not allow it")
        return f"/permission/{asked.get('id')}/reply", {"reply": "reject", "message": REFUSED}

    def concerns(self, asked: object) -> bool:
        """Whether a permission or a question is asked by this session or a helper of its agent."""
        return isinstance(asked, dict) and asked.get("sessionID") in self._sessions

    def look(self, statuses: object, messages: object) -> bool:
        """Whether it has come to its end, by what the server says when it is asked: nothing is
        being done, and the last thing said is the agent's. What went wrong is reported."""
        status = statuses.get(self.number) if isinstance(statuses, dict) else None
        if isinstance(status, dict) and status.get("type") != "idle":
            self._state("session.status", {"status": status})
            return False
        last: Message = {}
        for one in messages if isinstance(messages, list) else []:
            info = one.get("info") if isinstance(one, dict) else None
            if isinstance(info, dict):
                self._count(info)
                last = info
        if last.get("role") != "assistant":
            return False  # it has not begun
        said = last.get("time")
        ended = isinstance(said, dict) and bool(said.get("completed"))
        error = last.get("error")
        if error:
            self._report.fail(f"The agent did not finish: {_words(error)}.")
        elif not ended or last.get("finish") in {None, "tool-calls", "unknown"}:
            self._report.fail("The agent stopped in the middle of its work.")
        elif last.get("finish") != "stop":
            self._report.fail(f"The agent did not finish: {short(last.get('finish'))}.")
        self._log.line("escort", "the session is at rest")
        return True

    def _adopt(self, info: object) -> None:
        ours = isinstance(info, dict) and info.get("parentID") in self._sessions
        if isinstance(info, dict) and ours and len(self._sessions) < SESSIONS_MAX:
            self._sessions.add(str(info.get("id")))

    def _state(self, kind: str, said: Message) -> None:
        status = said.get("status")
        status = status if isinstance(status, dict) else {}
        if kind == "session.idle" or status.get("type") == "idle":
            self.at_rest = True
        elif kind == "session.error":
            self._log.line("error", _words(said.get("error")))
            self.at_rest = True
        elif status.get("type") == "busy":
            self.at_rest = False
        elif status.get("type") == "retry":
            self._log.line("retry", f"{status.get('attempt')}: {short(status.get('message'))}")
            if count(status.get("attempt")) > RETRIES_MAX:
                self.gave_up = f"The model does not answer: {short(status.get('message'))}."

    def _part(self, part: object) -> None:
        if not isinstance(part, dict) or part.get("type") != "tool":
            return
        state = part.get("state")
        state = state if isinstance(state, dict) else {}
        status, name = str(state.get("status")), short(part.get("tool"))
        told = short(state.get("title") or state.get("error") or "")
        line = f"{name} ({status})" + (f": {told}" if told else "")
        if self._tools.get(str(part.get("callID"))) != line and status != "pending":
            if len(self._tools) >= SESSIONS_MAX:
                self._tools.clear()
            self._tools[str(part.get("callID"))] = line
            self._log.line("tool", line)

    def _count(self, info: object) -> None:
        if not isinstance(info, dict) or info.get("role") != "assistant":
            return
        tokens = info.get("tokens")
        tokens = tokens if isinstance(tokens, dict) else {}
        cache = tokens.get("cache")
        cache = cache if isinstance(cache, dict) else {}
        read = sum(map(count, (tokens.get("input"), cache.get("read"), cache.get("write"))))
        written = count(tokens.get("output")) + count(tokens.get("reasoning"))
        self._used[str(info.get("id"))] = read, written, micros(info.get("cost"))
        reads, writes, costs = zip(*self._used.values(), strict=True)
        report = self._report
        report.tokens_in, report.tokens_out = sum(reads), sum(writes)
        report.cost_micros = sum(costs)


def _event(event: object) -> tuple[str, Message]:
    """Its kind and what it says; nothing where it is no event."""
    if not isinstance(event, dict) or not isinstance(event.get("properties"), dict):
        return "", {}
    return str(event.get("type")), event["properties"]


def _words(error: object) -> str:
    if not isinstance(error, dict):
        return short(error)
    data = error.get("data")
    said = data.get("message") if isinstance(data, dict) else None
    return short(f"{error.get('name')}: {said}" if said else error.get("name"))
