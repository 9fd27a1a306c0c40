"""What people say to the queue, what they are told, and what cannot be had."""

from __future__ import annotations

import pytest

from oya_vcs.cli import main
from oya_vcs.cli.simulate import BOUNDS
from oya_vcs.core.ids import RepoId
from oya_vcs.core.merge import MergeRules
from oya_vcs.core.queue_words import QueueVerb, Word, hear
from oya_vcs.core.world import World
from oya_vcs.errors import ExitCode, InputInvalid, NotFound
from tests.merging import Scene


def say(talk: Scene, verb: QueueVerb, **fields: object) -> str:
    """Say it; what follows from it happens. Returns what is answered."""
    heard = hear(talk.world, Word(verb=verb, who="ann", **fields))  # type: ignore[arg-type]
    if heard.event is not None:
        talk.take(heard.event)
    return heard.said


def test_an_approval_may_name_a_priority_that_there_is() -> None:
    """It is told; one below the most urgent is refused and changes nothing."""
    talk = Scene(rules=MergeRules(approval="manual"))
    talk.submit("a")
    with pytest.raises(InputInvalid, match="no priority -3"):
        say(talk, QueueVerb.APPROVE, change="a", priority=-3)
    assert "Waits for an approval" in talk.says("a")
    assert say(talk, QueueVerb.APPROVE, change="a", priority=0).endswith(", with priority 0.")
    assert talk.change("a").priority == 0


def test_a_rejected_change_says_that_it_leaves() -> None:
    """Until what is under way for it has come to its end."""
    talk = Scene()
    talk.submit("a")
    talk.carry_out(talk._check_of("a"))  # it is landing: too late
    with pytest.raises(InputInvalid, match="is landing"):
        say(talk, QueueVerb.REJECT, change="a")
    talk.settle()
    talk.submit("b")
    talk.world.repos[talk.repo].queue.building = talk.change("b").id
    assert say(talk, QueueVerb.REJECT, change="b", why="No.").startswith("Rejected b.1")
    assert talk.says("b").startswith("It leaves the queue (rejected)")
    assert say(talk, QueueVerb.REJECT, change="b") == "Change b.1 leaves the queue (rejected)."


def test_a_tree_may_be_closed_to_all_or_above_a_priority() -> None:
    """And says which; there is no priority to close it above that is less than 0."""
    talk = Scene()
    talk.submit("a", "b")
    assert say(talk, QueueVerb.CLOSE, why="Red.").startswith("The tree is closed; ")
    assert talk.says("b") == "The tree is closed: Red."
    assert say(talk, QueueVerb.CLOSE, priority=1).startswith("The tree is closed above priority 1;")
    assert talk.says("b") == "The tree is closed above priority 1."
    with pytest.raises(InputInvalid, match="no priority -2"):
        say(talk, QueueVerb.CLOSE, priority=-2)
    assert say(talk, QueueVerb.OPEN) == "The tree is open again."
    assert say(talk, QueueVerb.OPEN) == "The tree is open."


def test_a_freeze_ends_once() -> None:
    """Where there is none, nothing is recorded."""
    talk = Scene()
    assert say(talk, QueueVerb.FREEZE) == "The queue is not frozen."
    said = say(talk, QueueVerb.FREEZE, until_ms=talk.now_ms + 60_000)
    assert said == "Nothing lands now; tests go on."
    assert say(talk, QueueVerb.FREEZE) == "Changes land again."
    assert say(talk, QueueVerb.FREEZE) == "The queue is not frozen."


def test_a_repository_is_named_where_there_are_several() -> None:
    """By its path or id; whoever does not is told which there are."""
    talk = Scene(RepoId("one"), RepoId("two"))
    with pytest.raises(InputInvalid, match="2 repositories") as raised:
        say(talk, QueueVerb.PAUSE)
    assert "/memory" in raised.value.hint
    assert say(talk, QueueVerb.PAUSE, repo="two").startswith("The queue is paused")
    with pytest.raises(NotFound, match="'three'"):
        say(talk, QueueVerb.PAUSE, repo="three")
    with pytest.raises(NotFound, match="no repository yet"):
        hear(World(), Word(verb=QueueVerb.PAUSE))


@pytest.mark.parametrize("name", BOUNDS)
@pytest.mark.parametrize("given", ["-1", "nan", "inf"])
def test_what_cannot_be_simulated_is_named(
    name: str, given: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit 2, with the flag and what it takes."""
    flag = f"--{name.replace('_', '-')}"
    assert main(["queue", "simulate", flag, given]) == ExitCode.USAGE
    assert flag in capsys.readouterr().err


def test_where_nothing_landed_nothing_is_said_of_what_did(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """No tests a change, and no waiting."""
    argv = ["queue", "simulate", "--changes", "5", "--fail", "1", "--window", "2", "--batch", "2"]
    assert main(argv) == ExitCode.DONE
    rows = capsys.readouterr().out.splitlines()[1:5]
    assert [row.split()[-4:-1] for row in rows] == [["-", "-", "-"]] * 4
