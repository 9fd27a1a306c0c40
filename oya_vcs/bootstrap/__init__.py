"""The composition root: what the user asked for becomes a running daemon. Alone in naming concrete
classes.

`find_plan` looks at everything and changes nothing; `open_daemon` builds and runs.
"""

from oya_vcs.bootstrap.edges import workspaces_of
from oya_vcs.bootstrap.plan import Plan, find_plan, programs_of, rules_of
from oya_vcs.bootstrap.running import open_daemon, read_record

__all__ = [
    "Plan",
    "find_plan",
    "open_daemon",
    "programs_of",
    "read_record",
    "rules_of",
    "workspaces_of",
]
