"""What holds of every comment: how it is read, and how what it says is said back."""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from oya_vcs.config import templates_folder
from oya_vcs.core.commands import COMMANDS_MAX, PRIORITY_MAX, Speech, Verb, listen
from oya_vcs_bot.plain import parsed, plain
from oya_vcs_bot.replies import Safe, block, code, login, replies, text

PIECES = st.sampled_from(
    [
        *("@oya", "@oya ", "@OYA:", "r+", "r-", "r=", "p=", "p=1", '"', "=", " ", "\n", "\r\n"),
        *("try", "cancel", "treeclosed=1", "rework", "delegate=ann", "help", "nonsense"),
        *("`", "```", "~~~", "~~", "> ", "# ", "- ", "1. ", "    ", "\t", "|", "---", "==="),
        *("[", "](x)", "![", "]", "<", ">", "<!--", "-->", "<b>", "<code>", "</code>", "<pre>"),
        *("<blockquote>", "</blockquote>", "<br>", "*", "_", "\\", "&#10;", "&#64;oya", "&"),
        *("\x00", "\u200b", "\u202e", "\u00a0", "\u2028", "\ud800", "é", "ann", "#1", "$"),
        *("0123abc", "https://e.org/@oya", "www.e.org", "a@b.c", ":smile:", "GH-1"),
    ]
)
COMMENTS = st.lists(PIECES, max_size=30).map("".join) | st.text(max_size=100)
GITHUB = MarkdownIt("commonmark").enable(["table", "strikethrough"])
RENDER = replies(templates_folder() / "replies", "@oya")


@given(COMMENTS)
@example("[a\n@oya](x) r+")
@example("@oya rework <!-- \ud800 -->")
def test_every_comment_can_be_read(comment: str) -> None:
    """Nothing raises; so much is asked at most, all of it is fit for the record, and reading the
    plain text again as Markdown's plain text finds no more than one command a line."""
    shown = plain(comment)
    speech = listen(shown)
    assert len(speech.commands) + len(speech.faults) <= COMMANDS_MAX + 1
    assert len(speech.commands) <= shown.lower().count("@oya")
    for one in speech.commands:
        assert isinstance(one.verb, Verb)
        assert one.priority is None or 0 <= one.priority <= PRIORITY_MAX
        (one.note + one.user + "".join(one.reviewers)).encode()
    for fault in speech.faults:
        assert len(fault.line) + len(fault.why) + len(fault.mend) < 700
        (fault.line + fault.why + fault.mend + fault.meant).encode()


EVERYDAY = st.lists(
    st.sampled_from(["@oya r+", "p=1", "Thanks", "a-b", "(c)", " ", "  ", "\n", "\n\n", "\r\n"])
    | st.sampled_from(["1. ", "- ", "---", "===", "#1", "# ", ":-", "|", "é", "e.g. x; y!", "`"]),
    max_size=12,
).map("".join)


@given(COMMENTS | EVERYDAY)
def test_the_short_way_of_reading_is_the_long_one(comment: str) -> None:
    """A comment without a character that means something in Markdown is taken as it stands: what
    comes out is what the parser makes of it."""
    assert plain(comment) == parsed(comment)


@given(st.text(max_size=60), st.sampled_from(['p="', "p=1 p=2", "p=", 'r="a', "delegate="]))
def test_a_faulty_line_is_no_command(before: str, wrong: str) -> None:
    """An open quote, a key twice and an empty value spoil their line, whatever stands before."""
    line = f"@oya {before.replace('@', '').replace('=', '')} {wrong}"
    one = " ".join(line.split())
    said = listen(one)
    free = ("rework",)
    assert all(command.verb in free for command in said.commands)


@given(
    st.sampled_from([verb for verb in Verb if verb is not Verb.REWORK]),
    st.text(st.characters(categories=("L", "N", "P", "S")), min_size=1, max_size=20),
)
def test_what_is_too_much_is_never_ignored(verb: Verb, more: str) -> None:
    """A word after a command either means something in it, or the line is a fault."""
    line = {Verb.PRIORITY: "p=1", Verb.DELEGATE: "delegate=ann", Verb.CLOSE_TREE: "treeclosed=1"}
    alone, longer = (listen(f"@oya {line.get(verb, verb)}{tail}") for tail in ("", f" {more}"))
    assert len(alone.commands) == 1
    assert longer != alone


@given(st.lists(COMMENTS, max_size=3))
def test_nothing_in_a_quote_is_read(lines: list[str]) -> None:
    """Whatever is quoted whole, or shown as code whole, says nothing."""
    quoted = "".join(f"> {line}\n" for one in lines for line in one.splitlines())
    shown = "".join(f"    {line}\n" for one in lines for line in one.splitlines() if line.strip())
    assert listen(plain(quoted)) == Speech()
    assert listen(plain(shown)) == Speech()


FORMATS = frozenset({"inline", "paragraph_open", "paragraph_close"})


@given(COMMENTS)
@example("1. x")
@example("=")
@example("@oya r+")
@example("&#64;oya r+")
def test_text_in_a_reply_does_nothing(comment: str) -> None:
    """It is one paragraph of nothing but text, wherever in a line it stands, and the text is the
    same as that which was put in, but for spaces."""
    for frame in ("{}", "x {} y", "x\n{}"):
        tokens = GITHUB.parse(frame.format(text(comment)))
        assert {one.type for one in tokens} <= FORMATS
        kinds = {child.type for one in tokens for child in one.children or ()}
        assert kinds <= {"text", "softbreak"}
    assert re.search(r"(?<![A-Za-z0-9])@[A-Za-z0-9]", text(comment)) is None


@given(COMMENTS)
def test_code_in_a_reply_does_nothing(comment: str) -> None:
    """A code span is one span, and a block one block, with all of the words in it."""
    if code(comment):
        (_, inline, _) = GITHUB.parse(f"x {code(comment)} y")
        assert [one.type for one in inline.children or ()] == ["text", "code_inline", "text"]
    (fence,) = GITHUB.parse(block(comment))
    assert fence.type == "fence"


@given(COMMENTS)
def test_a_login_in_a_reply_is_one_or_text(name: str) -> None:
    """A mention reaches nobody else."""
    assert login(name) in (f"@{name}", text(name))
    assert isinstance(login(name), Safe)


@pytest.mark.parametrize(
    ("template", "fields"),
    [
        ("approved", ("head", "by", "target", "note")),
        ("done", ("what",)),
        ("refused", ("why", "mend")),
        ("dropped", ("why", "head")),
        ("failed", ("what", "url", "log")),
        ("landed", ("target", "commit")),
        ("status", ("state", "sentence", "head", "by", "candidate", "log", "page")),
    ],
)
@given(words=st.lists(COMMENTS, min_size=7, max_size=7))
def test_no_reply_speaks_to_us(template: str, fields: tuple[str, ...], words: list[str]) -> None:
    """Whatever a template is filled with, its text asks for nothing: not of us, and not of another
    one like us."""
    given: dict[str, object] = dict(zip(fields, words, strict=False))
    given |= {"place": 1, "length": 2, "priority": 1, "checks": [{"name": words[0], "state": "x"}]}
    assert listen(plain(RENDER(template, given))) == Speech()


@given(COMMENTS)
def test_a_fault_said_back_speaks_to_nobody(comment: str) -> None:
    """The lines that were not understood are quoted, and are not understood again."""
    faults = listen(comment).faults
    assert listen(plain(RENDER("faults", {"faults": faults}))) == Speech()


def test_no_help_speaks_to_us() -> None:
    """The list of commands is no list of orders."""
    assert listen(plain(RENDER("help", {}))) == Speech()
