"""One jj repository, driven from outside: jj and git with our own configuration, one lock, one
control workspace.

Every call names its repository, ignores the user's configuration and aliases, and (but for a call
on a workspace of ours) reads and writes without touching any working copy. `repository` knows the
command lines, `program` starts them, `locks` clears up after killed ones; `places` names and finds
a repository, `looking` reads it before anything is made, `operations` what was done in it, `remote`
reaches another one. None may know what a bead, a change request or an attempt is.
"""

from oya_vcs.adapters.jj.locks import clear_stale_locks
from oya_vcs.adapters.jj.looking import file_at, files_at, is_program_at, tip, workspace_around
from oya_vcs.adapters.jj.operations import JjOperations
from oya_vcs.adapters.jj.places import find_root, repo_id, root_of
from oya_vcs.adapters.jj.remote import GitRemote, open_remote
from oya_vcs.adapters.jj.repository import (
    OP_USER,
    JjRepository,
    Programs,
    open_repository,
)

__all__ = [
    "OP_USER",
    "GitRemote",
    "JjOperations",
    "JjRepository",
    "Programs",
    "clear_stale_locks",
    "file_at",
    "files_at",
    "find_root",
    "is_program_at",
    "open_remote",
    "open_repository",
    "repo_id",
    "root_of",
    "tip",
    "workspace_around",
]
