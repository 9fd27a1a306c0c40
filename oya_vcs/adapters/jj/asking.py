"""The user's own jj: asked what a revision is, in the user's own words (aliases, configuration),
when the user has called us.

Reads at the newest operation and looks at no file: no call here makes an operation, or takes a
snapshot. Must not know what becomes of a revision.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from oya_vcs.adapters.jj.places import find_store
from oya_vcs.core.ids import CommitId
from oya_vcs.errors import InputInvalid, WorldFailed

ASK_S_MAX = 60
"""How long one question may take: a revset of the user's over a large history."""
_IS = 'if(self.contained_in("{}"), "true", "false")'
_FORM = ' ++ "," ++ '.join(
    (
        '"[" ++ json(commit_id)',
        "json(change_id)",
        "json(description)",
        "json(conflict)",
        _IS.format("working_copies()"),
        _IS.format("root()") + ' ++ "]\\n"',
    )
)
"""A line of JSON a commit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Revision:
    """One commit, as its repository has it. `edited`: it is the working copy of a workspace, whose
    next snapshot rewrites it."""

    commit: CommitId
    change: str
    description: str
    conflicted: bool
    edited: bool
    root: bool


class UsersJj:
    """jj as its user has configured it, in the folder where the user is."""

    def __init__(self, jj: Path, folder: Path, environ: Mapping[str, str]) -> None:
        """`environ` is the user's. Raises NotFound where `folder` is in no jj repository."""
        self._jj = jj
        self._folder = folder
        self._environ = dict(environ)
        self.root, self._store = find_store(folder)

    def revision(self, words: str) -> Revision:
        """The one commit that `words` (a revset) names. Raises InputInvalid where they name none or
        several, or are no revset."""
        lines = self._log(words, _FORM, "-n", "2").splitlines()
        if len(lines) != 1:
            what = "several revisions" if lines else "no revision"
            raise InputInvalid(f"`{words}` names {what}, not one.", "`jj log -r` shows them.")
        commit, change, description, conflicted, edited, root = json.loads(lines[0])
        return Revision(
            commit=CommitId(commit),
            change=change,
            description=description,
            conflicted=conflicted,
            edited=edited,
            root=root,
        )

    def count(self, words: str) -> int:
        """How many commits a revset names. Raises InputInvalid."""
        return len(self._log(words, "'x'"))

    def operation(self) -> str:
        """The newest operation. Raises InputInvalid where there is not exactly one: two commands
        ran at once, and only a command that may write joins what they did."""
        heads = [path.name for path in (self._store / "op_heads" / "heads").iterdir()]
        if len(heads) != 1:
            message = f"{self.root} has {len(heads)} newest operations: commands ran at once."
            raise InputInvalid(message, "Run `jj status` once, which joins them, and try again.")
        return heads[0]

    def _log(self, words: str, form: str, *more: str) -> str:
        at = ("--ignore-working-copy", "--at-operation", self.operation())
        argv = (*at, "log", "--no-graph", "-r", words, "-T", form, *more)
        ran = self.run("--no-pager", "--color=never", *argv)
        if ran.returncode != 0:
            said = ran.stderr.strip()
            raise InputInvalid(f"jj does not understand `{words}`: {said}")
        return ran.stdout

    def run(self, *argv: str) -> subprocess.CompletedProcess[str]:
        """Run jj as the user would, and say how it ended. Raises WorldFailed where it cannot be
        started, or does not end."""
        try:
            return subprocess.run(
                [str(self._jj), *argv],
                cwd=self._folder,
                env=self._environ,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=ASK_S_MAX,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise WorldFailed(f"{self._jj} did not answer: {error}.") from error
