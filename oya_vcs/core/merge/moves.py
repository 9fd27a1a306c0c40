"""What the plan can ask for next, as values; `core/decide/changes.py` makes them decisions."""

from __future__ import annotations

from dataclasses import dataclass

from oya_vcs.core.ids import ChangeId, CommitId
from oya_vcs.core.reasons import Reason


@dataclass(frozen=True, slots=True)
class Build:
    """Build the candidate of this change on `onto` (None: the target's tip); one that waits in line
    goes into the window with it."""

    change: ChangeId
    onto: CommitId | None


@dataclass(frozen=True, slots=True)
class Join:
    """Test this change together with the last group in the window."""

    change: ChangeId


@dataclass(frozen=True, slots=True)
class Test:
    """Run the checks on this change's candidate."""

    change: ChangeId


@dataclass(frozen=True, slots=True)
class Expire:
    """The checks of this change's candidate did not end (or begin) in time."""

    change: ChangeId
    reason: Reason


@dataclass(frozen=True, slots=True)
class Land:
    """Move the target to this change's candidate, and with it all that is ahead of it."""

    change: ChangeId


@dataclass(frozen=True, slots=True)
class Found:
    """The target holds this change already, and its checks passed there."""

    change: ChangeId


@dataclass(frozen=True, slots=True)
class Split:
    """The group of this change failed: test it again as two, the first one up to this change."""

    change: ChangeId


@dataclass(frozen=True, slots=True)
class Suspect:
    """Set the change aside with a verdict that stands if all that is ahead of it lands."""

    change: ChangeId
    reason: Reason


@dataclass(frozen=True, slots=True)
class Leave:
    """Take the change out of the queue for good, not landed."""

    change: ChangeId
    reason: Reason


@dataclass(frozen=True, slots=True)
class Unapprove:
    """The change is not any more what was approved."""

    change: ChangeId
    reason: Reason


Move = Build | Join | Test | Expire | Land | Found | Split | Suspect | Leave | Unapprove
