"""How pull requests come to the queue, as conversations on a forge in memory: who may ask for what,
and what comes of it."""

from __future__ import annotations

import pytest

from oya_vcs.core import effects as f
from oya_vcs.core import events as e
from oya_vcs.core.pulls import Level, PullState, TryPull
from tests.pulling import Hub


@pytest.fixture
def hub() -> Hub:
    """Ann may write, bob and eve may read, tom may triage; bob has opened a pull request."""
    hub = Hub(ann=Level.WRITE, bob=Level.READ, eve=Level.READ, tom=Level.TRIAGE)
    hub.opens("bob", 7)
    return hub


def test_r_plus_approves_the_current_head_and_names_it(hub: Hub) -> None:
    """Commit, branch and message are pinned; the answer names commit, place and target."""
    hub.says("ann", 7, "@oya r+")
    template, fields = hub.last(7)
    assert template == "approved"
    assert fields["head"] == hub.head(7)
    assert (fields["by"], fields["place"], fields["target"]) == ("ann", "1", "main")
    change = hub.change("pr-7")
    assert change.head == hub.head(7)
    assert change.target == "main"
    assert change.message.startswith("Land #7: Topic 7\n\nWhy.\n\n")
    hub.passes("pr-7")
    assert hub.landed == ["pr-7"]
    assert "pr-7.txt" in hub.files
    assert hub.bead_state(7) == "landed"


def test_a_pull_request_never_has_a_slot_a_workspace_or_a_worker(hub: Hub) -> None:
    """Its author does the work: nothing is asked of a worker, however it ends."""
    hub.says("ann", 7, "@oya r+")
    hub.fails("pr-7")
    hub.says("ann", 7, "@oya retry")
    hub.passes("pr-7")
    asked = {type(one.effect) for one in hub.of(e.Requested) if isinstance(one, e.Requested)}
    assert not asked & {f.CreateWorkspace, f.RunWorker, f.CollectResult, f.OpenChange}
    assert not hub.of(e.AttemptClaimed)
    assert hub.landed == ["pr-7"]


def test_a_snapshot_alone_asks_for_nothing(hub: Hub) -> None:
    """No prefix, no API call: and no bead."""
    hub.pushes("bob", 7)
    assert not hub.pending
    assert not hub.forge.asked
    assert not hub.of(e.Requested)
    assert not hub.world.beads


def test_two_commands_in_one_comment_each_see_what_the_one_before_did(hub: Hub) -> None:
    """In their order, with one question about the speaker."""
    hub.says("ann", 7, "@oya r+\n@oya p=0\n@oya r-\n@oya r+ p=1")
    assert [one.template for one in hub.replies(7)] == ["approved", "done", "done", "approved"]
    assert len(hub.forge.asked) == 1
    assert hub.change("pr-7").priority == 1
    hub.passes("pr-7")
    assert hub.landed == ["pr-7"]


def test_an_unknown_command_is_answered_once_and_changes_nothing(hub: Hub) -> None:
    """Heard twice, answered once; nobody is asked what the speaker may do."""
    comment = hub.writes("eve", 7, "@oya lgtm")
    hub.hears(comment, comment)
    assert [one.template for one in hub.replies(7)] == ["faults"]
    assert hub.replies(7)[0].faults[0].meant == "@oya r+"
    assert not hub.forge.asked
    assert not hub.world.beads


def test_the_same_comment_again_is_nothing_new(hub: Hub) -> None:
    """Edited, or brought by webhook and poll: obeyed once, recorded once."""
    comment = hub.writes("ann", 7, "@oya r+")
    hub.hears(comment)
    rows = len(hub.rows)
    hub.hears(comment)
    assert len(hub.rows) == rows


