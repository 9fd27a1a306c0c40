"""Pull requests by the dice of a seed: whatever is said, pushed, lost, doubled and late."""

from __future__ import annotations

from random import Random

import pytest

from oya_vcs.core import events as e
from oya_vcs.core.beads import TERMINAL
from oya_vcs.core.ids import BeadId
from oya_vcs.core.merge import Stage
from oya_vcs.core.pull_request import Pull
from oya_vcs.core.pulls import Level, PullSeen, PullState
from tests.pulling import Hub

SEEDS = range(40)
HARMLESS = ("@oya r+", "@oya p=0", "@oya try", "@oya retry", "@oya squash", "@oya hold")
WORDS = (
    *HARMLESS,
    *("@oya r+ p=1", "@oya r-", "@oya release", "@oya cancel", "@oya try cancel"),
    *("@oya rework again", "@oya delegate=bob", "@oya delegate-", "@oya status", "@oya what"),
    *("@oya treeclosed=1 now", "@oya treeopen", "@oya r=ann,cat\n@oya p=3"),
)


def _hub() -> Hub:
    return Hub(ann=Level.WRITE, bob=Level.READ, eve=Level.READ)


def _wanted(pull: Pull) -> tuple[object, ...]:
    """What people want of it, and what it is."""
    approval = pull.approval
    return (
        *(pull.head, pull.base, pull.title, pull.message, pull.draft, pull.state, pull.labels),
        *(pull.priority, pull.hold, pull.squash, pull.delegates, sorted(pull.notes.items())),
        None if approval is None else (approval.head, approval.by),
        sorted(pull.heard),
        pull.asks,
    )


def _story(dice: Random, hub: Hub) -> list[e.Event]:
    """Snapshots, comments and reviews of one pull request, in the order in which they were made."""
    with hub.quiet() as facts:
        hub.opens("bob", 7)
        for _ in range(dice.randrange(3, 12)):
            match dice.randrange(7):
                case 0:
                    hub.edits("bob", 7, title=f"Topic {dice.randrange(3)}")
                case 1:
                    hub.edits("bob", 7, base=dice.choice(("main", "release")))
                case 2:
                    hub.reviews("eve", 7, f"Note {dice.randrange(9)}")
                case _:
                    words = ("@oya p=0", "@oya p=4", "@oya hold", "@oya release", "@oya squash")
                    hub.hears(hub.writes("ann", 7, dice.choice(words)))
    return facts


@pytest.mark.parametrize("seed", SEEDS)
def test_any_order_and_any_number_of_the_same_news_ends_in_the_same_state(seed: int) -> None:
    """Webhooks doubled, shuffled, or all lost but for one poll: what is known at the end is the
    same. Of two comments about one thing the one that was written later counts, whichever comes
    first."""
    dice = Random(seed)
    told = _hub()
    facts = _story(dice, told)
    told.hears(*facts)
    again = _hub()
    again.forge.pulls = dict(told.forge.pulls)
    shuffled = facts + dice.choices(facts, k=len(facts))
    dice.shuffle(shuffled)
    again.hears(*shuffled)
    assert _wanted(again.pull(7)) == _wanted(told.pull(7))
    polled = _hub()
    polled.forge.pulls = dict(told.forge.pulls)
    polled.polls(7)
    polled.hears(*(fact for fact in facts if not isinstance(fact, PullSeen)))
    assert _wanted(polled.pull(7)) == _wanted(told.pull(7))
    rows = len(again.rows)
    again.hears(*facts)
    assert len(again.rows) == rows


@pytest.mark.parametrize("seed", SEEDS)
def test_of_approvals_and_their_ends_the_one_written_last_counts(seed: int) -> None:
    """In whatever order they come, what is approved at the end is the same, and by the same."""
    dice = Random(seed)
    told = _hub()
    told.opens("bob", 7)
    words = [dice.choice(("@oya r+", "@oya r=cat", "@oya r-", "@oya p=1")) for _ in range(5)]
    facts: list[e.Event] = [told.writes("ann", 7, one) for one in words]
    told.hears(*facts)
    again = _hub()
    again.opens("bob", 7)
    late = facts * 2
    dice.shuffle(late)
    again.hears(*late)
    assert _wanted(again.pull(7)) == _wanted(told.pull(7))
    assert again.testing == told.testing


