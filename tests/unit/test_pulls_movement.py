"""Pull requests that move while they are in the queue, and those of beads, as conversations on a
forge in memory."""

from __future__ import annotations

from dataclasses import replace

import pytest

from oya_vcs.core import effects as f
from oya_vcs.core import events as e
from oya_vcs.core.pulls import AskPermission, Level, PullState, Reply, TellStatus
from tests.pulling import Hub


@pytest.fixture
def hub() -> Hub:
    """Ann may write, bob and eve may read, tom may triage; bob has opened a pull request."""
    hub = Hub(ann=Level.WRITE, bob=Level.READ, eve=Level.READ, tom=Level.TRIAGE)
    hub.opens("bob", 7)
    return hub


# --- Labels, and back again -----------------------------------------------------------------------


def test_rework_gives_it_back_with_the_note_and_the_reviews(hub: Hub) -> None:
    """A person's waits for the author's push; then it has to be approved."""
    hub.reviews("eve", 7, "The name is wrong.")
    hub.says("ann", 7, "@oya r+")
    hub.says("ann", 7, "@oya rework and mind the tests")
    assert hub.bead_state(7) == "reworking"
    feedback = hub.world.bead(hub.change("pr-7").bead).feedback
    assert "mind the tests" in feedback
    assert "The name is wrong." in feedback
    assert hub.told(7).state == "rework"
    hub.pushes("bob", 7)
    assert hub.bead_state(7) == "reworking"
    hub.says("ann", 7, "@oya r+")
    hub.passes("pr-7")
    assert hub.landed == ["pr-7"]


def test_labels_do_the_same(hub: Hub) -> None:
    """By the right of who set them, whatever else is there; taken away, they take back."""
    hub.labels("eve", 7, "oya:queue")
    assert hub.last(7)[0] == "refused"
    assert not hub.world.changes
    hub.labels("eve", 7)
    hub.labels("ann", 7, "oya:queue", "oya:priority/0", "other")
    assert hub.change("pr-7").priority == 0
    assert hub.testing == ["pr-7"]
    hub.labels("ann", 7, "oya:queue", "oya:priority/0", "oya:hold")
    assert hub.testing == []
    hub.labels("ann", 7, "oya:queue", "oya:priority/0")
    assert hub.testing == ["pr-7"]
    hub.labels("ann", 7)
    assert hub.testing == []
    assert hub.told(7).state == "waiting"


def test_a_comment_that_comes_before_its_pull_request_is_seen(hub: Hub) -> None:
    """Whoever answers what its author may do tells what the pull request is."""
    with hub.quiet() as late:
        hub.opens("bob", 9)
    hub.says("ann", 9, "@oya r+")
    assert hub.last(9)[0] == "approved"
    hub.hears(*late)
    hub.passes("pr-9")
    assert hub.landed == ["pr-9"]


# --- Movement -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"title": "Another topic"}, "edited"),
        ({"body": "Because."}, "edited"),
        ({"base": "release"}, "release"),
        ({"draft": True}, "draft"),
        ({"labels": ("blocked",)}, "blocked"),
    ],
)
def test_what_is_not_what_was_approved_is_dropped_with_one_notice(
    hub: Hub, change: dict[str, object], why: str
) -> None:
    """Retargeted, edited, a draft again: the candidate is given up, and that is said once."""
    hub.says("ann", 7, "@oya r+")
    hub.edits("bob", 7, **change)
    hub.polls(7)
    hub.edits("bob", 7, mergeable=True)
    notices = [one for one in hub.replies(7) if one.template == "dropped"]
    assert len(notices) == 1
    assert why in notices[0].fields[0].value
    assert hub.testing == []
    assert hub.told(7).state == "waiting"
    assert hub.landed == []


def test_a_push_drops_the_approval_and_the_next_one_starts_at_once(hub: Hub) -> None:
    """Found by a poll alone; the approved commit never lands."""
    hub.opens("bob", 8)
    hub.says("ann", 7, "@oya r+")
    hub.says("ann", 8, "@oya r+")
    was = hub.head(7)
    with hub.quiet():
        hub.pushes("bob", 7)
    assert hub.testing == ["pr-7"]
    hub.polls(7)
    assert hub.testing == ["pr-8"]
    template, fields = hub.last(7)
    assert (template, fields["head"]) == ("dropped", was)
    assert hub.head(7) in fields["why"]
    hub.says("ann", 7, "@oya r+")
    hub.passes("pr-8", "pr-7")
    assert hub.landed == ["pr-8", "pr-7"]
    assert "more.txt" in hub.files


def test_a_push_while_the_candidate_is_built_and_an_approval_of_it(hub: Hub) -> None:
    """The new commit is tested, and nothing of the old one lands."""
    hub.take(hub.writes("ann", 7, "@oya r+"))
    hub.settle(f.BuildCandidate)
    with hub.quiet() as late:
        new = hub.pushes("bob", 7)
    hub.take(*late)
    hub.take(hub.writes("ann", 7, "@oya r+"))
    hub.settle(f.BuildCandidate)
    hub.settle()
    assert hub.change("pr-7").head == new
    hub.passes("pr-7")
    assert "more.txt" in hub.files


