"""Text that came from a change request, made harmless before it becomes a commit message.

Whoever writes a title or a message may not skip checks, notify people, close issues, or speak in
our trailers with it (MERGE_QUEUE.md, "Commit messages"). The words stay readable. Pure text: knows
nothing of changes, beads or forges.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

TEXT_MAX = 65_536
"""Characters that are kept of one text: GitHub's own bound for a body."""

_SKIP = re.compile(
    r"\[\s*((?:skip|no)[\s_-][\w.\s-]{0,40}|[\w.-]{1,40}[\s_-]{1,8}skip)\s*\]"
    r"|\*{3}\s*(NO_CI)\s*\*{3}",
    re.IGNORECASE,
)
"""`[skip ci]`, `[ci skip]`, `[no ci]`, `[skip actions]`, `[skip-ci]`, and what other services made
of it: anything in brackets that begins or ends with the word. And Azure's `***NO_CI***`."""
_MENTION = re.compile(r"(?<![A-Za-z0-9])@(?=[A-Za-z0-9_])")
"""Not within a word, where it is part of an address."""
_CLOSES = re.compile(
    r"\b((?:clos|fix|resolv|implement)(?:e|es|ed|d|s|ing)?)(:?\s+)"
    r"(?=(?:issues?\s+)?(?:[\w./-]*#\d|GH-\d|https?://|[A-Z][A-Z0-9_]+-\d))",
    re.IGNORECASE,
)
"""The words by which GitHub and GitLab close issues, before something that names one."""
_TRAILER = re.compile(
    r"^([ \t]*)(oya-[\w-]*|(?:skip|request)-checks|change-id|on-behalf-of|[\w-]+-by)[ \t]*:",
    re.IGNORECASE | re.MULTILINE,
)
_ATTRIBUTION = re.compile(r"[\w-]+-by", re.IGNORECASE)
_PLAIN = re.compile(rf"(?:[A-Za-z0-9 ,.;?!'\"()/_+=]|-(?![-0-9])){{0,{TEXT_MAX}}}")
"""Text in which nothing of all that can stand: no bracket, colon, `@`, `#` or `*`, and no hyphen
where a comment, a divider or an issue of another tracker might be. Most titles are like that."""
_DIVIDER = re.compile(r"^---", re.MULTILINE)
"""Where git, told nothing else, lets a patch begin and the message end."""


def neutral(text: str, *, attribution: bool = False) -> str:
    """The text without control characters, HTML comments, skipped checks, mentions, closed issues
    and trailers that mean something to us or to a forge; lines end in a line feed.

    Doing it again changes nothing. `attribution` leaves `Co-authored-by:` and its like, which are
    the author's to give in a commit of their own.
    """
    return text if _PLAIN.fullmatch(text) else _disarmed(text, attribution=attribution)


def _disarmed(text: str, *, attribution: bool) -> str:
    text = _printable(text.replace("\r\n", "\n").replace("\r", "\n"))[:TEXT_MAX]
    text = _uncommented(text).replace("<!--", "<! --").replace("-->", "- ->")
    text = _SKIP.sub(lambda found: f"({(found[1] or found[2]).strip()})", text)
    text = _MENTION.sub("@ ", text)
    text = _CLOSES.sub(r"\1 - ", text)

    def trailer(found: re.Match[str]) -> str:
        kept = attribution and _ATTRIBUTION.fullmatch(found[2])
        return found[0] if kept else f"{found[1]}{found[2]} -"

    return _DIVIDER.sub("- --", _TRAILER.sub(trailer, text))[:TEXT_MAX]


def _printable(text: str) -> str:
    """Everything else is a space: what cannot be seen must not tell words apart."""
    return "".join(one if one.isprintable() or one in "\n\t" else " " for one in text)


def _uncommented(text: str) -> str:
    """Without what stands in HTML comments; one that is not closed is left."""
    kept, at = [], 0
    while (opens := text.find("<!--", at)) >= 0 and (ends := text.find("-->", opens + 4)) >= 0:
        kept.append(text[at:opens])
        at = ends + 3
    return "".join([*kept, text[at:]])


def rebased_message(message: str, trailers: str) -> str:
    """The message of a commit that is put on a new base: its own, made harmless, with `trailers` of
    ours (lines, or nothing) in place of those that it says are ours."""
    ours = trailers_of(message)
    body = message.rstrip("\n").removesuffix(ours.rstrip("\n"))
    return _with(trailers, neutral(body, attribution=True).strip() or "(no message)")


def squashed_message(message: str, authors: Iterable[str]) -> str:
    """Our message with a trailer for each further author (`Name <e-mail>`) of what was squashed."""
    return _with("".join(f"Co-authored-by: {one}\n" for one in authors), message.rstrip("\n"))


def trailers_of(message: str) -> str:
    """The lines of the last paragraph, where all of them are trailers with our prefix; else
    nothing."""
    _, _, last = message.rstrip("\n").rpartition("\n\n")
    ours = all(re.match(r"Oya-[A-Za-z-]+: ", line) for line in last.split("\n"))
    return f"{last}\n" if ours else ""


def _with(trailers: str, message: str) -> str:
    """Trailers belong to the last paragraph, or are one."""
    if not trailers:
        return f"{message}\n"
    _, apart, last = message.rpartition("\n\n")
    joins = apart and all(re.match(r"[\w-]+: ", line) for line in last.split("\n"))
    return f"{message}\n{'' if joins else chr(10)}{trailers}"
