"""What an escort is asked to do: a JSON file beside the run. Must not know how it is done."""

from __future__ import annotations

import json


class Errand:
    """One attempt. `tongue` is "acp", "opencode-server" or one of the dialects; `prompt` is the
    file with what is asked, `feed` one that becomes the agent's standard input (empty: it has none,
    or the conversation is held on it); `report` is what is written; `session` a conversation to
    take up again, where that is possible; `allowed` the kinds of tools that the agent may use when
    it asks; `bytes_max` is how much the agent may say. `urls` are servers that run (empty: the
    program is one), `model` and `agent` what a session is to have (empty: the server's own)."""

    def __init__(
        self,
        *,
        tongue: str,
        cwd: str,
        prompt: str,
        report: str,
        feed: str = "",
        session: str = "",
        allowed: list[str] | None = None,
        bytes_max: int = 50_000_000,
        urls: list[str] | None = None,
        model: str = "",
        agent: str = "",
    ) -> None:
        self.tongue = tongue
        self.cwd = cwd
        self.prompt = prompt
        self.report = report
        self.feed = feed
        self.session = session
        self.allowed = allowed or []
        self.bytes_max = bytes_max
        self.urls = urls or []
        self.model = model
        self.agent = agent


def read_errand(path: str) -> Errand:
    """The errand in a file. Raises OSError and ValueError where it is none."""
    with open(path, encoding="utf-8") as file:  # noqa: PTH123 - pathlib costs 5 ms
        return Errand(**json.load(file))