def test_r_plus_without_the_right_is_refused(hub: Hub) -> None:
    """Neither a reader nor the author may approve, and the answer says what it takes."""
    for who in ("eve", "bob", "tom"):
        hub.says(who, 7, "@oya r+")
        template, fields = hub.last(7)
        assert template == "refused"
        assert "write permission" in fields["mend"]
    assert not hub.world.beads


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"draft": True}, "draft"),
        ({"state": PullState.CLOSED}, "closed"),
        ({"state": PullState.MERGED}, "merged"),
        ({"title": "WIP: not yet"}, "WIP"),
        ({"title": "[wip] not yet"}, "WIP"),
        ({"labels": ("Blocked",)}, "Blocked"),
        ({"mergeable": False}, "does not merge"),
        ({"base": "release"}, "release"),
    ],
)
def test_what_cannot_land_is_refused_with_the_reason(
    hub: Hub, change: dict[str, object], why: str
) -> None:
    """Draft, closed, merged, WIP, blocked, dirty, or to land elsewhere."""
    hub.edits("bob", 7, **change)
    hub.says("ann", 7, "@oya r+")
    template, fields = hub.last(7)
    assert template == "refused"
    assert why in fields["why"]
    assert not hub.world.changes


@pytest.mark.parametrize("title", ["Wipe the disk", "Undo DNMX", "A WIP of mine"])
def test_a_title_that_only_looks_like_wip_is_none(hub: Hub, title: str) -> None:
    """The word stands in front, as a word."""
    hub.edits("bob", 7, title=title)
    hub.says("ann", 7, "@oya r+")
    assert hub.last(7)[0] == "approved"


def test_unknown_mergeability_does_not_refuse(hub: Hub) -> None:
    """GitHub may not know for long."""
    assert hub.forge.pulls[7].mergeable is None
    hub.says("ann", 7, "@oya r+")
    assert hub.last(7)[0] == "approved"


def test_r_plus_of_another_commit_is_refused(hub: Hub) -> None:
    """The right one, shortened, is taken."""
    hub.says("ann", 7, "@oya r+ 0123456789")
    assert hub.last(7)[0] == "refused"
    assert hub.head(7) in hub.last(7)[1]["why"]
    hub.says("ann", 7, f"@oya r+ {hub.head(7)[:9]}")
    assert hub.last(7)[0] == "approved"


def test_an_approval_is_not_given_to_what_was_pushed_after_it_was_written(hub: Hub) -> None:
    """The push is known when the comment arrives: who wrote it had not seen that commit."""
    comment = hub.writes("ann", 7, "@oya r+")
    hub.pushes("bob", 7)
    hub.hears(comment)
    template, fields = hub.last(7)
    assert template == "refused"
    assert hub.head(7)[:12] in fields["mend"]
    hub.says("ann", 7, f"@oya r+ {hub.head(7)[:12]}")
    assert hub.last(7)[0] == "approved"


def test_a_second_r_plus_keeps_the_place(hub: Hub) -> None:
    """Nothing is built again, and those behind stay behind."""
    hub.opens("bob", 8)
    hub.opens("bob", 9)
    for number in (7, 8, 9, 8, 7):
        hub.says("ann", number, "@oya r+")
    assert hub.queue.place(hub.change("pr-8").id) == 2
    assert len(hub.of(e.ChangeQueued)) == 3
    hub.passes("pr-7", "pr-8", "pr-9")
    assert hub.landed == ["pr-7", "pr-8", "pr-9"]


def test_r_plus_after_a_failure_tries_again(hub: Hub) -> None:
    """A failure ends the request with its reason; another word is another request."""
    hub.says("ann", 7, "@oya r+")
    hub.fails("pr-7", said="boom")
    assert hub.bead_state(7) == "failed"
    assert hub.told(7).state == "failed"
    assert hub.world.changes[hub.change("pr-7").id].reason is e.Reason.CHECK_FAILED
    assert "boom" in hub.world.bead(hub.change("pr-7").bead).detail
    hub.says("ann", 7, "@oya r+")
    hub.passes("pr-7")
    assert hub.landed == ["pr-7"]


def test_a_failure_alone_is_not_tried_again(hub: Hub) -> None:
    """Also where it was approved twice: an approval is used up with its change."""
    hub.says("ann", 7, "@oya r+")
    hub.says("ann", 7, "@oya r+")
    hub.fails("pr-7")
    hub.polls(7)
    hub.edits("bob", 7, labels=("nice",))
    assert len(hub.of(e.PullTaken)) == 1
    assert hub.bead_state(7) == "failed"


