"""How a line speaks to the queue."""

from __future__ import annotations

import pytest

from oya_vcs.core.commands import (
    COMMANDS_MAX,
    LINE_MAX,
    PRIORITY_MAX,
    Command,
    Speech,
    Verb,
    label_prefix,
    listen,
    of_label,
)

SHA = "0123456789abcdef0123456789abcdef01234567"


def said(**fields: object) -> Command:
    """A command in short."""
    return Command(**fields)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("line", "command"),
    [
        ("r+", said(verb=Verb.APPROVE)),
        (f"r+ {SHA}", said(verb=Verb.APPROVE, head=SHA)),
        ("r+ 0123ABC p=3", said(verb=Verb.APPROVE, head="0123abc", priority=3)),
        ("r+ p=0 0123abc", said(verb=Verb.APPROVE, head="0123abc", priority=0)),
        ("r=ann,@bob", said(verb=Verb.APPROVE, reviewers=("ann", "bob"))),
        ('r="ann, bob" p="1"', said(verb=Verb.APPROVE, reviewers=("ann", "bob"), priority=1)),
        ("r-", said(verb=Verb.UNAPPROVE)),
        ("p=7", said(verb=Verb.PRIORITY, priority=7)),
        (f"p={PRIORITY_MAX}", said(verb=Verb.PRIORITY, priority=PRIORITY_MAX)),
        ("try", said(verb=Verb.TRY)),
        ("try cancel", said(verb=Verb.TRY_CANCEL)),
        ("retry", said(verb=Verb.RETRY)),
        ("cancel", said(verb=Verb.CANCEL)),
        ("delegate=ann", said(verb=Verb.DELEGATE, user="ann")),
        ("delegate=@ann_corp", said(verb=Verb.DELEGATE, user="ann_corp")),
        ("delegate-", said(verb=Verb.UNDELEGATE)),
        ("squash", said(verb=Verb.SQUASH)),
        ("hold", said(verb=Verb.HOLD)),
        ("release", said(verb=Verb.RELEASE)),
        ("treeclosed=2", said(verb=Verb.CLOSE_TREE, priority=2)),
        (
            'treeclosed=2 the "disk is full',
            said(verb=Verb.CLOSE_TREE, priority=2, note='the "disk is full'),
        ),
        ("treeopen", said(verb=Verb.OPEN_TREE)),
        ("status", said(verb=Verb.STATUS)),
        ("help", said(verb=Verb.HELP)),
        ("rework", said(verb=Verb.REWORK)),
        (
            "rework  don't use `a\u00a0b`,  use x=1",
            said(verb=Verb.REWORK, note="don't use `a b`, use x=1"),
        ),
    ],
)
def test_each_command_is_understood(line: str, command: Command) -> None:
    """As the documentation writes it, in any case, with a colon, in the middle of a sentence."""
    for text in (f"@oya {line}", f"@OYA: {line}", f"Fine, @oya\t{line}\r\n"):
        assert listen(text) == Speech((command,))
    verb, space, tail = line.partition(" ")
    assert listen(f"@oya {verb.upper()}{space}{tail}").commands[0].verb is command.verb


@pytest.mark.parametrize(
    ("line", "why", "mend"),
    [
        ('r+ p="1', "A quote is open", "a quote on either side"),
        ('r+ p=1"', "A quote is open", "a quote on either side"),
        ('r+ p="1"2', "within a word", "a quote on either side"),
        ('r+ "0123abc"', "without a key", "key=value"),
        ("r+ p=1 p=1", "'p=' comes twice", "once"),
        ("r=a r=b", "'r=' comes twice", "once"),
        ("p=", "'p=' has no value", "p=value"),
        ('p=""', "'p=' has no value", "p=value"),
        ('p=" "', "'p=' has no value", "p=value"),
        ("p= 4", "'p=' has no value", "p=value"),
        ("r=", "'r=' has no value", "r=value"),
        ("delegate=", "'delegate=' has no value", "delegate=value"),
        ("treeclosed=", "'treeclosed=' has no value", "treeclosed=value"),
        ("treeclosed= 4", "'treeclosed=' has no value", "treeclosed=value"),
        ("p=high", "'high' is no priority", "from 0, the most urgent, to 1000"),
        ("p=-1", "'-1' is no priority", "whole numbers"),
        ("p=1.5", "'1.5' is no priority", "whole numbers"),
        ("p=٣", "'٣' is no priority", "whole numbers"),
        ("p=1001", "'1001' is no priority", "to 1000"),
        ("p=" + 900 * "9", "is no priority", "whole numbers"),
        ("r+ please", "'please' is no commit id", "7 to 40 hexadecimal digits"),
        ("r+ 012345", "'012345' is no commit id", "7 to 40"),
        (f"r+ {SHA}0", "is no commit id", "7 to 40"),
        ("r+ `0123abc`", "is no commit id", "7 to 40"),
        ("r+ 0123abc 0123abc", "'0123abc' is not part", "without that word"),
        ("r+ rollup=never", "'rollup=never' is not part", "without that word"),
        ("r- now", "'now' is not part", "without that word"),
        ("r=a, b", "'' is no user's name", "without spaces"),
        ("r=a/b", "'a/b' is no user's name", "as GitHub shows them"),
        ("delegate=a b", "'b' is not part", "without that word"),
        ("try later", "'later' is not part", "without that word"),
        ("", "No command follows the name", ""),
        ("rework " + LINE_MAX * "x", "more than 1000 characters", "fewer"),
    ],
)
def test_what_is_wrong_is_said_with_the_mend(line: str, why: str, mend: str) -> None:
    """A line that is not exactly a command is a fault and no command, whatever else is in it."""
    speech = listen(f"@oya {line}")
    assert speech.commands == ()
    (fault,) = speech.faults
    assert why in fault.why
    assert mend in fault.mend
    assert len(fault.line) <= 200
    assert len(fault.why) <= 200


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("aprove", "@oya r+"),
        ("merge", "@oya r+"),
        ("r", "@oya r+"),
        ("r+\u200b", "@oya r+"),
        ("priority=4", "@oya p=N"),
        ("p", "@oya p=N"),
        ("delegate+", "@oya delegate=NAME"),
        ("treeclosed-", "@oya treeopen"),
        ("treeclosed", "@oya treeclosed=N"),
        ("try-", "@oya try cancel"),
        ("rebase", "@oya retry"),
        ("squahs", "@oya squash"),
        ("hepl", "@oya help"),
    ],
)
def test_an_unknown_command_gets_a_suggestion(word: str, meant: str) -> None:
    """The nearest command, or what other bots call it."""
    (fault,) = listen(f"@oya {word}").faults
    assert f"There is no command '{word}'." == fault.why
    assert fault.meant == meant


