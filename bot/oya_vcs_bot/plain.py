"""What of a comment's Markdown is plain text, line by line: the only place where a command counts.

Code, quotes, links, headings, tables, struck-out words and what HTML puts into such things are no
place for one: people quote commands, show them, and take them back. What stands within a line is
kept readable all the same (a note may name a file in code), but joined into one word in which no
prefix can begin. Knows nothing of commands; the words come out, whoever reads them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from markdown_it import MarkdownIt
from markdown_it.token import Token

from oya_vcs.core.commands import JOINED
from oya_vcs.core.neutral import TEXT_MAX

_READER = MarkdownIt("commonmark").enable(["table", "strikethrough"])
"""Markdown as GitHub reads it, as far as it decides what is text."""

_CLOSED_BLOCKS = frozenset({"blockquote", "heading", "table"})
_MARKS = {"link_open": "[", "link_close": "]", "s_open": "~~", "s_close": "~~"}
_CLOSED_TAGS = frozenset(
    {"a", "blockquote", "code", "del", "kbd", "pre", "s", "samp", "script", "strike", "style"}
    | {"table", "tt", "h1", "h2", "h3", "h4", "h5", "h6"}
)
"""HTML elements that are like the Markdown that is no place for a command."""
_TAG = re.compile(
    r"""<!--.*?(?:-->|\Z)|<(?P<end>/?)(?P<name>[a-z][a-z0-9]*)"""
    r"""(?:[^"'<>]|"[^"]*"|'[^']*'){0,500}>""",
    re.IGNORECASE | re.DOTALL,
)
"""A comment or a tag, with so many pieces of attributes that looking for one ends soon."""


def plain(markdown: str) -> str:
    """The lines of plain text, parted by line feeds, with visible characters only.

    What is longer than GitHub lets a comment be says nothing. Never raises.
    """
    if len(markdown) > TEXT_MAX:
        return ""
    text = markdown.replace("\r\n", "\n")
    if _PLAIN_ALREADY.fullmatch(text):
        return "\n".join(filter(None, map(str.rstrip, text.split("\n"))))
    return parsed(text)


def parsed(markdown: str) -> str:
    """The same by way of the parser, which takes ten times as long."""
    return "\n".join(_blocks(_READER.parse(_visible(markdown))))


_PLAIN_ALREADY = re.compile(r"(?:(?:[A-Za-z@][A-Za-z0-9 @,.:;=?!'\"/()+^%$#-]*)?(?:\n|\Z))*")
"""Nothing but lines in which no character has a meaning in Markdown, which is what most comments
that speak to us are: no mark of code, emphasis, links, tables or HTML anywhere, and at the start of
a line a letter, so that it is no list, heading, quote or rule, and underlines nothing."""

_UNUSUAL = re.compile(r"[^\n -~]")


def _visible(text: str) -> str:
    """What cannot be seen must not hide in a word, nor part words in a way of its own."""
    return _UNUSUAL.sub(_as_seen, text.replace("\r\n", "\n").replace("\r", "\n"))


def _as_seen(found: re.Match[str]) -> str:
    one = found[0]
    return one if one == "\t" or one.isprintable() else " " if one.isspace() else "\ufffd"


def _seen(text: str) -> str:
    """The same of text that entities stood for: they begin no line."""
    return _UNUSUAL.sub(_as_seen, text).replace("\n", " ")


def _blocks(tokens: Sequence[Token]) -> Iterator[str]:
    """The text of each block that may hold one."""
    closed, open_tags = 0, list[str]()
    for token in tokens:
        kind = token.type.rpartition("_")[0]
        if kind in _CLOSED_BLOCKS:
            closed += token.nesting
        elif token.type == "html_block":
            _follow(token.content, open_tags)
        elif token.type == "inline":
            hidden = closed or open_tags
            text = _line(token.children or (), open_tags)
            if not hidden:
                yield text


def _line(children: Sequence[Token], open_tags: list[str]) -> str:
    """The text of one block; `open_tags` are the closed elements that stand open, and goes on to
    the next block."""
    pieces: list[str] = []
    closed = 0
    for child in children:
        if child.type in _MARKS:
            closed += child.nesting
            pieces.append(_MARKS[child.type])
        elif child.type == "html_inline":
            before = len(open_tags)
            _follow(child.content, open_tags)
            if len(open_tags) != before:
                pieces.append(JOINED)
            elif child.content.lower().startswith("<br"):
                pieces.append("\n")
        else:
            pieces.append(_piece(child, closed=bool(closed or open_tags)))
    return "".join(pieces)


def _piece(child: Token, *, closed: bool) -> str:
    match child.type:
        case "code_inline":
            return f"`{_joined(child.content)}`"
        case "image":
            return f"[{_joined(child.content)}]"
        case "softbreak" | "hardbreak":
            return JOINED if closed else "\n"
        case _:
            return _joined(child.content) if closed else _seen(child.content)


def _joined(text: str) -> str:
    return re.sub(r"\s", JOINED, text)


def _follow(html: str, open_tags: list[str]) -> None:
    """Note which closed elements a piece of HTML opens and ends."""
    for found in _TAG.finditer(html):
        name = (found["name"] or "").lower()
        if name not in _CLOSED_TAGS:
            continue
        if not found["end"]:
            open_tags.append(name)
        elif name in open_tags:
            open_tags.remove(name)
