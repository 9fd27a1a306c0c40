"""The promises of the merge queue (docs/MERGE_QUEUE.md), each with a test that names it."""

from __future__ import annotations

import pytest

from oya_vcs.core import effects as f
from oya_vcs.core import events as e
from oya_vcs.core.ids import CommitId
from oya_vcs.core.merge import MergeRules
from oya_vcs.core.merge.order import OVERTAKERS_MAX
from oya_vcs.core.queue_words import QueueVerb, Word, hear
from oya_vcs.errors import InputInvalid
from tests.merging import Scene


def lands_of(talk: Scene) -> list[f.Land]:
    """Every landing that was asked for."""
    asked = [row.event.effect for row in talk.rows if isinstance(row.event, e.Requested)]
    return [one for one in asked if isinstance(one, f.Land)]


def test_promise_01_the_tree_that_lands_is_the_tree_that_was_tested() -> None:
    """Each tip that we make has the tree of a candidate whose checks passed; `Scene` compares at
    every landing, and here once more at the end."""
    talk = Scene(rules=MergeRules(window_max=3))
    talk.submit("a", "b", "c")
    talk.passes("c", "a", "b")
    outside = talk.here.outside
    assert [outside.tree(tip) in outside.tested for tip in outside.tips[1:]] == [True, True]
    assert outside.tree(outside.tips[-1]) == lands_of(talk)[-1].tree


def test_promise_02_landing_is_a_swap_from_the_tested_base() -> None:
    """Somebody pushes while A is tested: nothing of ours lands on that; A is built again on it."""
    talk = Scene()
    talk.submit("a")
    before = talk.here.outside.target
    pushed = talk.push()
    talk.passes("a")
    assert lands_of(talk)[0].base == before
    assert talk.landed == []
    talk.passes("a")
    assert lands_of(talk)[1].base == pushed
    assert talk.files == {"README", "a.txt", "theirs"}


@pytest.mark.parametrize(
    ("what", "reason"),
    [("head", "pushed"), ("tree", "pushed"), ("target", "retargeted"), ("message", "edited")],
)
def test_promise_03_only_what_was_approved_lands(what: str, reason: str) -> None:
    """Another commit, tree, branch or message ends the approval, with one notice; approved as it
    is now it lands, on this branch only. Saying what is so already changes nothing."""
    talk = Scene(rules=MergeRules(window_max=2))
    talk.submit("a", "b")
    change = talk.change("a")
    now = {
        "head": change.head,
        "tree": change.head_tree,
        "target": change.target,
        "message": change.message,
    }
    same = e.ChangeAmended(bead=change.bead, change=change.id, **now)  # type: ignore[arg-type]
    talk.take(same)
    assert talk.of(e.ApprovalDropped) == []
    if what == "head":
        theirs = talk.here.outside.commit(
            {"README": "hello", "a.txt": "theirs"}, (talk.here.outside.tips[0],), "Theirs"
        )
        now["head"] = theirs
    elif what == "message":
        now["message"] = f"Another\n\nOya-Change: {change.id}\n"
    else:
        now[what] = "d" * 40
    amended = e.ChangeAmended(bead=change.bead, change=change.id, **now)  # type: ignore[arg-type]
    talk.take(amended, amended)
    talk.settle()
    dropped = talk.of(e.ApprovalDropped)
    assert [str(getattr(one, "reason", "")) for one in dropped] == [reason]
    word = Word(verb=QueueVerb.APPROVE, change="a", who="ann", head=str(now["head"]))
    if what == "target":  # this queue lands on one branch only
        with pytest.raises(InputInvalid, match="and this queue lands on main"):
            hear(talk.world, word)
        talk.take(same)
        talk.settle()
    if what == "head":  # what somebody else pushed, nobody approves by itself
        assert "Waits for an approval" in talk.says("a")
        event = hear(talk.world, word).event
        assert event is not None
        talk.take(event)
        talk.settle()
    assert talk.testing[0] == "b"
    talk.passes("b", "a")
    assert talk.landed == ["b", "a"]