def test_our_own_push_drops_nothing() -> None:
    """For squashed and rebased ones the head is moved to what lands, first."""
    hub = Hub(ann=Level.WRITE, bob=Level.READ)
    hub.opens("bob", 7)
    hub.says("ann", 7, "@oya squash\n@oya r+")
    hub.carry_out(next(key for key, one in hub.pending.items() if isinstance(one, f.RunChecks)))
    land = next(one for one in hub.pending.values() if isinstance(one, f.Land))
    assert [one.number for one in land.pulls] == [7]
    assert land.pulls[0].commit != hub.head(7)
    seen = hub.forge.pulls[7]
    hub.take(replace(seen, head=land.pulls[0].commit, updated_ms=seen.updated_ms + 1))
    assert not hub.of(e.PullApprovalEnded)
    hub.settle()
    assert hub.landed == ["pr-7"]
    assert not [one for one in hub.replies(7) if one.template == "dropped"]


def test_closed_by_hand_it_leaves_and_opened_again_it_waits(hub: Hub) -> None:
    """The bead says so; the others go on."""
    hub.opens("bob", 8)
    hub.says("ann", 7, "@oya r+")
    hub.says("ann", 8, "@oya r+")
    hub.edits("bob", 7, state=PullState.CLOSED)
    assert hub.bead_state(7) == "failed"
    assert hub.world.bead(hub.change("pr-7").bead).reason is e.Reason.CLOSED
    assert hub.told(7).state == "closed"
    hub.passes("pr-8")
    hub.edits("bob", 7, state=PullState.OPEN)
    assert hub.landed == ["pr-8"]
    hub.says("ann", 7, "@oya r+")
    hub.passes("pr-7")
    assert hub.landed == ["pr-8", "pr-7"]


def test_merged_by_hand_while_queued_it_is_found_landed(hub: Hub) -> None:
    """Approved or not any more: the target holds it, and the checks say whether that is well."""
    hub.says("ann", 7, "@oya r+")
    hub.says("ann", 7, "@oya r-")
    outside = hub.here.outside
    assert outside.target is not None
    files = {**outside.commits[outside.target].files, "pr-7.txt": "by hand"}
    outside.move_target(outside.commit(files, (outside.target, hub.head(7)), "Merge"))
    hub.edits("ann", 7, state=PullState.MERGED)
    hub.passes("pr-7")
    assert hub.bead_state(7) == "landed"
    assert hub.told(7).state == "landed"
    assert hub.of(e.FoundLanded)


def test_one_poisoned_pull_request_stops_no_other(hub: Hub) -> None:
    """A head that is not there (a deleted fork) is held with the world's words."""
    hub.opens("bob", 8)
    hub.says("ann", 7, "@oya r+")
    hub.says("ann", 8, "@oya r+")
    key = next(
        key
        for key, one in hub.pending.items()
        if isinstance(one, f.RunChecks) and one.bead == "pr-7"
    )
    effect = hub.pending[key]
    failed = e.EffectFailed(
        key=key, bead=effect.bead, kind="RunChecks", workspace=None, message="The fork is gone."
    )
    hub.carry_out(key, failed)
    hub.settle()
    hub.passes("pr-8")
    assert hub.landed == ["pr-8"]
    hub.says("ann", 7, "@oya retry")
    hub.passes("pr-7")
    assert hub.landed == ["pr-8", "pr-7"]


def test_what_cannot_be_asked_or_said_stops_nothing(hub: Hub) -> None:
    """The forge refuses the question for good: the answer says so, and the next one is heard."""
    hub.take(hub.writes("ann", 7, "@oya r+"))
    (key,) = [key for key, one in hub.pending.items() if isinstance(one, AskPermission)]
    failed = e.EffectFailed(
        key=key,
        bead=hub.pending[key].bead,
        kind="AskPermission",
        workspace=None,
        message="404.",
    )
    hub.carry_out(key, failed)
    hub.settle()
    assert hub.last(7)[0] == "refused"
    hub.take(hub.writes("ann", 7, "@oya r+"))
    while keys := [key for key, one in hub.pending.items() if isinstance(one, Reply | TellStatus)]:
        effect = hub.pending[keys[0]]
        hub.carry_out(
            keys[0],
            e.EffectFailed(
                key=keys[0],
                bead=effect.bead,
                kind=type(effect).__name__,
                workspace=None,
                message="403.",
            ),
        )
    hub.settle()
    hub.passes("pr-7")
    assert hub.landed == ["pr-7"]


# --- Beads ----------------------------------------------------------------------------------------


def test_a_bead_of_ours_and_its_pull_request_are_one() -> None:
    """Its result is shown as a pull request, and comments there speak about the bead."""
    hub = Hub(ann=Level.WRITE)
    hub.submit("one")
    number = next(iter(hub.forge.pulls))
    assert hub.pull(number).bead == "one"
    hub.says("ann", number, "@oya hold")
    assert hub.testing == []
    hub.says("ann", number, "@oya release")
    hub.passes("one")
    assert hub.landed == ["one"]
    assert hub.told(number).state == "landed"
    assert "pr-" not in "".join(hub.world.beads)