def test_a_word_like_no_other_gets_no_suggestion() -> None:
    """A wrong guess would be worse than none; the word is shown as far as it fits."""
    (fault,) = listen("@oya " + 300 * "q").faults
    assert fault.meant == ""
    assert "qqq…'" in fault.why


def test_commands_come_in_the_order_of_their_lines() -> None:
    """One a line; a fault does not hide its neighbours, and says which line it is."""
    speech = listen("Hello.\n@oya p=1\n@oya nonsense\n\n  @oya r+ @oya r-\n@oya r+\n")
    assert [one.verb for one in speech.commands] == [Verb.PRIORITY, Verb.APPROVE]
    assert [one.line for one in speech.faults] == ["@oya nonsense", "@oya r+ @oya r-"]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "r+",
        "oya r+",
        "@oyasumi r+",
        "@oya/team r+",
        "@oya-bot r+",
        "me@oya r+",
        "(@oya r+)",
        "`@oya\u00a0r+`",
        "\u00a0@oya r+",
        "The bot @oya is great.",
        "Ask @oya",
        "@oyä r+",
    ],
)
def test_talk_is_not_meant_for_us(text: str) -> None:
    """Without the name as a word of its own nothing is read, and within a sentence only what is a
    command: people talk about a bot, too."""
    assert listen(text) == Speech()


def test_the_prefix_is_configurable() -> None:
    """What is special in a pattern is not, and faults name the prefix that there is."""
    assert listen(".m+ r+", ".m+").commands == (said(verb=Verb.APPROVE),)
    assert listen("@oya r+", ".m+") == Speech()
    assert listen("xm++ r+", ".m+") == Speech()
    assert listen(".m+", ".m+").faults[0].meant == ".m+ help"
    assert listen(".m+ hepl", ".m+").faults[0].meant == ".m+ help"


def test_a_comment_has_so_many_commands_at_most() -> None:
    """A flood is cut with one fault that says so."""
    speech = listen("@oya r+\n" * (COMMANDS_MAX + 500))
    assert len(speech.commands) == COMMANDS_MAX
    (fault,) = speech.faults
    assert f"more than {COMMANDS_MAX}" in fault.why


@pytest.mark.parametrize(
    ("name", "command"),
    [
        ("oya:queue", said(verb=Verb.APPROVE)),
        ("Oya:Queue", said(verb=Verb.APPROVE)),
        ("oya:hold", said(verb=Verb.HOLD)),
        ("oya:try", said(verb=Verb.TRY)),
        ("oya:priority/0", said(verb=Verb.PRIORITY, priority=0)),
        ("oya:priority/1001", None),
        ("oya:priority/", None),
        ("oya:priority", None),
        ("oya:queue/1", None),
        ("oya:queued", None),
        ("oya:testing", None),
        ("queue", None),
        ("", None),
    ],
)
def test_labels_ask_for_the_same(name: str, command: Command | None) -> None:
    """Four kinds of labels are commands; those that show a state, and other people's, are not."""
    assert of_label(name) == command


def test_labels_follow_the_prefix() -> None:
    """The letters of the prefix stand before the colon."""
    assert label_prefix("@Robo-1") == "robo-1"
    assert of_label("robo-1:hold", "@Robo-1") == said(verb=Verb.HOLD)
    assert of_label("oya:hold", "@Robo-1") is None
