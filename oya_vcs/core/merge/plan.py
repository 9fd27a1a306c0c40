"""The next move of the queue, computed anew from one snapshot of its state.

Nothing is remembered between two moves: whatever happened (a result, a crash, a push by somebody
else, a word of a person), what is to be done is read off the state as it is. A candidate counts
where the chain of bases under it reaches down to the target's tip; whatever makes that untrue
undoes by itself all that was built on it. A move costs the window, never the queue.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from oya_vcs.core.ids import ChangeId, CommitId
from oya_vcs.core.merge import adaptive
from oya_vcs.core.merge.gates import frozen_until
from oya_vcs.core.merge.lifecycle import Change, Group, Stage
from oya_vcs.core.merge.moves import (
    Build,
    Expire,
    Found,
    Join,
    Land,
    Leave,
    Move,
    Split,
    Suspect,
    Test,
    Unapprove,
)
from oya_vcs.core.merge.queue import MergeQueue
from oya_vcs.core.merge.rules import MergeRules
from oya_vcs.core.reasons import Reason

ASIDE_FACTOR = 4
"""Changes that may be set aside at once, in windows: a bound on what one move looks at. While so
many verdicts hang on what is being tested, no further change is taken up."""

Changes = Mapping[ChangeId, Change]


@dataclass(slots=True)
class View:
    """What a look at the window found: the `sound` groups from the front, whose candidates stand on
    each other down to the tip; the first change that is not (`broken`, None: all are), and what it
    has to stand on."""

    sound: list[Group] = field(default_factory=list)
    broken: ChangeId | None = None
    onto: CommitId | None = None


def next_move(queue: MergeQueue, changes: Changes, rules: MergeRules, now_ms: int) -> Move | None:
    """What to do next, or None where there is nothing to do until something happens.

    The caller carries it out (applies the decisions) before it asks again.
    """
    move = _settled(queue, changes)
    if move is not None or not (queue.chain or queue.waiting):
        return move
    width = adaptive.window(rules, queue.pace.window)
    view = look(queue, changes, width)
    return (
        _judged(queue, changes, view, rules)
        or _overdue(changes, view, rules, now_ms)
        or _landing(queue, changes, view, rules, now_ms)
        or _work(queue, changes, view, rules, width)
    )


def due_ms(queue: MergeQueue, changes: Changes, rules: MergeRules, now_ms: int) -> int | None:
    """When (Unix time) the passing of time alone lets something happen, or None."""
    view = look(queue, changes, adaptive.window(rules, queue.pace.window))
    deadlines = [
        limit for group in view.sound if (limit := _deadline(changes[group.changes[-1]], rules))
    ]
    if _ready(queue, changes, view, rules):  # and has not landed: only a freeze is in the way
        deadlines.append(frozen_until(queue.gates, rules, now_ms))
    return min(deadlines, default=None)


def look(queue: MergeQueue, changes: Changes, width: int) -> View:
    """See how far the window is sound."""
    view = View()
    below = queue.tip
    for group in queue.chain[:width]:
        for one in group.changes:
            change = changes[one]
            if change.candidate is None or below is None or change.base != below:
                view.broken = one
                view.onto = below if one != queue.chain[0].changes[0] else None
                return view
            below = change.candidate
        view.sound.append(group)
    view.onto = below if queue.chain else None
    return view


# --- What is over ---------------------------------------------------------------------------------


def _settled(queue: MergeQueue, changes: Changes) -> Move | None:
    """Those that have to go, and whose verdict is final."""
    for one in (*queue.orphans, *queue.leaving):
        if _is_still(queue, changes[one]):
            change = changes[one]
            if change.exit is not None:
                return Leave(one, change.exit)
            if one in queue.orphans:
                return Leave(one, Reason.PREDECESSOR_LEFT)
            if change.withdrawn is not None:
                return Unapprove(one, change.withdrawn)
            if change.amended is not None:
                return Unapprove(one, _difference(change))
    for one, aside in queue.aside.items():
        if not aside.ahead:
            return Leave(one, aside.reason)
    return None


def _is_still(queue: MergeQueue, change: Change) -> bool:
    """Whether nothing of it is under way that cannot be taken back: cancelling is not cancelled."""
    return queue.building != change.id and change.stage is not Stage.MERGING


def _difference(change: Change) -> Reason:
    """What of its pins is another one now."""
    was, now = change.pins, change.amended or change.pins
    if (was.head, was.tree) != (now.head, now.tree):
        return Reason.PUSHED
    return Reason.RETARGETED if was.target != now.target else Reason.EDITED


def _judged(queue: MergeQueue, changes: Changes, view: View, rules: MergeRules) -> Move | None:
    """The first failure in the window. Only what was built on it starts again."""
    for number, group in enumerate(view.sound):
        last = changes[group.changes[-1]]
        if last.passed is not False or _may_be_fluke(changes, view, rules, number):
            continue
        if len(group.changes) > 1:
            return Split(group.changes[len(group.changes) // 2 - 1])
        reason = last.why or Reason.CHECK_FAILED
        return Suspect(last.id, reason) if number else Leave(last.id, reason)
    if view.broken is None:
        return None
    change = changes[view.broken]
    below = queue.tip if view.onto is None else view.onto
    if below is None or change.conflict != below:
        return None
    if queue.ahead_of(change.id):
        return Suspect(change.id, Reason.CONFLICT)
    return Leave(change.id, Reason.CONFLICT)


def _may_be_fluke(changes: Changes, view: View, rules: MergeRules, number: int) -> bool:
    """Whether a group that stands on the failed one has passed, or still may."""
    behind = view.sound[number + 1 : number + 1 + rules.flaky_depth]
    lasts = [changes[group.changes[-1]] for group in behind]
    return any(one.passed or (one.asked_ms is not None and one.passed is None) for one in lasts)


def _overdue(changes: Changes, view: View, rules: MergeRules, now_ms: int) -> Move | None:
    for group in view.sound:
        last = changes[group.changes[-1]]
        limit = _deadline(last, rules)
        if limit and now_ms >= limit:
            begun = last.started or not rules.dispatch_ms_max
            return Expire(last.id, Reason.CHECK_TIMEOUT if begun else Reason.CHECK_NOT_STARTED)
    return None


def _deadline(change: Change, rules: MergeRules) -> int:
    """When its checks must have begun, or ended; 0 where there is no such time."""
    if change.asked_ms is None or change.passed is not None or change.stage is Stage.MERGING:
        return 0
    if rules.dispatch_ms_max and not change.started:
        return change.asked_ms + rules.dispatch_ms_max
    return change.asked_ms + rules.test_ms_max if rules.test_ms_max else 0


# --- What goes on ---------------------------------------------------------------------------------


def _ready(queue: MergeQueue, changes: Changes, view: View, rules: MergeRules) -> Sequence[Group]:
    """The groups from the front that may land as one: each has passed, or stands under one that
    has and that answers for it: within the flaky depth where its own test failed, and where that
    has not ended, if from it up to there no other group touches a path of it (`rules.disjoint`)."""
    if queue.gates.pause or queue.paused or not view.sound:
        return ()
    if changes[view.sound[0].changes[0]].stage is Stage.MERGING:
        return ()
    good, untested = 0, set[str]()  # the paths of those from `good` on whose test has not ended
    for number, group in enumerate(view.sound):
        last, paths = changes[group.changes[-1]], _paths(group, changes)
        if untested and (paths is None or not untested.isdisjoint(paths)):
            break
        if last.passed:
            good, untested = number + 1, set()
        elif last.passed is not None:
            if untested or number - good >= rules.flaky_depth:
                break
        elif not rules.disjoint or not paths or (good < number and not untested):
            break
        else:
            untested |= paths
    return view.sound[:good]


def _paths(group: Group, changes: Changes) -> set[str] | None:
    """What the changes of the group touch; None where that is not known of each."""
    found = set[str]()
    for one in group.changes:
        paths = changes[one].paths
        if paths is None:
            return None
        found.update(paths)
    return found


def _landing(
    queue: MergeQueue, changes: Changes, view: View, rules: MergeRules, now_ms: int
) -> Move | None:
    groups = _ready(queue, changes, view, rules)
    if not groups or frozen_until(queue.gates, rules, now_ms) > now_ms:
        return None
    first = groups[0].changes[0]
    if changes[first].redundant:  # it stands on the tip, which holds it
        return Found(first)
    new = [one for group in groups for one in group.changes if not changes[one].redundant]
    return Land(new[-1])


def _work(
    queue: MergeQueue, changes: Changes, view: View, rules: MergeRules, width: int
) -> Move | None:
    if queue.paused or queue.gates.pause:
        return None
    idle = queue.building is None
    if view.broken is not None:
        if changes[view.broken].stage is Stage.MERGING:
            return None  # the landing will tell where the target stands
        building = Build(view.broken, view.onto) if idle else None
        return building or _test(changes, view)
    if len(queue.chain) <= width and idle:
        taken = _taken_up(queue, changes, view, rules, width)
        if taken is not None:
            return taken
    return _test(changes, view)


def _taken_up(
    queue: MergeQueue, changes: Changes, view: View, rules: MergeRules, width: int
) -> Move | None:
    """The next change in line, where there is room: with the last group, or behind it."""
    following = queue.waiting.first(queue.gates.closed_above)
    if following is None or len(queue.aside) >= ASIDE_FACTOR * width:
        return None
    change = changes[following]
    if change.amended is not None or change.leaves:
        return None  # it is leaving
    if queue.chain and _may_join(queue.chain[-1], change, changes, queue, rules):
        return Join(following)
    return Build(following, view.onto) if len(queue.chain) < width else None


def _may_join(
    group: Group, change: Change, changes: Changes, queue: MergeQueue, rules: MergeRules
) -> bool:
    """Only changes of one priority that land on one branch share a test."""
    size = adaptive.batch(rules, queue.pace.failing_ppm, len(queue.waiting) + len(group.changes))
    other = changes[group.changes[-1]]
    return (
        not group.closed
        and len(group.changes) < size
        and (other.priority, other.target) == (change.priority, change.target)
    )


def _test(changes: Changes, view: View) -> Move | None:
    for group in view.sound:
        last = changes[group.changes[-1]]
        if last.asked_ms is None and last.stage is not Stage.MERGING:
            return Test(last.id)
    return None