def test_promise_03_an_approval_of_another_commit_is_refused() -> None:
    """`approve --head` of what it is not says what it is."""
    talk = Scene(rules=MergeRules(approval="manual"))
    talk.submit("a")
    assert talk.testing == []
    with pytest.raises(InputInvalid, match="is at"):
        hear(talk.world, Word(verb=QueueVerb.APPROVE, change="a", head="0" * 40))
    other = CommitId("0" * 40)
    change = talk.change("a")
    talk.take(e.ChangeApproved(bead=change.bead, change=change.id, head=other, by="ann"))
    assert "Waits for an approval" in talk.says("a")


def test_promise_04_a_result_counts_for_its_candidate_only_and_the_first_one_wins() -> None:
    """A pass for an older candidate lands nothing; a second result changes nothing."""
    talk = Scene()
    talk.submit("a")
    old = talk._check_of("a")
    talk.take(e.TargetMoved(repo=talk.repo, commit=talk.push()))
    talk.settle()
    talk.carry_out(old)
    assert talk.landed == []
    change = talk.change("a")
    assert change.passed is None
    talk.fails("a")
    assert talk.state("a") == "failed"


def test_promise_04_no_checks_is_a_refusal() -> None:
    """Zero checks never pass."""
    talk = Scene()
    talk.submit("a")
    talk.fails("a", e.Reason.NO_CHECKS)
    assert talk.state("a") == "failed"
    assert talk.landed == []


def test_promise_05_what_is_assumed_must_be_settled() -> None:
    """B has passed on top of A, which is landing: merging is not merged, and B waits."""
    talk = Scene(rules=MergeRules(window_max=2))
    talk.submit("a", "b")
    talk.carry_out(talk._check_of("a"))
    talk.carry_out(talk._check_of("b"))
    assert [one.change for one in lands_of(talk)] == ["a.1"]
    talk.settle()
    assert [one.change for one in lands_of(talk)] == ["a.1", "b.1"]


def test_promise_06_a_batch_lands_whole_or_not_at_all() -> None:
    """One move of the target for all; where it fails, none of them has landed."""
    talk = Scene(rules=MergeRules(batch_max=3))
    talk.submit("head")
    talk.submit("a", "b", "c")
    talk.passes("head")
    assert talk.testing == ["a+b+c"]
    talk.push()
    talk.passes("c")
    assert talk.landed == ["head"]
    talk.passes("c")
    assert sorted(talk.landed) == ["a", "b", "c", "head"]
    assert len(talk.here.outside.tips) == 4


def test_promise_07_every_end_has_a_reason_and_every_wait_a_sentence() -> None:
    """In each place of the queue."""
    talk = Scene(rules=MergeRules(window_max=2, approval="manual"))
    talk.submit("a", "b", "c", "d")
    for name in ("a", "b", "c"):
        change = talk.change(name)
        talk.take(e.ChangeApproved(bead=change.bead, change=change.id, head=change.head, by="ann"))
        talk.settle()
    talk.fails("b")
    sentences = {talk.says(name) for name in "abcd"}
    assert len(sentences) == 4
    talk.fails("a")
    assert talk.change("a").reason is e.Reason.CHECK_FAILED


def test_promise_07_an_item_is_overtaken_a_bounded_number_of_times() -> None:
    """However many urgent ones come, the one of priority 1 is next after so many."""
    talk = Scene()
    talk.submit("head")
    talk.submit("patient", priority=1)
    for number in range(OVERTAKERS_MAX + 5):
        talk.submit(f"urgent-{number:02}", priority=0)
    landed = 0
    while talk.state("patient") != "landed":
        talk.passes(talk.testing[0])
        landed += 1
    assert landed == OVERTAKERS_MAX + 1


