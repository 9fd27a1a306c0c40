"""Who may change something: whoever has the home's token, and a browser that was let in by a link.

The link (`/#code=...`) is printed by a command that can read the home. Its code is good once and
for a few minutes, and stands in the fragment, which no browser sends to a server: no log and no
other page ever sees it. The page gives it back by POST and gets a pass: its own, not the token,
which outlives the daemon and ends by itself. It goes into the header of each request by hand, never
into a cookie: those of one loopback port are sent to every other.

Pure but for randomness; knows no HTTP and no file.
"""

from __future__ import annotations

import hmac
import secrets
from collections import OrderedDict
from collections.abc import Callable
from hashlib import sha256

CODE_MS_MAX = 600_000
"""How long a link is good: long enough to find the browser."""
PASS_MS_MAX = 30 * 24 * 3_600_000
"""How long a browser that was let in may act without another link."""
CODES_MAX = 100
"""Links that are good at once; the oldest goes first."""


class Sessions:
    """`token` is the home's (never empty), `now_ms` a clock (Unix time). A new token ends every
    pass."""

    def __init__(self, token: str, now_ms: Callable[[], int]) -> None:
        self._token = token.encode()
        self._now_ms = now_ms
        self._codes: OrderedDict[str, int] = OrderedDict()

    def invite(self) -> str:
        """A code for one link."""
        code = secrets.token_urlsafe(24)
        self._codes[code] = self._now_ms() + CODE_MS_MAX
        while len(self._codes) > CODES_MAX:
            self._codes.popitem(last=False)
        return code

    def enter(self, code: str) -> str | None:
        """A pass for the code, which is used up by this; None where it is not, or no more, good."""
        until_ms = self._codes.pop(code, 0)
        if until_ms <= self._now_ms():
            return None
        said = f"{self._now_ms() + PASS_MS_MAX}.{secrets.token_urlsafe(12)}"
        return f"{said}.{self._mark(said)}"

    def lets(self, bearer: str) -> bool:
        """Whether this is the token, or a pass that is still good. Takes as long for every wrong
        one."""
        if hmac.compare_digest(bearer.encode(errors="replace"), self._token):
            return True
        said, _, mark = bearer.rpartition(".")
        if not hmac.compare_digest(mark.encode(errors="replace"), self._mark(said).encode()):
            return False
        until = said.partition(".")[0]
        return until.isascii() and until.isdigit() and int(until) > self._now_ms()

    def _mark(self, said: str) -> str:
        return hmac.new(self._token, b"pass:" + said.encode(errors="replace"), sha256).hexdigest()
