"""What git is shown of a repository: its refs and its objects, and nothing else that is in it.

A git folder also holds configuration, attributes, hooks, grafts and a commit graph. Git obeys them,
runs the programs that they name, and merges as they say; and whoever works in the repository may
write them. So git is given a common folder of ours (gitrepository-layout(5), `commondir`) that
leads to the refs and stands in for all the rest. Must not know what git is asked to do.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
import shutil
import tempfile
import threading
from collections.abc import Mapping
from pathlib import Path

EMPTY_TREE = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"
"""The tree without entries, which git knows without storing it."""
CONFIG = """[core]
\trepositoryformatversion = 0
\tattributesFile = /dev/null
\tcommitGraph = false
\texcludesFile = /dev/null
\thooksPath = /dev/null
"""
"""All the configuration that git finds. The two files would else be looked for in HOME."""
LED_TO = ("HEAD", "logs", "packed-refs", "refs", "worktrees")
"""What is the repository's own: refs, their logs, and where worktrees have them checked out."""
ALWAYS = {
    "GIT_ALLOW_PROTOCOL": "",
    "GIT_ATTR_SOURCE": EMPTY_TREE,
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_GRAFT_FILE": "",
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_NO_REPLACE_OBJECTS": "1",
}
"""No attributes, no configuration but the repository's, no grafts, no replacements, and nobody is
asked for objects that are missing."""


class View:
    """The common folder for one repository, below `above`; made only where `above` is there."""

    def __init__(self, git_dir: Path, above: Path) -> None:
        linked = git_dir.parent.name == "worktrees"
        self.common = git_dir.parent.parent if linked else git_dir
        self._above = above
        self._links = {name: str(self.common / name) for name in (*LED_TO, "shallow")}
        self._files = {"config": CONFIG.encode()}
        self._making = threading.Lock()

    def shallow(self) -> tuple[str, ...]:
        """The commits that the repository calls the ends of a shallow history. Blocks. Raises
        OSError."""
        try:
            text = (self.common / "shallow").read_text("ascii", "replace")
        except FileNotFoundError:
            return ()
        return tuple(sorted(set(re.findall(r"^[0-9a-f]{40}$", text, re.MULTILINE))))

    def end_history_at(self, commits: tuple[str, ...]) -> None:
        """Let history end there and nowhere else, whatever the repository says from now on."""
        self._links.pop("shallow", None)
        self._files.pop("shallow", None)
        if commits:
            self._files["shallow"] = "".join(f"{commit}\n" for commit in commits).encode()

    def environment(self) -> Mapping[str, str]:
        """The variables that show git the view, found to be exactly ours or made anew.

        Without a folder to make it in, git sees the repository's configuration; that is for
        reading, before anything was made. Blocks. Raises OSError.
        """
        if not self._above.is_dir():
            return ALWAYS
        with self._making:
            folder = self._folder()
            if not self._is_ours(folder):
                self._make(folder)
        return {
            **ALWAYS,
            "GIT_COMMON_DIR": str(folder),
            "GIT_IMPLICIT_WORK_TREE": "0",
            "GIT_OBJECT_DIRECTORY": str(self.common / "objects"),
        }

    def _folder(self) -> Path:
        """Named by what is in it, so that no two views share a folder."""
        shown = [self._links, {name: data.decode() for name, data in self._files.items()}]
        digest = hashlib.sha256(json.dumps(shown, sort_keys=True).encode()).hexdigest()
        return self._above / f"view-{digest[:16]}"

    def _is_ours(self, folder: Path) -> bool:
        try:
            names = {path.name for path in folder.iterdir()}
            return names == {*self._links, *self._files} and not (
                folder.is_symlink()
                or any(str((folder / name).readlink()) != to for name, to in self._links.items())
                or any((folder / name).is_symlink() for name in self._files)
                or any((folder / name).read_bytes() != data for name, data in self._files.items())
            )
        except OSError:
            return False

    def _make(self, folder: Path) -> None:
        """Build it beside its place and move it there, in place of anything else."""
        with tempfile.TemporaryDirectory(prefix=".view-", dir=self._above) as beside:
            made, old = Path(beside, "made"), Path(beside, "old")
            made.mkdir()
            for name, to in self._links.items():
                (made / name).symlink_to(to)
            for name, data in self._files.items():
                (made / name).write_bytes(data)
            with contextlib.suppress(FileNotFoundError):
                folder.rename(old)
            try:
                made.rename(folder)
            except OSError:
                if not self._is_ours(folder):  # else another process was faster
                    raise
            if old.is_dir() and not old.is_symlink():
                shutil.rmtree(old, ignore_errors=True)
