"""Text of a change request says what it says, and does nothing."""

from __future__ import annotations

import re

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from oya_vcs.core.ids import BeadId, ChangeId
from oya_vcs.core.neutral import (
    _PLAIN,
    TEXT_MAX,
    _disarmed,
    neutral,
    rebased_message,
    squashed_message,
    trailers_of,
)
from oya_vcs.core.spec import BeadSpec
from oya_vcs.core.texts import candidate_message, subject_line

PIECES = st.sampled_from(
    [
        *("[", "]", "skip", "ci", "no", "-", " ", "\n", "\r\n", "***", "NO_CI", "actions", "\t"),
        *("@", "a", "user", "org/team", ".", "`", "<!--", "-->", "<!-", "->", "--", "<", ">"),
        *(
            "Closes",
            "fixes",
            "RESOLVED",
            ":",
            "#12",
            "o/r#3",
            "GH-4",
            "https://x/issues/1",
            "issue",
        ),
        *("Oya-Bead: x", "skip-checks: true", "Co-authored-by: A <a@b>", "---", "\x00", "\u200b"),
        *("\u202e", "\x85", "\u2028", "\ud800", "é", "JIRA-7"),
    ]
)
TEXTS = st.lists(PIECES, max_size=25).map("".join) | st.text(max_size=80)

ACTIVE = {
    "control characters": r"[^\n\t -~\u00a1-\U0010ffff]|[\u200b\u202e\u2028\ud800]",
    "comments": r"<!--|-->",
    "skipped checks": r"(?i)\[(?:(?:skip|no)[ -](?:ci|actions)|(?:ci|actions)[ -]skip)\]",
    "skipped checks, of Azure": r"\*{3}NO_CI\*{3}",
    "mentions": r"(?<![A-Za-z0-9])@[A-Za-z0-9]",
    "closed issues": (
        r"(?i)\b(?:closes|fixes|resolved):?\s+(?:issue\s+)?(?:o/r#|#|GH-|https://|JIRA-)"
    ),
    "trailers": r"(?im)^\s*(?:oya-bead|skip-checks|co-authored-by)\s*:",
    "dividers": r"(?m)^---",
}


@given(TEXTS)
@example("<!-<!---->- x -->[skip\u200bci] ---\n---\nfix: #1 @a\nOya-Bead: b")
@example("a" * TEXT_MAX + "@b")
@example("@" * TEXT_MAX)
def test_nothing_in_it_does_anything(text: str) -> None:
    """None of what a forge, a check or a reader of trailers acts upon is left, however it is put
    together; doing it again changes nothing; it can be written to a file."""
    made = neutral(text)
    for name, pattern in ACTIVE.items():
        assert not re.search(pattern, made), name
    assert neutral(made) == made
    assert len(made) <= TEXT_MAX
    made.encode()


PLAIN = st.text(st.sampled_from("abc XYZ019 ,.!?()'\"/é\n"), max_size=80)


@given(PLAIN)
def test_plain_words_stay(text: str) -> None:
    """Text that does nothing is left as it is."""
    assert neutral(text) == text


@pytest.mark.parametrize(
    ("text", "made"),
    [
        ("Parse [skip ci] comments", "Parse (skip ci) comments"),
        ("[CI SKIP] and [no ci] and [skip-ci]", "(CI SKIP) and (no ci) and (skip-ci)"),
        ("***NO_CI*** x", "(NO_CI) x"),
        ("thanks @user, write to me@example.org", "thanks @ user, write to me@example.org"),
        ("Closes #12, fixes: o/r#3", "Closes - #12, fixes - o/r#3"),
        ("Resolves issue #4", "Resolves - issue #4"),
        ("see #12", "see #12"),
        ("a <!-- b --> c", "a  c"),
        ("a\n\nskip-checks: true", "a\n\nskip-checks - true"),
        ("Signed-off-by: Mallory <m@x>", "Signed-off-by - Mallory <m@x>"),
        ("Note: this stays", "Note: this stays"),
    ],
)
def test_the_words_stay_readable(text: str, made: str) -> None:
    """What becomes of each."""
    assert neutral(text) == made