def test_retry_is_for_what_failed_and_nothing_else(hub: Hub) -> None:
    """Not before a failure, and not for another commit."""
    hub.says("ann", 7, "@oya retry")
    assert hub.last(7)[0] == "refused"
    hub.says("ann", 7, "@oya r+")
    hub.fails("pr-7")
    hub.pushes("bob", 7)
    hub.says("ann", 7, "@oya retry")
    assert hub.last(7)[0] == "refused"
    assert "r+" in hub.last(7)[1]["mend"]


def test_r_equals_names_whose_word_it_is(hub: Hub) -> None:
    """In the name of others, by one who may approve."""
    hub.says("ann", 7, "@oya r=cat,dan")
    assert hub.last(7)[1]["by"] == "cat, dan"
    hub.says("eve", 7, "@oya r=ann")
    assert hub.last(7)[0] == "refused"


def test_r_minus_takes_an_approval_back_also_by_the_author(hub: Hub) -> None:
    """It waits for another approval, at its place in time, and the target stays as it is."""
    hub.says("ann", 7, "@oya r+")
    hub.says("eve", 7, "@oya r-")
    assert hub.last(7)[0] == "refused"
    hub.says("bob", 7, "@oya r-")
    assert hub.last(7)[0] == "done"
    assert hub.testing == []
    assert hub.told(7).state == "waiting"
    hub.says("ann", 7, "@oya r+")
    hub.passes("pr-7")
    assert hub.landed == ["pr-7"]


def test_a_delegate_may_approve_until_that_ends(hub: Hub) -> None:
    """Of the one that was delegated, and of no other."""
    hub.opens("bob", 8)
    hub.says("ann", 7, "@oya delegate=Eve")
    hub.says("eve", 8, "@oya r+")
    assert hub.last(8)[0] == "refused"
    hub.says("eve", 7, "@oya r+")
    assert hub.last(7)[0] == "approved"
    hub.says("ann", 7, "@oya delegate-\n@oya r-")
    hub.says("eve", 7, "@oya r+")
    assert hub.last(7)[0] == "refused"


def test_a_delegate_is_an_account_and_not_a_name(hub: Hub) -> None:
    """Who takes the name that somebody gave up gets none of his rights; he keeps them under
    another. Nothing is delegated to a name that nobody has."""
    hub.says("ann", 7, "@oya delegate=eve")
    people = hub.forge.people
    people["eva"] = people.pop("eve")
    people["eve"] = (999, Level.READ)
    hub.says("eve", 7, "@oya r+")
    assert hub.last(7)[0] == "refused"
    hub.says("eva", 7, "@oya r+")
    assert hub.last(7)[0] == "approved"
    hub.says("ann", 7, "@oya delegate=nobody")
    template, fields = hub.last(7)
    assert (template, fields["why"]) == ("refused", "nobody is called nobody.")
    assert "nobody" not in hub.pull(7).delegates


def test_priority_before_and_after_an_approval(hub: Hub) -> None:
    """It approves nothing by itself."""
    hub.opens("bob", 8)
    hub.opens("bob", 9)
    hub.says("ann", 7, "@oya r+")
    hub.says("ann", 8, "@oya r+")
    hub.says("ann", 9, "@oya p=0")
    assert hub.bead_state(9) == ""
    hub.says("ann", 9, "@oya r+")
    assert hub.change("pr-9").priority == 0
    hub.passes("pr-7", "pr-9", "pr-8")
    assert hub.landed == ["pr-7", "pr-9", "pr-8"]


def test_hold_and_release_keep_the_approval(hub: Hub) -> None:
    """Held before and after it; released, it goes on without another word."""
    hub.says("bob", 7, "@oya hold")
    hub.says("ann", 7, "@oya r+")
    assert "held by bob" in hub.last(7)[1]["note"]
    assert hub.world.changes == {}
    hub.says("bob", 7, "@oya release")
    assert hub.last(7)[0] == "refused"
    hub.says("ann", 7, "@oya release")
    assert hub.testing == ["pr-7"]
    hub.says("ann", 7, "@oya hold")
    assert hub.testing == []
    assert hub.told(7).state == "held"
    hub.says("ann", 7, "@oya release")
    hub.passes("pr-7")
    assert hub.landed == ["pr-7"]


