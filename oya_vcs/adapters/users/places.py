"""What `oya-vcs hooks` puts where a user's jj and git look: aliases in jj's configuration of one
repository, set by jj itself, and git's own hooks beside it.

Each `Place` can say what is there, put ours there and take it away again; whose something is, and
what becomes of it, is decided by who asks. Must not know what an alias or a hook does.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
import tomllib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from oya_vcs.adapters.users.jj import UsersJj
from oya_vcs.errors import InputInvalid, WorldFailed

ASIDE = ".before-oya-vcs"
"""The end of the name of a git hook that was there before ours, and runs before it."""


@dataclass(frozen=True, slots=True)
class Found:
    """What is in a place: its text, and the source of it as people know it."""

    text: str
    where: str
    here: bool = True
    """It is in this very place, and not in one that this one would hide."""


class Alias:
    """An alias in jj's configuration of one repository."""

    kind = "alias"

    def __init__(self, jj: UsersJj, name: str) -> None:
        self._jj = jj
        self.key = f"aliases.{name}"

    @property
    def name(self) -> str:
        """As people type it."""
        return f"jj {self.key.removeprefix('aliases.')}"

    def found(self) -> Found | None:
        """The value that counts, wherever it is set; None where there is none."""
        form = 'source ++ "\\t" ++ value ++ "\\n"'
        lines = self._config("list", self.key, "-T", form).splitlines()
        if not lines:
            return None
        source, _, text = lines[-1].partition("\t")
        return Found(text, f"jj's configuration ({source})", here=source == "repo")

    def same(self, one: str, other: str) -> bool:
        """Whether two values mean the same, however they are written."""
        with suppress(tomllib.TOMLDecodeError):
            return tomllib.loads(f"v = {one}") == tomllib.loads(f"v = {other}")
        return one == other

    def put(self, text: str) -> None:
        """Set it, for this repository only. Raises WorldFailed."""
        self._config("set", "--repo", self.key, text)

    def restore(self, before: str | None) -> None:
        """What was set here before: nothing, or `before`. Raises WorldFailed."""
        if before is None:
            self._config("unset", "--repo", self.key)
        else:
            self.put(before)

    def _config(self, *words: str) -> str:
        argv = ("--no-pager", "--color=never", "--ignore-working-copy", "config", *words)
        ran = self._jj.run(*argv)
        if ran.returncode != 0:
            raise WorldFailed(
                f"jj did not take `jj config {' '.join(words)}`: {ran.stderr.strip()}",
                hint="Try it yourself; nothing else was changed.",
                command=argv,
                stderr=ran.stderr.strip(),
            )
        return ran.stdout


class GitHook:
    """One of git's hooks, in the folder of the repository's own."""

    kind = "git hook"

    def __init__(self, folder: Path, name: str) -> None:
        self._path = folder / name
        self._aside = folder / f"{name}{ASIDE}"
        self.key = name

    @property
    def name(self) -> str:
        """As people know it."""
        return f"git {self.key}"

    def found(self) -> Found | None:
        """The program that is there; None where none is. Raises WorldFailed for what is no text."""
        try:
            return Found(self._path.read_text("utf-8"), str(self._path))
        except FileNotFoundError:
            return None
        except (OSError, UnicodeDecodeError) as error:
            message = f"The git hook {self._path} cannot be read: {error}."
            raise WorldFailed(message, hint="Look at it; nothing was changed.") from error

    def same(self, one: str, other: str) -> bool:
        """Whether two programs are the same."""
        return one == other

    def put(self, text: str) -> None:
        """Put a program there, at once for all who look; one that was there is kept beside it.
        Raises InputInvalid where one is kept there already, and WorldFailed."""
        found = self.found()
        if found is not None and found.text != text:
            if os.path.lexists(self._aside):
                message = f"{self._aside} is there already, and would be lost."
                raise InputInvalid(message, "Look at it, and move it away.")
            self._path.rename(self._aside)
        self._path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=self._path.parent, prefix=".oya-vcs-")
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        Path(name).chmod(0o755)
        Path(name).rename(self._path)

    def update(self, text: str) -> None:
        """Put a newer program of ours in the place of an older one."""
        self._path.unlink()
        self.put(text)

    def restore(self, before: str | None) -> None:
        """The hook that was there before, byte for byte and with its mode, or none."""
        self._path.unlink(missing_ok=True)
        if os.path.lexists(self._aside):
            self._aside.rename(self._path)


Place = Alias | GitHook


def hooks_folder(root: Path, git: Path, environ: Mapping[str, str]) -> Path | None:
    """The folder of the hooks that git runs in a colocated repository; None where jj and git do not
    share one: there git runs nothing.

    Raises InputInvalid where git is told to look somewhere else (`core.hooksPath`): that folder may
    be shared, or part of the repository.
    """
    if not os.path.lexists(root / ".git"):
        return None
    said = _git(root, git, environ, "rev-parse", "--git-path", "hooks", "--git-common-dir")
    hooks, common = ((root / line).resolve() for line in said.splitlines())
    if hooks != common / "hooks":
        raise InputInvalid(
            f"git runs the hooks of {hooks} here (core.hooksPath), which is not ours to change.",
            f'Let {hooks / "pre-push"} call `oya-vcs hook pre-push "$@"` with its input, and'
            " install with --no-git.",
        )
    return hooks


def _git(root: Path, git: Path, environ: Mapping[str, str], *words: str) -> str:
    argv = [str(git), "-C", str(root), *words]
    env = {name: text for name, text in environ.items() if not name.startswith("GIT_")}
    ran = subprocess.run(argv, env=env, capture_output=True, text=True, check=False)
    if ran.returncode != 0:
        said = ran.stderr.strip()
        raise WorldFailed(
            f"git does not answer in {root}: {said}", command=tuple(argv), stderr=said
        )
    return ran.stdout
