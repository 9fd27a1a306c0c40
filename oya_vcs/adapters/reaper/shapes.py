"""What the tokens of well-known issuers look like, so that they are found without being known.

A shape begins with one of its heads, as it stands, and goes on with elements: kinds of bytes, and
how many of them. From that come the expression that finds it and the one that finds its beginning
at the end of what was read so far. The last element has one length: behind it a shape is certain,
and what is of its `rest` goes with it, however long. Must not know what is done with what is found.

Sources: GitHub, "token formats" and the longer installation tokens of 2026; AWS IAM, "unique
identifiers"; Slack, "token types"; RFC 7519 (JWT), RFC 7468 (PEM), RFC 3986 3.2.1 (user
information), RFC 9110 11.6.2 (Authorization).
"""

from __future__ import annotations

import re
from functools import cached_property

Element = tuple[str, int, int]
"""The class of a regular expression, and the least and most of its bytes in a row."""

ALNUM = "A-Za-z0-9"
TOKEN = f"{ALNUM}_.-"
URLSAFE = f"{ALNUM}_-"
BASE64 = f"{ALNUM}+/="
USER = "^\\s/@\"'<>"
"""What user information in a URL is made of: all but blanks, quotes and what ends it."""
APART = rf"(?:(?<![{ALNUM}])|(?<=\\[nrt])|(?<=%[0-9A-Fa-f]{{2}}))"
"""No letter stands before it, but one that belongs to an escaped character."""


def run(kind: str, least: int, most: int = 0) -> Element:
    """So many bytes of a kind; exactly `least` without `most`."""
    return f"[{kind}]", least, most or least


QUOTES = run("\"'\\\\", 0, 4)
"""A quote, also one that is escaped in JSON."""
BLANKS = run(" \\t", 0, 4)
ASSIGNED = (QUOTES, BLANKS, run(":=", 1), BLANKS, QUOTES)


class Shape:
    """`heads` and `elements` before number `shown` are no secret and kept; -1 hides all. `rest`
    are the bytes that go with it; `after` is what has to follow it."""

    def __init__(
        self,
        *heads: str,
        elements: tuple[Element, ...],
        rest: str = "",
        shown: int = -1,
        apart: bool = False,
        any_case: bool = False,
        after: str = "",
    ) -> None:
        self.heads = tuple(head.lower().encode() for head in heads)
        """In small letters: what the text in small letters holds where this shape can be."""
        self.bytes_max = max(map(len, heads)) + sum(most for _, _, most in elements) + len(after)
        """How much has to be seen until it is certain, at most."""
        self._rest = rest
        start = "|".join(map(re.escape, heads))
        start = (APART if apart else "") + (f"(?i:{start})" if any_case else f"(?:{start})")
        rows = [f"{kind}{{{least},{most}}}" for kind, least, most in elements]
        before = start + "".join(rows[:shown]) if shown >= 0 else ""
        behind = "".join(rows[shown:]) if shown >= 0 else start + "".join(rows)
        self._found = f"({before}){behind}(?={after})" if after else f"({before}){behind}"
        kind, least, most = elements[-1]
        tail = rf"{kind}{{0,{most if after else least - 1}}}\Z"
        for kind, least, most in reversed(elements[:-1]):
            tail = rf"(?:{kind}{{0,{most}}}\Z|{kind}{{{least},{most}}}{tail})"
        self._begun = start + tail

    @cached_property
    def rest(self) -> re.Pattern[bytes] | None:
        """What goes with it, as long as it goes on; None for nothing."""
        return re.compile(f"[{self._rest}]*".encode()) if self._rest else None

    @cached_property
    def found(self) -> re.Pattern[bytes]:
        """Finds it; its first group is what is kept. Compiled when a head is met."""
        return re.compile(self._found.encode())

    @cached_property
    def begun(self) -> re.Pattern[bytes]:
        """Finds a head with what may become a shape behind it, up to the end."""
        return re.compile(self._begun.encode())


PEM = Shape(
    "-----BEGIN ",
    elements=(
        run("A-Z0-9 ", 0, 24),
        *(run(letter, 1) for letter in "PRIVATE KEY"),
        run("A-Z ", 0, 8),
        run("-", 5),
    ),
)
"""The line that begins a private key; its body has a form of its own."""

SHAPES: tuple[Shape, ...] = (
    PEM,
    Shape(
        *(f"gh{kind}_" for kind in "pousr"),
        elements=(run("0-9", 0, 20), run("_", 0, 1), run(ALNUM, 16)),
        rest=TOKEN,
    ),
    Shape("github_pat_", elements=(run(f"{ALNUM}_", 16),), rest=f"{ALNUM}_"),
    Shape("glpat-", elements=(run(URLSAFE, 16),), rest=TOKEN),
    Shape("AKIA", "ASIA", "ABIA", "ACCA", elements=(run("A-Z0-9", 16),), rest="A-Z0-9"),
    Shape(
        *("secret_access_key", "secretaccesskey"),
        elements=(*ASSIGNED, run(f"{ALNUM}/+", 30)),
        shown=len(ASSIGNED),
        rest=BASE64,
        any_case=True,
    ),
    Shape(
        *(f"xox{kind}-" for kind in ("a", "b", "c", "e", "o", "p", "r", "s", "e.xoxp", "e.xoxb")),
        *("xapp-",),
        elements=(run(f"{ALNUM}-", 10),),
        rest=TOKEN,
    ),
    Shape(
        "hooks.slack.com/services/",
        elements=(run(f"{ALNUM}/", 8),),
        shown=0,
        rest=f"{ALNUM}/_-",
    ),
    Shape("sk-", elements=(run(ALNUM, 20),), rest=URLSAFE, apart=True),
    Shape(
        *(f"sk-{kind}-" for kind in ("ant", "proj", "svcacct", "admin", "or")),
        elements=(run(URLSAFE, 10),),
        rest=URLSAFE,
        apart=True,
    ),
    Shape(
        *("sk_live_", "sk_test_", "rk_live_", "rk_test_"),
        elements=(run(ALNUM, 16),),
        rest=ALNUM,
    ),
    Shape("AIza", elements=(run(URLSAFE, 35),), rest=URLSAFE, apart=True),
    Shape("npm_", elements=(run(ALNUM, 30),), rest=ALNUM, apart=True),
    Shape(
        "eyJ",
        elements=(
            run(URLSAFE, 6, 800),
            run(".", 1),
            *(run(one, 1) for one in "eyJ"),
            run(URLSAFE, 6),
        ),
        rest=TOKEN,
    ),
    Shape(
        "authorization",
        elements=(*ASSIGNED, run("A-Za-z", 1, 12), run(" \\t", 1, 4), run(f"{TOKEN}~+/=", 8)),
        shown=len(ASSIGNED) + 2,
        rest=f"{BASE64}_.~-",
        any_case=True,
    ),
    Shape(
        "://",
        elements=(run(f"{USER}:", 0, 256), run(":", 1), run(USER, 1, 512)),
        shown=2,
        after="@",
    ),
)
"""The order decides where two begin at the same place."""