def test_a_review_goes_back_to_the_worker_as_feedback() -> None:
    """`rework` gives the worker the note and the reviews, and the next result is the same pull
    request."""
    hub = Hub(ann=Level.WRITE)
    hub.submit("one")
    number = next(iter(hub.forge.pulls))
    hub.reviews("ann", number, "The name is wrong.")
    hub.says("ann", number, "@oya rework please")
    assert any("The name is wrong." in one and "please" in one for one in hub.here.told["one"])
    hub.polls(number)
    hub.passes("one")
    assert hub.landed == ["one"]
    assert not [one for one in hub.replies(number) if one.template == "dropped"]


def test_a_review_that_requests_changes_gives_a_bead_back() -> None:
    """Of somebody who may write, as `rework` would, with its text; of anybody else it is a note for
    later, without a word. What is in no queue is left alone."""
    hub = Hub(ann=Level.WRITE, bob=Level.READ)
    hub.submit("one")
    number = next(iter(hub.forge.pulls))
    hub.wants_changes("bob", number, "I do not like it.")
    assert hub.testing == ["one"]
    assert not hub.replies(number)
    hub.wants_changes("ann", number, "The name is wrong.")
    assert any("The name is wrong." in one and "not like" in one for one in hub.here.told["one"])
    assert hub.last(number) == ("done", {"what": "It goes back to a worker."})
    hub.passes("one")
    assert hub.landed == ["one"]
    hub.wants_changes("ann", number, "Too late.")
    assert len(hub.replies(number)) == 1


def test_a_review_that_requests_changes_takes_a_persons_out_until_it_is_approved_again(
    hub: Hub,
) -> None:
    """One that was written before the approval says nothing any more, whenever it is heard of; nor
    does one of something that nobody approved."""
    hub.wants_changes("ann", 7, "Not like this.")
    assert not hub.forge.asked
    with hub.quiet() as late:
        hub.wants_changes("ann", 7, "Nor like that.")
    hub.says("ann", 7, "@oya r+")
    hub.hears(*late)
    assert hub.testing == ["pr-7"]
    hub.wants_changes("ann", 7, "Oh.")
    assert hub.testing == []
    assert hub.bead_state(7) == "reworking"
    hub.says("ann", 7, "@oya r+")
    hub.passes("pr-7")
    assert hub.landed == ["pr-7"]


def test_a_beads_pull_request_closed_by_hand_ends_the_bead() -> None:
    """And the bead says who and why."""
    hub = Hub(ann=Level.WRITE)
    hub.submit("one")
    number = next(iter(hub.forge.pulls))
    hub.edits("ann", number, state=PullState.CLOSED)
    bead = hub.world.bead(hub.change("one").bead)
    assert hub.state("one") == "failed"
    assert bead.reason is e.Reason.CLOSED
    assert "ann" in bead.detail


def test_a_push_of_somebody_to_a_beads_branch_waits_for_an_approval() -> None:
    """Nobody has to approve a worker's result; what somebody else made of it, somebody has to."""
    hub = Hub(ann=Level.WRITE)
    hub.submit("one")
    number = next(iter(hub.forge.pulls))
    hub.pushes("ann", number)
    assert hub.last(number)[0] == "dropped"
    assert hub.testing == []
    hub.says("ann", number, "@oya r+")
    hub.passes("one")
    assert "more.txt" in hub.files


# --- The status -----------------------------------------------------------------------------------


def test_the_status_is_told_only_when_it_says_something_else(hub: Hub) -> None:
    """One at a time; of what changes meanwhile the last is said."""
    hub.says("ann", 7, "@oya r+")
    hub.passes("pr-7")
    said = [one.state for one in hub.forge.statuses[7]]
    assert said[-1] == "landed"
    assert len(said) <= 4
    assert [one.round for one in hub.forge.statuses[7]] == list(range(1, len(said) + 1))
    hub.polls(7)
    assert len(hub.forge.statuses[7]) == len(said)


def test_a_slow_forge_is_told_the_newest_status_only(hub: Hub) -> None:
    """While one waits to be told, no other is asked for."""
    hub.take(hub.writes("ann", 7, "@oya r+"))
    hub.settle(TellStatus)
    hub.carry_out(next(key for key, one in hub.pending.items() if isinstance(one, f.RunChecks)))
    hub.settle(TellStatus)
    waiting = [one for one in hub.pending.values() if isinstance(one, TellStatus)]
    assert len(waiting) == 1
    hub.settle()
    assert [one.state for one in hub.forge.statuses[7]] == [waiting[0].state, "landed"]


def test_what_waits_in_line_is_not_told_again_with_every_landing() -> None:
    """The number of statuses does not grow with the queue."""
    hub = Hub(ann=Level.WRITE, bob=Level.READ)
    for number in range(1, 9):
        hub.opens("bob", number)
        hub.says("ann", number, "@oya r+")
    for number in range(1, 9):
        hub.passes(f"pr-{number}")
    assert max(len(said) for said in hub.forge.statuses.values()) <= 4
