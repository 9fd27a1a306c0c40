"""Where jj looks for configuration, with nothing in it: an empty home, and a repository without
rules of its own.

jj 0.46 obeys a user's configuration, one kept for each repository and each workspace beside it
(named by the `config-id` file in the repository), git's, and an old-style file within the
repository, which it moves to its home and obeys at once. All of these lie where a worker of the
same user may write, and can name programs to run. So whatever is in our home for jj and is not
jj's own bookkeeping is deleted before jj starts, and a repository that would bring something in is
refused. Must not know what jj is asked to do.
"""

from __future__ import annotations

import logging
import os
import re
import stat
from pathlib import Path

from oya_vcs.errors import WorldFailed

log = logging.getLogger(__name__)

_ID = re.compile(rb"[0-9a-f]{20}")
"""How jj names the configuration of a repository."""
_KEPT = re.compile(r"jj/(repos|workspaces)/[0-9a-f]{20}/(metadata\.binpb|\.tmp\w+)")
"""What jj writes about a repository, and takes no rule from."""


class Cell:
    """The home of every jj that works on one repository. `home` may not be there yet; `store` is
    the repository's `.jj/repo`, `git_dir` the git folder behind it."""

    def __init__(self, home: Path, store: Path, git_dir: Path) -> None:
        self.home = home
        self._store = store
        self._exclude = git_dir / "info" / "exclude"

    def close(self) -> None:
        """Delete what was put into the home, and look at what jj would read in the repository.

        Blocks. Raises WorldFailed, with the mend, where the repository has a configuration that jj
        would take over, or a list of ignored files that is no file: jj would wait for a pipe for
        ever.
        """
        self._empty()
        identity = self._store / "config-id"
        old = self._store / "config.toml"
        if identity.is_symlink() or (identity.exists() and not _is_id(identity)):
            raise _refusal(identity, "is not what jj writes there")
        if not identity.exists() and os.path.lexists(old):
            raise _refusal(old, "has appeared in the repository, and jj would obey it")
        if self._exclude.exists() and not self._exclude.is_file():
            raise _refusal(self._exclude, "is no file")

    def excludes(self) -> bool:
        """Whether the repository's list of ignored files, which jj obeys, names any. Blocks."""
        try:
            lines = self._exclude.read_bytes().splitlines()
        except OSError:
            return False
        return any(line.strip() and not line.startswith(b"#") for line in lines)

    def _empty(self) -> None:
        for folder, folders, files in os.walk(self.home, topdown=False):
            for name in (*files, *(one for one in folders if Path(folder, one).is_symlink())):
                path = Path(folder, name)
                known = _KEPT.fullmatch(path.relative_to(self.home).as_posix())
                if known is None or path.is_symlink():
                    path.unlink(missing_ok=True)
                    log.warning("%s was put there by somebody, and is deleted", path)


def _is_id(path: Path) -> bool:
    return stat.S_ISREG(path.lstat().st_mode) and _ID.fullmatch(path.read_bytes()) is not None


def _refusal(path: Path, what: str) -> WorldFailed:
    return WorldFailed(
        f"{path} {what}: a worker may have planted it.",
        hint="Look at it, and delete it or move it away; nothing is done in the repository before.",
    )