def test_a_hostile_text_takes_no_time() -> None:
    """No pattern goes back over what it has read; the whole of the longest text is neutral at
    once."""
    for piece in ("[skip-", "<!-", "-", "closes ", "@", "a-", "oya-", "[", " "):
        neutral(piece * (TEXT_MAX // len(piece)))


@given(TEXTS, st.sampled_from(["merge", "squash", "rebase"]))
def test_a_title_stays_in_the_subject(title: str, method: str) -> None:
    """However a bead is named, the message has one line and our trailers, and nobody else's."""
    spec = BeadSpec(id=BeadId("fix"), title=title)
    line, blank, *rest = candidate_message(spec, ChangeId("fix.1"), method).split("\n")
    assert line.startswith("Land fix")
    assert blank == ""
    bead = [] if method == "merge" else ["Oya-Bead: fix"]
    assert rest == [*bead, "Oya-Change: fix.1", ""]
    for name, pattern in ACTIVE.items():
        assert not re.search(pattern, line), name
        assert not re.search(pattern, subject_line(spec)), name


@given(TEXTS)
def test_a_rebased_commit_has_our_trailers_and_keeps_its_authors(text: str) -> None:
    """Whatever a commit says, the trailers with our prefix are those that we give; a trailer that
    names an author stays."""
    ours = "Oya-Change: c.1\n"
    made = rebased_message(f"{text}\n\nOya-Bead: forged\n", ours)
    assert made.endswith(f"\n{ours}")
    assert not re.search("(?m)^Oya-Bead:", made)
    assume("<!--" not in text)
    made = rebased_message(f"Subject\n{text}\n\nCo-authored-by: A <a@b>\n", ours)
    assert made.endswith("\n\nCo-authored-by: A <a@b>\nOya-Change: c.1\n")


def test_authors_are_trailers_of_a_squash() -> None:
    """In the paragraph of our own; none, and the message is as it was."""
    message = "Land a: A\n\nOya-Change: a.1\n"
    assert squashed_message(message, ()) == message
    assert squashed_message(message, ["B <b@x>"]) == f"{message}Co-authored-by: B <b@x>\n"
    assert squashed_message("Land\n", ["B <b@x>"]) == "Land\n\nCo-authored-by: B <b@x>\n"


def test_our_trailers_are_told_from_other_last_paragraphs() -> None:
    """All lines of it, and every one with our prefix; the subject is none."""
    assert trailers_of("S\n\nOya-Change: a\nOya-Bead: b\n") == "Oya-Change: a\nOya-Bead: b\n"
    assert trailers_of("S\n\nOya-Change: a\nSigned-off-by: b\n") == ""
    assert trailers_of("S\n") == ""


@given(
    TEXTS
    | st.text("aZ0 ,.;?!'\"()/_+=-\n", max_size=40)
    | st.lists(st.sampled_from(["fixes", "JIRA", "GH", "-", "7", "by", " ", "skip", "("])).map(
        "".join
    )
)
@example("Split the reader in two: see the well-known case, part 2 (of 3)")
@example("Split the reader in two, see the well-known case, part 2 (of 3)")
@example("a" * TEXT_MAX)
@example("a" * (TEXT_MAX + 1))
def test_plain_text_needs_no_second_look(text: str) -> None:
    """What is let through at a glance is what all the rules together leave as it is."""
    for attribution in (False, True):
        assert neutral(text, attribution=attribution) == _disarmed(text, attribution=attribution)


@pytest.mark.parametrize("text", ["Do n123", "Split the well-known reader in two (again)."])
def test_most_titles_are_plain(text: str) -> None:
    """They cost one look."""
    assert _PLAIN.fullmatch(text)