def test_cancel_takes_it_out_and_an_approval_brings_it_back(hub: Hub) -> None:
    """What runs for it is stopped."""
    hub.says("ann", 7, "@oya r+")
    hub.says("bob", 7, "@oya cancel")
    assert hub.world.stops
    key = next(iter(hub.world.stops))
    change = hub.change("pr-7")
    assert change.candidate is not None
    ended = e.ChecksFinished(
        key=key,
        bead=change.bead,
        change=change.id,
        candidate=change.candidate,
        reason=e.Reason.CANCELLED,
        check="",
        detail="",
    )
    hub.carry_out(key, ended)
    hub.settle()
    assert hub.bead_state(7) == "cancelled"
    assert hub.told(7).state == "cancelled"
    hub.says("ann", 7, "@oya r+")
    hub.passes("pr-7")
    assert hub.landed == ["pr-7"]


def test_squash_lands_it_as_one_commit(hub: Hub) -> None:
    """Said after it was built: it is built again, and the approval stands."""
    hub.pushes("bob", 7)
    hub.says("ann", 7, "@oya r+")
    hub.says("ann", 7, "@oya squash")
    hub.passes("pr-7")
    tip = hub.here.outside.commits[hub.here.outside.tips[-1]]
    assert len(tip.parents) == 1
    assert {"pr-7.txt", "more.txt"} <= set(tip.files)


def test_the_tree_closes_and_opens_by_a_comment(hub: Hub) -> None:
    """As `queue close` does it; what is being tested goes on."""
    hub.opens("bob", 8)
    hub.says("ann", 7, "@oya r+")
    hub.says("ann", 7, "@oya treeclosed=1 the disk is full")
    hub.says("ann", 8, "@oya r+")
    hub.passes("pr-7")
    assert hub.landed == ["pr-7"]
    assert hub.testing == []
    hub.says("eve", 7, "@oya treeopen")
    assert hub.last(7)[0] == "refused"
    hub.says("ann", 7, "@oya treeopen")
    hub.passes("pr-8")
    assert hub.landed == ["pr-7", "pr-8"]


def test_try_tests_and_lands_nothing(hub: Hub) -> None:
    """It is a right of its own."""
    hub.says("bob", 7, "@oya try")
    assert hub.last(7)[0] == "refused"
    hub.says("tom", 7, "@oya try")
    assert [one.template for one in hub.replies(7)][-2:] == ["done", "done"]
    assert "passed" in hub.last(7)[1]["what"]
    hub.here.bad.add("pr-7")
    hub.says("tom", 7, "@oya try")
    assert hub.last(7)[0] == "failed"
    assert hub.landed == []
    assert len(hub.here.outside.tips) == 1


def test_a_trial_can_be_cancelled(hub: Hub) -> None:
    """It ends, and says so."""
    hub.take(hub.writes("tom", 7, "@oya try"))
    hub.settle(TryPull)
    hub.take(hub.writes("tom", 7, "@oya try cancel"))
    hub.settle(TryPull)
    (key,) = hub.world.stops
    effect = hub.pending[key]
    assert isinstance(effect, TryPull)
    hub.carry_out(
        key,
        e.PullTried(
            key=key,
            bead=effect.bead,
            repo=effect.repo,
            number=7,
            round=effect.round,
            candidate=None,
            reason=hub.world.stops[key],
            check="",
            detail="",
        ),
    )
    hub.settle()
    assert "stopped" in hub.last(7)[1]["what"]
    hub.says("tom", 7, "@oya try cancel")
    assert hub.last(7)[0] == "refused"


def test_status_and_help_are_for_everybody(hub: Hub) -> None:
    """Nobody is asked what the speaker may do."""
    hub.says("eve", 7, "@oya help")
    hub.says("eve", 7, "@oya status")
    assert [one.template for one in hub.replies(7)] == ["help", "done"]
    assert not hub.forge.asked
