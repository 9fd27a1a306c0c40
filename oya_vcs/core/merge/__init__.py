"""The merge queue of one repository, as pure policy.

`lifecycle` has the life of a change request, `order` who is next, `queue` the state that events
fold into, `moves` and `plan` what to do about it now, `adaptive` how much at once, `gates` when
not, `theory` what speed to expect. Knows nothing of how a candidate is built, tested or landed,
nor of beads beyond their ids.
"""

from oya_vcs.core.merge.lifecycle import Change, Stage
from oya_vcs.core.merge.queue import MergeQueue
from oya_vcs.core.merge.rules import MergeRules

__all__ = ["Change", "MergeQueue", "MergeRules", "Stage"]
