"""What of a comment is plain text."""

from __future__ import annotations

import pytest

from oya_vcs.core.commands import Verb, listen
from oya_vcs.core.neutral import TEXT_MAX
from oya_vcs_bot.plain import plain


@pytest.mark.parametrize(
    "markdown",
    [
        "@oya r+",
        "@oya r+\r\n",
        "Thanks!\r\n@oya r+\r\nBye.",
        "Thanks!\n\n@oya r+",
        "  @oya r+",
        "**@oya r+**",
        "_Fine,_ @oya r+",
        "- @oya r+",
        "1. Fine.\n   @oya r+",
        "- [ ] @oya r+",
        "Fine.<br>@oya r+",
        "<b>@oya</b> r+",
        "@oya\u00a0r+",
        "@oya\u3000r+",
        "&#64;oya r+",
        "@oya r+ <!-- at last -->",
        "<!-- at last -->\n\n@oya r+",
        "> looks good?\n\n@oya r+",
        "```\n@oya r-\n```\n@oya r+",
        "<details>\n\n@oya r+\n\n</details>",
        "<blockquote>no</blockquote>\n\n@oya r+",
        "<blockquote>\n\n@oya r-\n\n</blockquote>\n\n@oya r+",
        "[@oya]: r-\n@oya r+",
    ],
)
def test_a_command_in_plain_text_counts(markdown: str) -> None:
    """However the text around it is formatted."""
    assert [one.verb for one in listen(plain(markdown)).commands] == [Verb.APPROVE]


@pytest.mark.parametrize(
    "markdown",
    [
        "`@oya r+`",
        "` x @oya r+ `",
        "``` @oya r+ ```",
        "```\n@oya r+\n```",
        "~~~~ text\n@oya r+\n",
        "    @oya r+",
        "\t@oya r+",
        "> @oya r+",
        ">@oya r+\nand @oya r+",
        "- x\n  > @oya r+",
        "# @oya r+",
        "@oya r+\n===",
        "@oya r+\n---",
        "[@oya r+](x)",
        "[a\n@oya r+\nb](x)",
        "[@oya](x) r+",
        "[a\n@oya](x) r+",
        "[@oya][1] r+\n\n[1]: x",
        "![@oya r+](x)",
        "<https://example.org/@oya r+>",
        "https://example.org/@oya r+",
        "~~@oya r+~~",
        "| a |\n|---|\n| @oya r+ |",
        "<!-- @oya r+ -->",
        "x <!--\n@oya r+\n--> y",
        "<!--\n@oya r+",
        "<code>@oya r+</code>",
        "<CODE class='a>b'>\n@oya r+</CODE>",
        "x <a href='y'>@oya r+</a>",
        "x <a href='y'>\n@oya</a> r+",
        "<blockquote>\n\n@oya r+\n\n</blockquote>",
        "<pre>\n\n@oya r+",
        "<h1>\n\n@oya r+\n\n</h1>",
        "<div>\n@oya r+\n</div>",
        "<script>\n@oya r+\n</script>",
        "@oya\u200br+",
        "(@oya r+)",
    ],
)
def test_a_command_elsewhere_does_not(markdown: str) -> None:
    """Not in code, quotes, links, headings, tables, comments, nor in HTML that is the same; and no
    end of such a thing makes a line of what follows it."""
    assert listen(plain(markdown)).commands == ()


def test_code_within_a_line_is_read_as_one_word() -> None:
    """A note may name things in code; what stands in code is no commit that is approved."""
    (command,) = listen(plain("@oya rework use `a  b` and [the page](x), not ~~c d~~")).commands
    assert command.note == "use `a b` and [the page], not ~~c d~~"
    speech = listen(plain("@oya r+ `0123abc`"))
    assert not speech.commands
    assert "'`0123abc`' is no commit id" in speech.faults[0].why


def test_what_cannot_be_seen_does_not_pass_unseen() -> None:
    """A hidden character within a word shows as one; NUL is one."""
    assert plain("@oya r+\u202e") == "@oya r+\ufffd"
    assert plain("a\x00b\ud800c\x1b") == "a\ufffdb\ufffdc\ufffd"
    assert listen(plain("@oya\x00 r+")).commands == ()


def test_lines_are_kept_apart() -> None:
    """Paragraphs, breaks and list items are lines; what an entity stands for makes none."""
    assert plain("a&#10;b&#xa0;c") == "a b c"
    assert plain("a\nb  \nc\\\nd\n\ne\n- f\n- g") == "a\nb\nc\nd\ne\nf\ng"


def test_the_longest_comment_is_read_and_a_longer_one_is_not() -> None:
    """GitHub's bound; what is beyond it is nobody's comment."""
    line = "@oya r+\n"
    longest = line * (TEXT_MAX // len(line))
    assert plain(longest).count("@oya r+") == TEXT_MAX // len(line)
    assert plain(longest + "x") == ""


@pytest.mark.parametrize(
    "piece",
    [
        *(">", "> ", "[", "![", "[a](", "[a][", "*a ", "**", "_a", "`", "<", "<a ", "<a '", "<!--"),
        *("&", "~~a", "- ", "\\", "|a", "<?", "<![CDATA[", "# ", "\t", "\u200b", "\x00", "*_"),
    ],
)
def test_hostile_markdown_is_read(piece: str) -> None:
    """A comment full of one thing takes no recursion and no endless time, and says nothing."""
    assert listen(plain(piece * (8_192 // len(piece)))).commands == ()
