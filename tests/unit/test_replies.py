"""What the bot writes, and that what it quotes does nothing."""

from __future__ import annotations

from pathlib import Path

import jinja2
import pytest
from markdown_it import MarkdownIt

from oya_vcs.config import templates_folder
from oya_vcs.core.commands import listen
from oya_vcs.core.marks import key_in, mark
from oya_vcs_bot.plain import plain
from oya_vcs_bot.replies import (
    BLOCK_MAX,
    COMMENT_MAX,
    Render,
    block,
    code,
    link,
    login,
    replies,
    text,
)

SHA = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture(scope="module")
def render() -> Render:
    """The templates as they are shipped."""
    return replies(templates_folder() / "replies", "@oya")


def test_faults_are_said_line_by_line_with_the_mend(render: Render) -> None:
    """Each line as it was written, why it is none, and what may have been meant."""
    speech = listen("@oya aprove\n@oya p=\n@oya r+ *x*")
    assert render("faults", {"faults": speech.faults}) == (
        "I do not understand these lines, and changed nothing for them:\n\n"
        "- `@oya aprove`: There is no command 'aprove'. Did you mean `@oya r+`?\n"
        "- `@oya p=`: 'p=' has no value. Write p=value, without a space.\n"
        r"- `@oya r+ *x*`: '\*x\*' is no commit id. A commit id has 7 to 40 hexadecimal digits;"
        " without one the commit that is there now is approved.\n\n"
        "`@oya help` lists what may be said."
    )


def test_an_approval_names_the_commit(render: Render) -> None:
    """Exactly the commit, by whom, and the place."""
    fields = {"head": SHA, "by": "ann", "place": 2, "target": "main", "note": ""}
    assert render("approved", fields) == (
        f"Approved at commit {SHA} by ann; place 2 in the queue for `main`."
    )


def test_the_status_is_a_table(render: Render) -> None:
    """One line for people, and what there is to know in rows; what is not there has no row."""
    fields = {
        "state": "testing",
        "sentence": "Waits for a | b.",
        "head": SHA,
        "by": "ann",
        "place": 1,
        "length": 3,
        "priority": 0,
        "candidate": SHA,
        "checks": [{"name": "unit | tests", "state": "runs"}],
        "page": "https://oya.example.org/queue?a=1#b",
        "log": "",
    }
    shown = render("status", fields)
    tokens = MarkdownIt("commonmark").enable("table").parse(shown)
    cells = [one.content for at, one in enumerate(tokens) if tokens[at - 1].type == "td_open"]
    assert cells == [
        *("commit", SHA, "approved by", "ann", "place in the queue", "1 of 3", "priority", "0"),
        *("tested as", SHA, "unit | tests", "runs"),
    ]
    assert "<https://oya.example.org/queue?a=1#b>" in shown
    failed = render("status", {**fields, "state": "failed", "log": "It said ``` and <b>."})
    assert "````text\nIt said ``` and <b>.\n````" in failed
    assert "`@oya retry` tries it again" in failed
    assert "landed as" in render("status", {**fields, "state": "landed"})
    bare: dict[str, object] = dict.fromkeys(fields, "")
    bare |= {"state": "open", "priority": None, "checks": []}
    assert render("status", bare) == (
        "**open**\n\n| | |\n|---|---|\n\n`@oya help` lists what may be said."
    )


def test_help_names_every_command(render: Render) -> None:
    """And each of its examples is one that is understood."""
    shown = render("help", {})
    commands = [cell.split("|")[1] for cell in shown.splitlines() if cell.startswith("| `")]
    lines = [one.strip(" `") for cell in commands for one in cell.split("`, `")]
    for line in lines:
        filled = line.replace("[commit]", SHA).replace("[p=N]", "p=1").replace("N", "1")
        assert listen(f"@oya {filled}").faults == ()
    assert len(lines) == 18