@pytest.mark.parametrize("seed", SEEDS)
def test_nobody_without_the_right_changes_anything(seed: int) -> None:
    """Whatever eve says on any pull request, she is answered, and nothing else happens: no bead, no
    change, no trial, nothing of what people want."""
    dice = Random(seed)
    hub = _hub()
    hub.opens("bob", 7)
    hub.opens("bob", 8)
    hub.says("ann", 8, "@oya r+")
    before = [_wanted(hub.pull(n))[:-2] for n in (7, 8)]
    changes, testing = dict(hub.world.changes), hub.testing
    rows = len(hub.rows)
    for _ in range(8):
        number = dice.choice((7, 8))
        if dice.random() < 0.3:
            names = dice.choice((("oya:queue",), ("oya:hold",), ("oya:try",), ("oya:priority/0",)))
            hub.labels("eve", number, *names)
            hub.labels("eve", number)
        else:
            hub.says("eve", number, dice.choice(WORDS))
    told = {type(row.event) for row in hub.rows[rows:]}
    assert not told & {e.CommandObeyed, e.BeadAdded, e.ChangeApproved, e.TreeClosed, e.PullTaken}
    assert [_wanted(hub.pull(n))[:-2] for n in (7, 8)] == before
    assert (dict(hub.world.changes), hub.testing) == (changes, testing)


@pytest.mark.parametrize("seed", SEEDS)
def test_every_request_comes_to_an_end_with_a_reason(seed: int) -> None:
    """People say and do anything, with crashes in between; then they let go, and the queue works
    off what is left: each change has landed or failed with its reason, each bead is at its end or
    says what it waits for, and no comment waits for an answer. Nothing lands twice (`Scene`)."""
    dice = Random(seed)
    hub = _hub()
    for number in (1, 2, 3):
        hub.opens("bob", number)
    for _ in range(40):
        _anything(hub, dice)
    hub.says("ann", 1, "@oya treeopen")
    for number in (1, 2, 3):
        hub.says("ann", number, "@oya release")
    for _ in range(60):
        if not _ci(hub, dice):
            break
    assert not hub.pending
    for change in hub.world.changes.values():
        waits = change.id in hub.queue.unapproved or change.id in hub.queue.held
        assert change.stage is Stage.MERGED or waits or change.reason is not None, change
    for bead in hub.world.beads.values():
        assert bead.state in TERMINAL or hub.explained(bead.id)
        assert bead.state not in TERMINAL or bead.landed or bead.reason
    for number in (1, 2, 3):
        assert not hub.pull(number).asks
        assert hub.pull(number).telling is None
        if BeadId(f"pr-{number}") in hub.world.beads:
            assert hub.forge.statuses[number]


def _anything(hub: Hub, dice: Random) -> None:
    """One thing that people, the world or CI may do at any moment."""
    number = dice.choice((1, 2, 3))
    move = dice.randrange(10)
    state = hub.forge.pulls[number].state
    if move < 5:
        hub.says(dice.choice(("ann", "ann", "bob", "eve")), number, dice.choice(WORDS))
    elif move == 5 and state is PullState.OPEN:
        hub.pushes("bob", number, f"more-{hub.comments}-{hub.now_ms}")
    elif move == 6 and state is not PullState.MERGED:
        states = (PullState.OPEN, PullState.OPEN, PullState.CLOSED)
        hub.edits("bob", number, state=dice.choice(states))
    elif move == 7:
        hub.crash()
        hub.settle()
    else:
        _ci(hub, dice)


def _ci(hub: Hub, dice: Random) -> bool:
    """One candidate is judged, or stopped checks end; whether there was one."""
    key = next((key for key, one in hub.pending.items() if hub.is_checks(one)), None)
    if key is None:
        return False
    if key in hub.world.stops:
        hub.stop_ends(key)
    elif dice.random() < 0.7:
        hub.carry_out(key)
    else:
        hub.checks_fail(key)
    hub.settle()
    return True