def test_promise_08_what_fails_beside_the_landing_does_not_block_it() -> None:
    """A workspace that cannot be removed and pins that cannot be dropped stop nothing."""
    talk = Scene()
    talk.submit("a", "b")
    talk.carry_out(talk._check_of("a"))
    talk.settle(f.RemoveWorkspace)
    for key, effect in list(talk.pending.items()):
        if isinstance(effect, f.RemoveWorkspace):
            talk.carry_out(
                key,
                e.EffectFailed(
                    key=key,
                    bead=effect.bead,
                    kind="RemoveWorkspace",
                    workspace=effect.workspace,
                    message="It is in use.",
                ),
            )
    talk.passes("b")
    assert talk.landed == ["a", "b"]


def test_promise_09_what_is_heard_twice_or_late_changes_nothing() -> None:
    """The same words again, and old ones about what is over, add no change of state."""
    talk = Scene()
    talk.submit("a", "b")
    change = talk.change("a")
    said = [
        e.ChangeApproved(bead=change.bead, change=change.id, head=change.head, by="ann"),
        e.ChangeAmended(
            bead=change.bead,
            change=change.id,
            head=change.head,
            tree=change.head_tree,
            target=change.target,
            message=change.message,
        ),
    ]
    talk.take(*said, *said)
    talk.passes("a")
    late = [
        e.ChangeClosed(bead=change.bead, change=change.id, by="ann"),
        e.ChangeRejected(bead=change.bead, change=change.id, by="ann", note="No."),
    ]
    talk.take(*late, *late, *said)
    assert talk.state("a") == "landed"
    talk.passes("b")
    assert talk.landed == ["a", "b"]


def test_promise_10_one_poisoned_item_stops_no_other() -> None:
    """A candidate that cannot be checked is held with the world's words; the next goes on."""
    talk = Scene(rules=MergeRules(window_max=2))
    talk.submit("poisoned")
    change = talk.change("poisoned")
    key = talk._check_of("poisoned")
    talk.carry_out(
        key,
        e.EffectFailed(
            key=key, bead=change.bead, kind="RunChecks", workspace=None, message="404 Not Found"
        ),
    )
    talk.submit("b", "c")
    talk.passes("b", "c")
    assert talk.landed == ["b", "c"]
    assert "404 Not Found" in talk.says("poisoned")


def test_promise_11_the_queue_asks_for_nothing_in_a_live_workspace() -> None:
    """What it asks for names commits; the only effect on a workspace is its removal, when its bead
    has landed or is tried again."""
    talk = Scene(rules=MergeRules(window_max=2, batch_max=2))
    talk.submit("a", "b", "c")
    asked = [row.event.effect for row in talk.rows if isinstance(row.event, e.Requested)]
    queue = f.BuildCandidate | f.RunChecks | f.Land | f.DropCandidates
    assert not any(hasattr(one, "workspace") for one in asked if isinstance(one, queue))


def test_promise_12_a_conflict_is_never_resolved_by_the_queue() -> None:
    """It goes back to its worker, with the files and what landed meanwhile."""
    talk = Scene(attempts_max=2)
    talk.submit("a", writes={"same": "a"})
    talk.submit("b", writes={"same": "b"})
    talk.passes("a")
    assert talk.landed == ["a"]
    feedback = talk.here.told["b"][1]
    assert "These files conflict:\n  same" in feedback
    assert "Meanwhile these landed:\n  a (commit" in feedback
    assert talk.change("b").attempt == 2
    talk.passes("b")
    assert talk.landed == ["a", "b"]


def test_promise_13_what_the_target_holds_already_is_closed_as_landed() -> None:
    """Somebody landed A by hand: its checks run on the target, and it is found landed, once."""
    talk = Scene()
    talk.submit("first", "a")
    change = talk.change("a")
    files = talk.here.outside.commits[change.head].files
    target = talk.here.outside.target
    assert target is not None
    on = (target, change.head)
    talk.here.outside.move_target(talk.here.outside.commit(files, on, "By hand"))
    talk.passes("first")
    talk.passes("first")
    talk.passes("a")
    assert talk.of(e.FoundLanded) != []
    assert talk.landed == ["first", "a"]
    assert talk.change("a").reason is e.Reason.ALREADY_LANDED
