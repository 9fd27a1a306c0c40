"""Takes secrets out of a stream of bytes, however it was cut into chunks.

What could be the beginning of a secret is held back until the bytes behind it decide, at most
`look_bytes`; everything else is passed on at once. The result is that of the whole text in one
piece: a secret is looked for from the left, a known one before a shape, the longest known one
first. Must not know where the text comes from or goes to, or whose the secrets are.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from oya_vcs.adapters.reaper.shapes import PEM, SHAPES, Shape

MARK = b"[redacted]"
SECRET_BYTES_MIN = 6
"""Shorter values are not looked for: `yes` or `8080` would take half of the text with them."""
SECRET_BYTES_MAX = 1_024
"""A longer known secret is looked for in pieces of this length."""
CONTEXT_BYTES = 3
"""How far a shape may look at what stands before it."""
KEY_BYTES_MAX = 32_768
"""A private key is no longer than that: one of 16,384 bits is 13 kB."""
LINE_BYTES = 512
"""Of a private key, as many are judged at once; base64 has 64 or 76 a line."""
MARKER_BYTES = 64
"""More than the line that ends a private key has."""

_KEY_END = rb"-----END [A-Z0-9 ]{0,24}PRIVATE KEY[A-Z ]{0,8}-----"
_KEY_LINE = (
    rb"[A-Za-z0-9+/=]{16}|\b(?:Proc-Type|DEK-Info|Version|Comment|Hash):|[A-Za-z0-9+/]={1,2}\s*\Z"
)
"""What a line of a private key holds, whatever a log writes before it: a row of base64, a header,
or what base64 ends with."""
_KEY_SHORT = rb"\A\W*[A-Za-z0-9+/]*={0,2}\W*\Z"
"""What one of less than SHORT_BYTES may be: a single word, or nothing."""
SHORT_BYTES = 16
_HEADS_BEGUN = tuple(
    sorted(
        {head[:size] for one in SHAPES for head in one.heads for size in range(1, len(head))},
        key=len,
        reverse=True,
    )
)


def literals(secrets: Iterable[str]) -> tuple[bytes, ...]:
    """What to look for, the longest first: each secret, and each line of one that has several."""
    found: set[bytes] = set()
    for secret in secrets:
        whole = secret.encode(errors="surrogateescape").strip()
        for part in (whole, *whole.splitlines()):
            text = part.strip()
            found.update(
                text[at : at + SECRET_BYTES_MAX] for at in range(0, len(text), SECRET_BYTES_MAX)
            )
    kept = (one for one in found if len(one) >= SECRET_BYTES_MIN and one not in MARK)
    return tuple(sorted(kept, key=lambda one: (-len(one), one)))


class Redactor:
    """One stream. `secrets` are what `literals` gives."""

    def __init__(self, secrets: tuple[bytes, ...] = ()) -> None:
        self._known = secrets
        self._found = re.compile(b"|".join(map(re.escape, secrets))) if secrets else None
        firsts = b"".join(re.escape(one[:1]) for one in secrets)
        self._firsts = re.compile(b"[" + firsts + b"]") if secrets else None
        self.look_bytes = max(LINE_BYTES, *map(len, secrets), *(one.bytes_max for one in SHAPES))
        """How many bytes are held back at most."""
        self._text = b""
        self._at = 0
        self._rest: re.Pattern[bytes] | None = None
        self._key = 0
        """How many more bytes a private key may have; 0 outside of one."""

    def feed(self, chunk: bytes) -> bytes:
        """What can be passed on after this chunk."""
        return self._pass_on(chunk, last=False)

    def finish(self) -> bytes:
        """What was held back, after the last chunk. Of a known secret the beginning is one, too."""
        return self._pass_on(b"", last=True)

    def _pass_on(self, chunk: bytes, *, last: bool) -> bytes:
        text = self._text + chunk
        at = self._at
        out: list[bytes] = []
        ahead = _Ahead(text, self._found)
        begun = -1
        while at < len(text):
            if self._key:
                stop = self._key_line(text, at, last=last)
                if stop is None:
                    break
                at = stop
            elif self._rest is not None:
                at = _end(self._rest.match(text, at), at)
                if at < len(text):
                    self._rest = None
            else:
                if begun < at:
                    begun = self._begun(text, at, last=last)
                found, shape = ahead.next(at)
                if found is None or found.start() >= begun:
                    out.append(text[at:begun])
                    at = begun
                    break
                out += (text[at : found.start() if shape is None else found.end(1)], MARK)
                at = found.end()
                self._rest = None if shape is None else shape.rest
                self._key = KEY_BYTES_MAX if shape is PEM else 0
        if last and at < len(text):
            out.append(MARK)
            at = len(text)
        keep = max(0, at - CONTEXT_BYTES)
        self._text, self._at = text[keep:], at - keep
        return b"".join(out)

    def _begun(self, text: bytes, at: int, *, last: bool) -> int:
        """Where the text ends in what may be the beginning of a secret; its length where it does
        not. At the very end only known secrets count."""
        begun = self._known_begun(text, at, SECRET_BYTES_MIN if last else 1)
        if last:
            return begun
        back = max(at, len(text) - self.look_bytes)
        tail = text[back:].lower()
        if tail.endswith(_HEADS_BEGUN):
            size = next(len(head) for head in _HEADS_BEGUN if tail.endswith(head))
            begun = min(begun, len(text) - size)
        for shape in SHAPES:
            if any(head in tail for head in shape.heads):
                found = shape.begun.search(text, back)
                begun = min(begun, len(text) if found is None else found.start())
        return begun

    def _known_begun(self, text: bytes, at: int, least: int) -> int:
        end = len(text)
        if self._firsts is None:
            return end
        back = max(at, end - len(self._known[0]))
        for start in self._firsts.finditer(text, back, max(back, end - least + 1)):
            tail = text[start.start() :]
            if any(len(one) > len(tail) and one.startswith(tail) for one in self._known):
                return start.start()
        return end

    def _key_line(self, text: bytes, at: int, *, last: bool) -> int | None:
        """Where the next line of a private key ends, or the key; None where it is not whole yet."""
        stop = text.find(b"\n", at, at + LINE_BYTES) + 1
        if stop == 0:
            stop = at + LINE_BYTES
            if len(text) < stop and not last:
                return None
            marker = text.find(b"-", stop - MARKER_BYTES, stop)  # the end is not to be cut in two
            stop = stop if marker < 0 else marker
        line = text[at:stop]
        end = re.search(_KEY_END, line)
        short = len(line.strip()) < SHORT_BYTES and re.search(_KEY_SHORT, line)
        if end is None and (short or re.search(_KEY_LINE, line)):
            self._key = max(0, self._key - len(line))
            return at + len(line)
        self._key = 0
        return at + _end(end, 0)


class _Ahead:
    """The next secret of one text, from any place on. Looks for each kind only once as far as it
    needs to."""

    def __init__(self, text: bytes, known: re.Pattern[bytes] | None) -> None:
        self._text = text
        small = text.lower()
        able = [(one.found, one) for one in SHAPES if any(head in small for head in one.heads)]
        kinds: list[tuple[re.Pattern[bytes], Shape | None]] = [*able]
        self._kinds = kinds if known is None else [(known, None), *kinds]
        self._next: dict[int, re.Match[bytes] | None] = {}

    def next(self, at: int) -> tuple[re.Match[bytes] | None, Shape | None]:
        """The first from `at` on, and its shape (None: a known one); no match where there is
        none."""
        first: tuple[re.Match[bytes] | None, Shape | None] = (None, None)
        for number, (pattern, shape) in enumerate(self._kinds):
            match = self._next.get(number)
            if number not in self._next or (match is not None and match.start() < at):
                match = self._next[number] = pattern.search(self._text, at)
            if match is not None and (first[0] is None or match.start() < first[0].start()):
                first = (match, shape)
        return first


def _end(match: re.Match[bytes] | None, otherwise: int) -> int:
    return otherwise if match is None else match.end()


def redact(text: str, secrets: tuple[bytes, ...] = ()) -> str:
    """The text without secrets; `secrets` as `literals` gives them."""
    redactor = Redactor(secrets)
    data = redactor.feed(text.encode(errors="surrogateescape")) + redactor.finish()
    return data.decode(errors="surrogateescape")
