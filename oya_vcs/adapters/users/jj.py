"""The user's own jj: asked what a revision is, in the user's own words (aliases, configuration),
when the user has called us.

Reads at the newest operation and looks at no file: no call here makes an operation, or takes a
snapshot. Must not know what becomes of a revision.
"""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from oya_vcs.errors import InputInvalid, NotFound, WorldFailed

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

    commit: str
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
        self.root, self._store = _found(folder)

    def revision(self, words: str) -> Revision:
        """The one commit that `words` (a revset) names. Raises InputInvalid where they name none or
        several, or are no revset."""
        lines = self._log(words, _FORM, "-n", "2").splitlines()
        if len(lines) != 1:
            what = "several revisions" if lines else "no revision"
            raise InputInvalid(f"`{words}` names {what}, not one.", "`jj log -r` shows them.")
        commit, change, description, conflicted, edited, root = json.loads(lines[0])
        return Revision(
            commit=commit,
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

    def push(self, words: Sequence[str]) -> tuple[str, list[str]]:
        """What `jj git push` with these words would push: jj's own description of it, and the
        commits. Takes the snapshot that any push begins with. Raises InputInvalid where jj refuses,
        or says something that we do not understand."""
        loud = ("--no-pager", "--color=never", "--config=ui.quiet=false", "git", "push")
        ran = self.run(*loud, *(word for word in words if word != "--quiet"), "--dry-run")
        said = ran.stderr.strip()
        if ran.returncode != 0:
            raise InputInvalid(f"`jj git push` refuses: {said}")
        _, _, listed = said.partition("Changes to push to ")
        commits: list[str] = []
        moves = [line for line in listed.splitlines()[1:] if line.startswith("  ")]
        for line in moves:
            if (moved := _MOVED.fullmatch(line)) is not None:
                commits.append(self.revision(moved["to"]).commit)
            elif not _DELETED.fullmatch(line):
                moves = []
                break
        if not moves and "Nothing changed" not in said:
            message = f"What `jj git push` would push is not understood:\n{said}"
            raise InputInvalid(message, "This jj says it in other words than 0.46 does.")
        return said, list(dict.fromkeys(commits))

    def pushes(self, words: Sequence[str], operation: str) -> int:
        """Push as of an operation, at the user's terminal; the exit code."""
        argv = [str(self._jj), "--at-operation", operation, "git", "push", *words]
        try:
            return subprocess.run(argv, cwd=self._folder, env=self._environ, check=False).returncode
        except OSError as error:
            raise WorldFailed(f"{self._jj} could not be started: {error}.") from error

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


_MOVED = re.compile(
    r"  (?:bookmark|tag): .* \[(?:add to|move \w+ from [0-9a-f]+ to) (?P<to>[0-9a-f]+)\]"
)
_DELETED = re.compile(r"  (?:bookmark|tag): .* \[delete from [0-9a-f]+\]")
"""How jj 0.46 lists what it pushes, and to which commit."""


def _found(folder: Path) -> tuple[Path, Path]:
    """The root of the first workspace of the repository around a folder, and its store. Raises
    NotFound."""
    real = folder.resolve()
    for around in (real, *real.parents):
        if (around / ".jj").is_dir():
            store = around / ".jj" / "repo"
            if store.is_file():
                store = (around / ".jj" / store.read_text("utf-8").strip()).resolve()
            return store.parent.parent, store
    raise NotFound(f"There is no jj repository at {folder}.", "Name another folder with --repo.")
