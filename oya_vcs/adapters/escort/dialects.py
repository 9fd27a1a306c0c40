"""The lines that well-known programs print: what they do, in words, and what they used.

Each dialect takes a line and tells the log and the report. What it does not understand goes to the
log as it is: a newer release of a program costs figures, never an attempt. None of it says whether
the work is done; but a program that says that it failed is believed, whatever its status.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

from oya_vcs.adapters.escort.telling import Log, Report, count, micros, short

PLAIN_BYTES_MAX = 65_536
"""Of a line that is passed on as it is."""
Event = dict[str, Any]


class Dialect:
    """What all have in common: a line is a JSON object with a `type`, or it is passed on."""

    def __init__(self, log: Log, report: Report) -> None:
        self.log = log
        self.report = report

    def hear(self, line: bytes) -> None:
        """Take a line."""
        if not line.strip():
            return
        try:
            event = json.loads(line) if line.lstrip()[:1] == b"{" else None
        except (ValueError, RecursionError):
            event = None
        if (
            not isinstance(event, dict)
            or not isinstance(event.get("type"), str)
            or not self.told(event)
        ):
            self.plain(line)

    def plain(self, line: bytes) -> None:
        """A line for people."""
        self.log.raw(line[:PLAIN_BYTES_MAX] + b"\n")

    def told(self, event: Event) -> bool:
        """Tell of an event; False where it is not known."""
        return False

    def count(self, usage: object, *, read: tuple[str, ...], written: tuple[str, ...]) -> None:
        """Add what one answer of the model used."""
        used = usage if isinstance(usage, dict) else {}
        self.report.tokens_in += sum(count(used.get(name)) for name in read)
        self.report.tokens_out += sum(count(used.get(name)) for name in written)


class Codex(Dialect):
    """`codex exec --json`: threads, turns and items. `cached_input_tokens` are part of
    `input_tokens`; no cost is told."""

    def told(self, event: Event) -> bool:
        """Items as they begin and end, and the usage of each turn."""
        kind = event["type"]
        item = event.get("item")
        if kind in {"item.started", "item.completed"} and isinstance(item, dict):
            self._item(item, ended=kind == "item.completed")
        elif kind == "turn.completed":
            self.count(event.get("usage"), read=("input_tokens",), written=("output_tokens",))
        elif kind in {"turn.failed", "error"}:
            error = event.get("error")
            said = error.get("message") if isinstance(error, dict) else event.get("message")
            self.log.line("error", short(said))
            if kind == "turn.failed":
                self.report.fail(f"The agent's turn failed: {short(said)}.")
        elif kind == "thread.started":
            self.log.line("agent", "started")
        else:
            return kind in {"turn.started", "item.updated"}
        return True

    def _item(self, item: Event, *, ended: bool) -> None:
        kind, text = item.get("type"), item.get("text")
        if isinstance(text, str):
            if ended:
                self.log.line("thinks" if kind == "reasoning" else "agent", text)
            return
        changes = item.get("changes")
        files = changes if isinstance(changes, list) else []
        paths = ", ".join(str(one.get("path")) for one in files if isinstance(one, dict))
        what = item.get("command") or item.get("query") or item.get("tool") or paths or ""
        status = item.get("status") or ("completed" if ended else "in_progress")
        self.log.line("tool", short(f"{kind} {what} ({status})"))


class Claude(Dialect):
    """`claude -p --output-format stream-json`: messages with usage, and a result with totals, which
    then count alone."""

    def __init__(self, log: Log, report: Report) -> None:
        super().__init__(log, report)
        self._answer: object = None

    def told(self, event: Event) -> bool:
        """What the assistant says and does; the result."""
        kind = event["type"]
        message = event.get("message")
        if kind == "assistant" and isinstance(message, dict):
            self._assistant(message)
        elif kind == "result":
            self._result(event)
        elif kind == "system":
            self.log.line("agent", short(event.get("subtype", "started")))
        elif kind == "user":
            self.log.line("tool", "answered")
        else:
            return kind in {"stream_event", "rate_limit_event"}
        return True

    _READ = ("input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")

    def _assistant(self, message: Event) -> None:
        content = message.get("content")
        for part in content if isinstance(content, list) else []:
            if not isinstance(part, dict):
                continue
            text = part.get("text") or part.get("thinking")
            if isinstance(text, str):
                self.log.line("thinks" if part.get("type") == "thinking" else "agent", text)
            elif part.get("type") == "tool_use":
                told = json.dumps(part.get("input"), ensure_ascii=False)
                self.log.line("tool", short(f"{part.get('name')} {told}"))
        if message.get("id") is None or message.get("id") != self._answer:
            self._answer = message.get("id")
            self.count(message.get("usage"), read=self._READ, written=("output_tokens",))

    def _result(self, event: Event) -> None:
        if isinstance(event.get("usage"), dict):
            self.report.tokens_in = self.report.tokens_out = 0
            self.count(event["usage"], read=self._READ, written=("output_tokens",))
        self.report.cost_micros = micros(event.get("total_cost_usd"))
        said = event.get("result")
        self.log.line("result", short(said or event.get("subtype", "")))
        if event.get("is_error") is True or str(event.get("subtype", "")).startswith("error"):
            why = said if isinstance(said, str) and said else event.get("subtype")
            self.report.fail(f"The agent says that it failed: {short(why)}.")


class Opencode(Dialect):
    """`opencode run --format json`: parts as they end, each step with its tokens and its cost. It
    exits with 0 after errors."""

    def told(self, event: Event) -> bool:
        """Texts, tools, and what each step used."""
        kind = event["type"]
        found = event.get("part")
        part = found if isinstance(found, dict) else {}
        if kind in {"text", "reasoning"}:
            self.log.line("agent" if kind == "text" else "thinks", str(part.get("text", "")))
        elif kind == "tool_use":
            state = part.get("state")
            state = state if isinstance(state, dict) else {}
            title = state.get("title") or part.get("tool")
            self.log.line("tool", short(f"{part.get('tool')}: {title} ({state.get('status')})"))
        elif kind == "step_finish":
            self._step(part)
        elif kind == "error":
            error = event.get("error")
            data = error.get("data") if isinstance(error, dict) else None
            said = data.get("message") if isinstance(data, dict) else error or event.get("message")
            self.log.line("error", short(said))
            self.report.fail(f"The agent says that it failed: {short(said)}.")
        else:
            return bool(kind == "step_start")
        return True

    def _step(self, part: Event) -> None:
        tokens = part.get("tokens")
        if isinstance(tokens, dict):
            self.count(tokens, read=("input",), written=("output", "reasoning"))
            self.count(tokens.get("cache"), read=("read", "write"), written=())
        self.report.cost_micros += micros(part.get("cost"))
        self.log.line("agent", "ended a step")


class Aider(Dialect):
    """`aider`: text for people, with a line on tokens and cost after each answer. The cost is told
    for the session so far, the tokens for one message."""

    _LINE = re.compile(r"Tokens: (.*?)received\.(?:.*?Cost:.*?\$([\d.]+) session)?")
    _PART = re.compile(r"([\d.,]+)\s*([kM]?) (sent|cache write|cache hit)?")
    _SIZES = {"": 1, "k": 1_000, "M": 1_000_000}  # noqa: RUF012 - a constant

    def hear(self, line: bytes) -> None:
        """Pass the line on, and read what it says of tokens."""
        self.plain(line)
        found = self._LINE.search(line[:PLAIN_BYTES_MAX].decode(errors="replace"))
        if found is None:
            return
        for number, size, what in self._PART.findall(f"{found[1]}"):
            try:
                tokens = count(float(number.replace(",", "")) * self._SIZES[size])
            except ValueError:
                continue
            if what:
                self.report.tokens_in += tokens
            else:
                self.report.tokens_out += tokens
        if found[2]:
            self.report.cost_micros = _dollars(found[2])


def _dollars(text: str) -> int:
    try:
        return micros(float(text.rstrip(".")))
    except ValueError:
        return 0


DIALECTS: dict[str, Callable[[Log, Report], Dialect]] = {
    "codex": Codex,
    "claude": Claude,
    "opencode": Opencode,
    "aider": Aider,
}
"""By the name of the preset."""
