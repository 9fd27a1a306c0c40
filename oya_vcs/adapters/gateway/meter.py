"""What an answer of a model used, read from its bytes as they pass: whole or as a stream of events,
in the forms of OpenAI's chat completions and responses and of Anthropic's messages.

What the provider did not say, because the answer was cut off or is of another form, is estimated,
and errs upwards. Pure; must not know where the bytes come from or go to.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import msgspec

from oya_vcs.config import Price

KEPT_MAX = 8 * 2**20
"""Of a whole answer, or of a line of a stream: what is longer is not read. OpenAI's last event
holds the whole answer once more."""
ASKED_BYTES = 4
CAME_BYTES = 16
"""That may be one token: text has three to four, an event of a stream that brings one has 100."""


@dataclass(frozen=True, slots=True)
class Tokens:
    """What a request used: `read` anew, `written`, read from a cache (`cached`) and put into one
    (`stored`)."""

    read: int = 0
    written: int = 0
    cached: int = 0
    stored: int = 0

    @property
    def taken_in(self) -> int:
        """All that the model read."""
        return self.read + self.cached + self.stored

    def cost_micros(self, price: Price) -> int:
        """In millionths of a US dollar, rounded up."""
        cost = (
            self.read * price.read
            + self.written * price.written
            + self.cached * price.cached
            + self.stored * price.stored
        )
        return -(-cost // 1_000_000)

    def most(self, other: Tokens) -> Tokens:
        """The greater of each: a stream says its counts in parts, and some of them twice."""
        return Tokens(
            *(max(getattr(self, one.name), getattr(other, one.name)) for one in fields(Tokens))
        )


class Meter:
    """Reads an answer as it comes. `asked_bytes` is the length of what was asked."""

    def __init__(self, asked_bytes: int, *, streamed: bool) -> None:
        self._asked = asked_bytes
        self._streamed = streamed
        self._came = 0
        self._kept = bytearray()
        self._lost = False
        self._found: Tokens | None = None
        self._ended = False

    def feed(self, chunk: bytes) -> None:
        """The next bytes of the answer."""
        self._came += len(chunk)
        if not self._streamed:
            self._keep(chunk)
            return
        *lines, rest = chunk.split(b"\n")
        for line in lines:
            self._keep(line)
            if not self._lost:
                self._line(bytes(self._kept))
            self._kept, self._lost = bytearray(), False
        self._keep(rest)

    def tokens(self, *, whole: bool) -> Tokens:
        """What was used. `whole` says that the answer came to its end."""
        if not self._streamed and whole and not self._lost:
            self._read(bytes(self._kept))
            self._ended = self._found is not None
        if self._found is not None and whole and self._ended:
            return self._found
        guess = Tokens(read=-(-self._asked // ASKED_BYTES), written=-(-self._came // CAME_BYTES))
        if self._found is None:
            return guess
        written = max(self._found.written, guess.written)
        return self._found.most(Tokens(written=written))

    def _keep(self, piece: bytes) -> None:
        if self._lost or len(self._kept) + len(piece) > KEPT_MAX:
            self._lost = True
            self._kept.clear()
        else:
            self._kept += piece

    def _line(self, line: bytes) -> None:
        if line.startswith(b"data:") and b'"usage"' in line:
            self._read(line[5:])

    def _read(self, text: bytes) -> None:
        try:
            document = msgspec.json.decode(text)
        except msgspec.DecodeError:
            return
        usage = _usage(document)
        if usage is None:
            return
        counted = tokens_of(usage)
        self._found = counted if self._found is None else self._found.most(counted)
        # Anthropic's first event says what was read, and only the last what was written.
        self._ended = self._ended or "message" not in document


def _usage(document: Any) -> Mapping[str, Any] | None:
    """Where the counts stand: at the top, in `response` (OpenAI's events) or in `message`
    (Anthropic's first)."""
    if not isinstance(document, dict):
        return None
    for place in (document, document.get("response"), document.get("message")):
        usage = place.get("usage") if isinstance(place, dict) else None
        if isinstance(usage, dict):
            return usage
    return None


def tokens_of(usage: Mapping[str, Any]) -> Tokens:
    """The counts of a `usage`, whichever of the three forms it has."""
    stored = _count(usage, "cache_creation_input_tokens")
    if stored or "cache_read_input_tokens" in usage:  # Anthropic's: apart from the others
        return Tokens(
            read=_count(usage, "input_tokens"),
            written=_count(usage, "output_tokens"),
            cached=_count(usage, "cache_read_input_tokens"),
            stored=stored,
        )
    read = _count(usage, "input_tokens") or _count(usage, "prompt_tokens")
    details = usage.get("input_tokens_details") or usage.get("prompt_tokens_details")
    cached = min(read, _count(details, "cached_tokens")) if isinstance(details, dict) else 0
    written = _count(usage, "output_tokens") or _count(usage, "completion_tokens")
    return Tokens(read=read - cached, written=written, cached=cached)


def _count(usage: Mapping[str, Any], name: str) -> int:
    found = usage.get(name)
    return found if isinstance(found, int) and not isinstance(found, bool) and found > 0 else 0