def test_the_labels_follow_the_prefix() -> None:
    """Who configures another name reads that one everywhere."""
    shown = replies(templates_folder() / "replies", "@robo")("help", {})
    assert "`@robo`" in shown
    assert "`robo:queue`" in shown
    assert "oya" not in shown


def test_a_field_that_is_missing_is_a_bug(render: Render) -> None:
    """Nothing is left out in silence."""
    with pytest.raises(jinja2.UndefinedError):
        render("landed", {"target": "main"})
    with pytest.raises(KeyError):
        render("nothing", {})


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("plain words, a-b = c: (d) 1.5!", "plain words, a-b = c: (d) 1.5!"),
        ("@ann and @org/team", "@ ann and @ org/team"),
        ("fixes #12, o/r#3, GH-4", r"fixes - \# 12, o/r\# 3, GH- 4"),
        ("http://e.org www.e.org", "http:// e.org www. e.org"),
        ("[a](b) ![c](d) <e> `f` *g* _h_ ~i~", r"\[a\](b) !\[c\](d) \<e\> \`f\` \*g\* \_h\_ \~i\~"),
        ("a|b &amp; $c$ \\", r"a\|b \&amp; \$c\$ \\"),
        ("# h", r"\# h"),
        ("- x", r"\- x"),
        ("12) x", r"12\) x"),
        ("===", r"\==="),
        ("a\nb\r\n\n# c", r"a b \# c"),
        ("<!-- oya-vcs:k -->x", "x"),
        ("[skip ci]", "(skip ci)"),
        ("\x00\u202e", ""),
    ],
)
def test_text_says_what_it_says(written: str, shown: str) -> None:
    """On one line, and nothing in it is a format, a mention, a reference or a link."""
    assert text(written) == shown


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("a b", "`a b`"),
        ("a\n  b", "`a b`"),
        ("`a`", "`` `a` ``"),
        ("a ``b", "```a ``b```"),
        ("@ann <b> *c*", "`@ann <b> *c*`"),
        ("\x00", ""),
        ("", ""),
    ],
)
def test_code_cannot_be_ended_from_inside(written: str, shown: str) -> None:
    """The fence is longer than any in it."""
    assert code(written) == shown


def test_a_block_shows_the_end_of_a_log() -> None:
    """Where the error is; its fence is longer than any in it."""
    assert block("a\n````\nb\x1b[0m\n") == "`````text\na\n````\nb [0m\n`````"
    assert block("x" * BLOCK_MAX + "end").endswith("xend\n```")
    assert len(block("x" * 10 * BLOCK_MAX)) < BLOCK_MAX + 50


def test_only_a_login_is_a_mention_and_only_an_address_is_a_link() -> None:
    """What is put in as one and is none is text."""
    assert login("ann-b") == "@ann-b"
    assert login("ann b") == "ann b"
    assert login("ann\n@bob") == "ann @ bob"
    assert link("https://e.org:8/a?b=c&d#e") == "<https://e.org:8/a?b=c&d#e>"
    assert link("https://e.org/<x>") == r"https:// e.org/\<x\>"
    assert link("javascript:alert(1)") == "javascript:alert(1)"


def test_a_comment_has_a_greatest_length(tmp_path: Path) -> None:
    """Below that of GitHub's, whatever is put in."""
    (tmp_path / "long.md.j2").write_text("{% for one in many %}{{ one }}\n{% endfor %}")
    shown = replies(tmp_path, "@oya")("long", {"many": ["x" * 5_000] * 100})
    assert len(shown) == COMMENT_MAX + 1


def test_our_comments_are_known_by_their_mark() -> None:
    """It stands at the beginning, where quoting a comment does not put it."""
    ours = f"{mark('k:1/a.b_c-d')}\nHello."
    assert key_in(ours) == "k:1/a.b_c-d"
    for other in (f"> {ours}", f"x {ours}", "<!-- oya-vcs: -->", "<!-- oya-vcs:a b -->", ""):
        assert key_in(other) is None
    assert plain(ours) == "Hello."
