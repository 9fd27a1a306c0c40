"""The state of one repository's merge queue, and the moves that events fold into it.

Every move leaves each change in one place: in the line, parked behind a change that it stands on,
in the window (`chain`), aside with a verdict that is not settled, held because the world refused
it, waiting for an approval, or gone. Decides nothing and knows no time: `plan` does.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from oya_vcs.core.ids import ChangeId, CommitId
from oya_vcs.core.merge.lifecycle import Aside, Gates, Group, Pace
from oya_vcs.core.merge.order import Line, Place
from oya_vcs.core.reasons import Reason


@dataclass(slots=True)
class MergeQueue:
    """`members` has every change of the queue with its place (priority, arrival).

    `chain` is the window: the candidate of each change in it stands on that of the one before, the
    first on the target's tip, which is `tip` as far as we know. `building` is the change whose
    candidate is being built, one at a time. `needs` and `behind` are stacks, from above and from
    below; `orphans` those whose predecessor has left; `leaving` those that are to leave. `paused`
    is why the world keeps everything from going on, or empty; what people want is in `gates`.
    """

    paused: str = ""
    held: dict[ChangeId, str] = field(default_factory=dict)
    waiting: Line = field(default_factory=Line)
    members: dict[ChangeId, Place] = field(default_factory=dict)
    arrivals: int = 0
    chain: list[Group] = field(default_factory=list)
    aside: dict[ChangeId, Aside] = field(default_factory=dict)
    unapproved: dict[ChangeId, None] = field(default_factory=dict)
    parked: dict[ChangeId, None] = field(default_factory=dict)
    needs: dict[ChangeId, list[ChangeId]] = field(default_factory=dict)
    behind: dict[ChangeId, list[ChangeId]] = field(default_factory=dict)
    orphans: list[ChangeId] = field(default_factory=list)
    leaving: list[ChangeId] = field(default_factory=list)
    building: ChangeId | None = None
    tip: CommitId | None = None
    gates: Gates = field(default_factory=Gates)
    pace: Pace = field(default_factory=Pace)

    # --- Coming -------------------------------------------------------------------------------

    def join(self, change: ChangeId, priority: int = 2, after: Iterable[ChangeId] = ()) -> None:
        """Take a place at the end; a second time changes nothing. `after` are changes of the queue
        that it stands on."""
        if change in self.members:
            return
        self.arrivals += 1
        self.members[change] = (priority, self.arrivals)
        below = [one for one in after if one in self.members]
        if below:
            self.needs[change] = below
            for one in below:
                self.behind.setdefault(one, []).append(change)
        self._line_up(change)

    def prioritize(self, change: ChangeId, priority: int) -> None:
        """Another priority, with the old time of arrival. One that is in the window stays."""
        self.members[change] = (priority, self.members[change][1])
        if change in self.waiting:
            self.waiting.remove(change)
            self._line_up(change)

    def _line_up(self, change: ChangeId) -> None:
        """Wait in line, or behind those that it stands on until they are in the window."""
        if all(self.in_flight(one) for one in self.needs.get(change, ())):
            self.parked.pop(change, None)
            self.waiting.add(change, self.members[change])
        else:
            self.waiting.remove(change)
            self.parked[change] = None

    # --- The window ---------------------------------------------------------------------------

    def in_flight(self, change: ChangeId) -> bool:
        """Whether the change is in the window. Costs the window."""
        return any(change in group.changes for group in self.chain)

    def flying(self) -> Iterator[ChangeId]:
        """The changes in the window, in order."""
        for group in self.chain:
            yield from group.changes

    def enter(self, change: ChangeId, *, joins: bool = False) -> None:
        """Into the window at its end: as a group of its own, or with the last one. One that is in
        already stays where it is."""
        if self.in_flight(change):
            return
        self._take(change)
        if joins and self.chain:
            self.chain[-1].changes.append(change)
        else:
            self.chain.append(Group([change]))
        for one in self.behind.get(change, ()):
            if one in self.parked:
                self._line_up(one)

    def split(self, change: ChangeId) -> None:
        """Cut the group of the change behind it; no other change joins either half."""
        for number, group in enumerate(self.chain):
            if change in group.changes:
                cut = group.changes.index(change) + 1
                halves = [
                    Group(part, closed=True)
                    for part in (group.changes[:cut], group.changes[cut:])
                    if part
                ]
                self.chain[number : number + 1] = halves
                return

    def ahead_of(self, change: ChangeId) -> list[ChangeId]:
        """The changes in the window that the candidate of this one holds besides it."""
        found: list[ChangeId] = []
        for one in self.flying():
            if one == change:
                return found
            found.append(one)
        return []

    # --- Waiting for something ----------------------------------------------------------------

    def put_back(self, change: ChangeId) -> None:
        """From anywhere to the line, at its old place."""
        self._withdraw(change)
        self._line_up(change)

    def hold(self, change: ChangeId, why: str) -> None:
        """Aside until somebody looks again: the world refused it."""
        self._withdraw(change)
        self.held[change] = why

    def resume(self) -> None:
        """Look again: nothing is paused by the world, and nothing held."""
        self.paused = ""
        for change in tuple(self.held):
            self.put_back(change)

    def suspect(self, change: ChangeId, reason: Reason) -> None:
        """Out of the window with a verdict that counts only if all that is ahead lands."""
        ahead = self.ahead_of(change)
        self._withdraw(change)
        self.aside[change] = Aside(ahead, reason)

    def await_approval(self, change: ChangeId) -> None:
        """Out of the line and the window until somebody approves it."""
        self._withdraw(change)
        self.unapproved[change] = None

    # --- Going --------------------------------------------------------------------------------

    def landed(self, change: ChangeId) -> None:
        """It is in the target: what stood on it may go on, and a verdict that hung on it hangs on
        one fewer."""
        for aside in self.aside.values():
            if change in aside.ahead:
                aside.ahead.remove(change)
        behind = self.behind.pop(change, [])
        self._remove(change)
        for one in behind:
            below = self.needs.get(one, [])
            if change in below:
                below.remove(change)
            if not below:
                self.needs.pop(one, None)
            if one in self.parked:
                self._line_up(one)

    def leave(self, change: ChangeId) -> None:
        """It is out, not landed: what stood on it is orphaned, and what was judged with it is
        free to try without it."""
        if change not in self.members:
            return
        self._remove(change)  # and back to the line with what stood on it
        for one in self.behind.pop(change, ()):
            if one in self.members and one not in self.orphans:
                self.orphans.append(one)

    def _release(self, change: ChangeId) -> None:
        """What was judged together with it is free to be tried without it."""
        for one in [name for name, aside in self.aside.items() if change in aside.ahead]:
            self.put_back(one)

    def _remove(self, change: ChangeId) -> None:
        self._withdraw(change)
        self.members.pop(change, None)
        for below in self.needs.pop(change, ()):
            if change in self.behind.get(below, ()):
                self.behind[below].remove(change)
        for those in (self.orphans, self.leaving):
            if change in those:
                those.remove(change)

    def _take(self, change: ChangeId) -> None:
        """Out of wherever it waits."""
        self.waiting.remove(change)
        self.parked.pop(change, None)
        self.held.pop(change, None)
        self.aside.pop(change, None)
        self.unapproved.pop(change, None)

    def _withdraw(self, change: ChangeId) -> None:
        """Out of wherever it is, with what stands on it in the window; still a member."""
        self._take(change)
        flew = self.in_flight(change)
        for group in self.chain:
            if change in group.changes:
                group.changes.remove(change)
        self.chain = [group for group in self.chain if group.changes]
        if flew:
            self._release(change)
            for one in self.behind.get(change, ()):
                if self.in_flight(one) or one in self.waiting:
                    self.put_back(one)

    # --- For people ---------------------------------------------------------------------------

    def place(self, change: ChangeId) -> int:
        """1 for the first in the window, counting on through the line; 0 where it is in neither.
        Costs the queue."""
        order = [*self.flying(), *self.waiting.ordered()]
        return order.index(change) + 1 if change in order else 0
