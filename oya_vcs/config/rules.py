"""What a value may be, and how a message says that one may not. Knows no section and no key."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

INTEGER_MAX = 2**53 - 1
"""The largest whole number that every JSON reader keeps exact (RFC 8259, 6)."""

TOOL_KINDS = (
    *("read", "edit", "delete", "move", "search"),
    *("execute", "think", "fetch", "switch_mode", "other", "all"),
)
"""What an agent may ask leave for (ACP v1, ToolKind); `all` stands for each of them."""

Rule = Callable[[Any], str]
"""What is wrong with a value of the right type, to be read after "section.key "; empty for
nothing."""


def between(low: int, high: int = INTEGER_MAX) -> dict[str, Rule]:
    """A number's limits, both included."""
    most = f"to {high}" if high < INTEGER_MAX else "upwards"
    return {"rule": lambda v: "" if low <= v <= high else f"must be from {low} {most}, and is {v}"}


def one_of(*known: str) -> dict[str, Rule]:
    """The words a key may be."""
    return {
        "rule": lambda v: (
            "" if v in known else f"must be {words(known)}, and is {shown(v)}{meant(v, known)}"
        )
    }


def like(pattern: str, what: str) -> dict[str, Rule]:
    """The form of a text. Compiled when it is first asked for: importing this module is cheap."""
    return {
        "rule": lambda v: "" if re.fullmatch(pattern, v) else f"must be {what}, and is {shown(v)}"
    }


def address(value: str) -> str:
    """Where to listen: a name or number and a port, IPv6 in brackets; empty for nowhere."""
    form = re.fullmatch(r"(?:\[[\da-fA-F:.]+\]|[^\s:\[\]]+):(\d{1,5})", value, re.ASCII)
    if not value or (form and int(form[1]) < 2**16):
        return ""
    what = "an address and a port, as 127.0.0.1:7420, or empty for none"
    return f"must be {what}, and is {shown(value)}"


def argv(value: tuple[str, ...]) -> str:
    """A command: empty for none, else a program and its arguments."""
    if value and not value[0].strip():
        return "must begin with a program, and begins with an empty text"
    return "must not hold a NUL character" if any("\0" in part for part in value) else ""


def variables(value: tuple[str, ...]) -> str:
    """Names of environment variables that may be passed on: none of ours, which may be secrets."""
    for name in value:
        if not re.fullmatch(r"[A-Za-z_]\w*", name, re.ASCII):
            return f"must hold names of environment variables, and holds {shown(name)}"
        if name.startswith("OYA_"):
            return f"must not hold {name}: variables of oya-vcs are set by it or meant for it alone"
    return ""


def permissions(value: tuple[str, ...]) -> str:
    """Kinds of tools, as the Agent Client Protocol names them, or `all`."""
    wrong = next((one for one in value if one not in TOOL_KINDS), None)
    known = words(TOOL_KINDS)
    return "" if wrong is None else f"must hold {known}, and holds {shown(wrong)}"


def servers(value: tuple[str, ...]) -> str:
    """Addresses to which a password may go: in the clear on this machine only."""
    form = r"https://[^\s?#@]+|http://(localhost|127\.0\.0\.1|\[::1\])(:\d+)?/?"
    wrong = next((one for one in value if re.fullmatch(form, one, re.ASCII) is None), None)
    what = "must hold addresses such as http://127.0.0.1:4096, or https"
    return "" if wrong is None else f"{what}, and holds {shown(wrong)}"


def places(value: tuple[str, ...]) -> str:
    """Absolute paths, or paths from the home folder."""
    for path in value:
        plain = path.startswith(("/", "~/")) and not {"..", "\0"} & {*path.split("/"), *path}
        if not plain or not path.strip("/~"):
            return f"must hold paths that begin with / or ~/, and holds {shown(path)}"
    return ""


def spans(value: tuple[str, ...]) -> str:
    """Weekly times."""
    from oya_vcs.core.merge.gates import SPAN  # noqa: PLC0415 - only where there are any

    wrong = next((one for one in value if re.fullmatch(SPAN, one) is None), None)
    example = '"Fri 16:00 - Mon 08:00"'
    return "" if wrong is None else f"must be times such as {example}, and has {shown(wrong)}"


def texts(value: tuple[str, ...]) -> str:
    """Words that something is known by: an empty one would be everything."""
    return "" if all(one.strip() for one in value) else "must hold no empty text, and holds one"


def inside(value: tuple[str, ...]) -> str:
    """Paths from the root of a repository that do not lead out of it."""
    for path in value:
        if not path.strip() or path.startswith("/") or ".." in path.split("/") or "\0" in path:
            return f"must hold paths within the repository, and holds {shown(path)}"
    return ""


def meant(word: str, known: Sequence[str]) -> str:
    """`; did you mean x?` where the word resembles a known one."""
    import difflib  # noqa: PLC0415 - only for an error

    close = difflib.get_close_matches(word, known, n=1)
    return f"; did you mean {close[0]}?" if close else ""


def words(words: Sequence[str]) -> str:
    """`a, b or c`."""
    return ", ".join(words[:-1]) + " or " * (len(words) > 1) + words[-1]


def shown(value: object) -> str:
    """A value in a message, shortened."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
