"""The living status of a pull request as a person reads it: each state, its word and sentence."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from oya_vcs.core import effects as f
from oya_vcs.core import events as e
from oya_vcs.core.merge.rules import MergeRules
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


def test_a_paused_queue_is_no_line_that_moves(hub: Hub) -> None:
    """Where the target is gone the status says so, and says something else when it is back."""
    hub.opens("bob", 8)
    hub.says("ann", 8, "@oya r+")
    was, hub.here.outside.target = hub.here.outside.target, None
    hub.fails("pr-7")
    told = hub.told(8)
    assert (told.state, told.sentence) == (
        "paused",
        "The merge queue is paused: The target is gone.",
    )
    hub.here.outside.target = was
    hub.hears(e.QueueResumed(repo=hub.repo))
    assert hub.told(8).state == "testing"


def test_what_the_world_refuses_is_told_and_what_waits_for_those_ahead() -> None:
    """Each is another word than the one before it: nobody goes on reading that it is being
    built."""
    rules = MergeRules(window_max=2)
    hub = Hub(ann=Level.WRITE, bob=Level.READ, rules=rules)
    hub.opens("bob", 7, adds="same", text="one")
    hub.opens("bob", 8, adds="same", text="two")
    hub.says("ann", 7, "@oya r+")
    hub.says("ann", 8, "@oya r+")
    assert hub.told(8).state == "aside"
    assert "does not merge on top of pr-7.1" in hub.told(8).sentence
    key = next(key for key, one in hub.pending.items() if isinstance(one, f.RunChecks))
    bead, why = hub.pending[key].bead, "The fork is gone."
    said = e.EffectFailed(key=key, bead=bead, kind="RunChecks", workspace=None, message=why)
    hub.carry_out(key, said)
    hub.settle()
    assert (hub.told(7).state, why in hub.told(7).sentence) == ("stuck", True)


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
