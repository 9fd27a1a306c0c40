"""The living status of a pull request as a person reads it: each state, its word and sentence."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from oya_vcs.core.pulls import Level, PullState
from oya_vcs.core.queue_waits import first_line, waits_for
from tests.pulling import Hub


@pytest.fixture
def hub() -> Hub:
    """A forge with people and one approved pull request."""
    hub = Hub(ann=Level.WRITE, bob=Level.READ)
    hub.opens("bob", 7)
    hub.says("ann", 7, "@oya r+")
    return hub


@pytest.mark.parametrize(
    ("what", "state", "sentence"),
    [
        (lambda hub: None, "testing", "is being tested."),
        (lambda hub: hub.passes("pr-7"), "landed", "Landed on main as"),
        (lambda hub: hub.fails("pr-7", said="boom"), "failed", "Check 'test' failed on"),
        (lambda hub: hub.says("ann", 7, "@oya hold"), "held", "Held by ann."),
        (
            lambda hub: hub.says("ann", 7, "@oya r-"),
            "waiting",
            "Waits for an approval, for the last one was taken back.",
        ),
        (
            lambda hub: hub.pushes("bob", 7),
            "waiting",
            "Waits for an approval, for it was pushed to since the last one.",
        ),
        (
            lambda hub: hub.edits("bob", 7, base="other"),
            "waiting",
            "Waits for an approval, for it was given another branch to land on since the last one.",
        ),
        (
            lambda hub: hub.edits("bob", 7, title="Another"),
            "waiting",
            "Waits for an approval, for its title or its text was edited since the last one.",
        ),
        (
            lambda hub: hub.edits("bob", 7, draft=True),
            "waiting",
            "Waits for an approval, for it was marked as not ready to land.",
        ),
        (lambda hub: hub.edits("bob", 7, state=PullState.CLOSED), "closed", "Closed by bob."),
        (
            lambda hub: hub.says("ann", 7, "@oya rework"),
            "rework",
            "Its author works on it again: It is to be done again.",
        ),
        (
            lambda hub: hub.says("ann", 7, "@oya cancel"),
            "leaving",
            "Being cancelled by ann: its checks are being stopped.",
        ),
    ],
)
def test_each_state_has_a_sentence_that_says_what_is_next(
    hub: Hub, what: Callable[[Hub], object], state: str, sentence: str
) -> None:
    """The word is the label, too; the sentence says why, and for what it waits."""
    what(hub)
    told = hub.told(7)
    assert told.state == state
    assert sentence in told.sentence


def test_the_queue_says_the_same_and_how_to_approve_it(hub: Hub) -> None:
    """On the command line with the command; as an answer on the pull request without."""
    hub.says("ann", 7, "@oya r-")
    hub.says("bob", 7, "@oya status")
    change = hub.change("pr-7")
    why = "Waits for an approval, for the last one was taken back"
    assert hub.last(7) == ("done", {"what": f"{why}."})
    assert waits_for(hub.world, change) == f"{why}: `oya-vcs queue approve {change.id}`."
    hub.says("ann", 7, "@oya r+\n@oya hold")
    assert waits_for(hub.world, change) == "Held by ann."


def test_what_a_failed_check_said_is_shown_while_it_is_news(hub: Hub) -> None:
    """With the failure, and no longer with the next test."""
    hub.fails("pr-7", said="It said boom.")
    assert "It said boom." in hub.told(7).log
    hub.says("ann", 7, "@oya retry")
    assert hub.told(7).log == ""


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("One line.\nAnother.", "One line."),
        ("They conflict:\n  a\n  b\nNot this.", "They conflict: a, b."),
        (
            "They conflict:\n" + "".join(f"  {n}\n" for n in range(6)),
            "They conflict: 0, 1, 2, 3 and 2 more.",
        ),
        ("It said:\n\nboom", "It said:"),
        ("", ""),
    ],
)
def test_a_first_line_names_what_it_announces(text: str, line: str) -> None:
    """Files that conflict are the news: a line that ends in a colon alone tells nothing."""
    assert first_line(text) == line
