"""Real git: a bare repository of the model, through git's plumbing. Knows nothing of GitHub."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.github_model.clock import millis

ZERO = "0" * 40

HOOK = r"""#!/bin/sh
# The server says in the environment which refs are not to move, and which not by force.
case "$1" in refs/pull/*) echo "deny updating a hidden ref" >&2; exit 1 ;; esac
tab=$(printf '\t')
printf '%s\n' "$MODEL_REFUSED" | while IFS="$tab" read -r ref why; do
  if [ "$ref" = "$1" ]; then
    echo "error: GH006: Protected branch update failed for $1." >&2
    echo "error: $why" >&2
    exit 1
  fi
done || exit 1
case "$2$3" in *0000000000000000000000000000000000000000*) exit 0 ;; esac
printf '%s\n' "$MODEL_LINEAR" | while read -r ref; do
  if [ "$ref" = "$1" ] && [ -n "$(git rev-list --merges -1 "$2..$3")" ]; then
    echo "error: GH006: Protected branch update failed for $1." >&2
    echo "error: This branch must not contain merge commits." >&2
    exit 1
  fi
done || exit 1
printf '%s\n' "$MODEL_NO_FORCE" | while read -r ref; do
  if [ "$ref" = "$1" ] && ! git merge-base --is-ancestor "$2" "$3"; then
    echo "error: GH006: Protected branch update failed for $1." >&2
    echo "error: Cannot force-push to this branch" >&2
    exit 1
  fi
done || exit 1
"""


class GitFailed(Exception):
    """Git ended with an error."""


@dataclass(frozen=True)
class Move:
    """A ref that moved; None where it was or is not there."""

    ref: str
    old: str | None
    new: str | None


@dataclass(frozen=True)
class Signature:
    """Who wrote or committed, and when (ISO 8601)."""

    name: str
    email: str
    date: str


@dataclass(frozen=True)
class Commit:
    """A commit as git holds it."""

    sha: str
    tree: str
    parents: tuple[str, ...]
    author: Signature
    committer: Signature
    message: str


class Bare:
    """A bare repository, driven by one git process a question."""

    def __init__(self, path: Path, git: str) -> None:
        self.path = path
        self._git = git

    def environ(self, extra: Mapping[str, str] | None = None) -> dict[str, str]:
        """The whole environment of git: nobody's configuration, a fixed author."""
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.path.parent),
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_AUTHOR_NAME": "GitHub",
            "GIT_AUTHOR_EMAIL": "noreply@github.com",
            "GIT_COMMITTER_NAME": "GitHub",
            "GIT_COMMITTER_EMAIL": "noreply@github.com",
            **(extra or {}),
        }

    async def start(
        self, *args: str, stdin: bytes = b"", env: Mapping[str, str] | None = None
    ) -> tuple[int, bytes, bytes]:
        """Run git in the repository; its exit code, output and errors."""
        process = await asyncio.create_subprocess_exec(
            self._git,
            *args,
            cwd=self.path,
            env=self.environ(env),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await process.communicate(stdin)
        return process.returncode or 0, out, err

    async def run(self, *args: str, stdin: bytes = b"") -> str:
        """Git's output. Raises GitFailed."""
        code, out, err = await self.start(*args, stdin=stdin)
        if code:
            raise GitFailed(f"git {' '.join(args)}: {err.decode()}")
        return out.decode().strip()

    async def init(self) -> None:
        """Make it, empty, as GitHub's behave."""
        self.path.mkdir(parents=True)
        await self.run("init", "-q", "--bare", "-b", "main", ".")
        settings = (
            "[http]\n\treceivepack = true\n[receive]\n\tdenyDeleteCurrent = ignore\n"
            "\tadvertisePushOptions = true\n\tfsckObjects = true\n"
            "[uploadpack]\n\tallowAnySHA1InWant = true\n\tallowFilter = true\n"
            "[gc]\n\tauto = 0\n"
        )
        with (self.path / "config").open("a", encoding="utf-8") as config:
            config.write(settings)
        hook = self.path / "hooks" / "update"
        hook.parent.mkdir(exist_ok=True)
        hook.write_text(HOOK, encoding="utf-8")
        hook.chmod(0o755)

    async def refs(self, prefix: str = "refs/") -> dict[str, str]:
        """Every ref below `prefix` and its object."""
        out = await self.run("for-each-ref", "--format=%(refname) %(objectname)", prefix)
        return {name: sha for name, _, sha in (line.partition(" ") for line in out.splitlines())}

    async def resolve(self, name: str) -> str | None:
        """The commit that a full ref, a branch, a tag or an id names; None where nothing does."""
        whole = name.startswith("refs/") or len(name) == len(ZERO)
        for guess in [name] if whole else [f"refs/heads/{name}", f"refs/tags/{name}"]:
            code, out, _ = await self.start(
                "rev-parse", "-q", "--verify", "--end-of-options", f"{guess}^{{commit}}"
            )
            if not code:
                return out.decode().strip()
        return None

    async def ref(self, name: str) -> str | None:
        """Where a full ref stands."""
        return (await self.refs(name)).get(name)

    async def is_ancestor(self, old: str, new: str) -> bool:
        """Whether `new` contains `old`."""
        code, _, _ = await self.start("merge-base", "--is-ancestor", old, new)
        return code == 0

    async def merge_base(self, one: str, other: str) -> str | None:
        """Their best common ancestor."""
        code, out, _ = await self.start("merge-base", one, other)
        return None if code else out.decode().strip()

    async def move(self, moves: Sequence[Move]) -> bool:
        """Move refs, all or none, each only from where it is said to be; whether it was done."""
        lines = "".join(
            f"update {move.ref}\0{move.new or ZERO}\0{move.old or ZERO}\0" for move in moves
        )
        code, _, _ = await self.start(
            "update-ref", "-z", "--stdin", stdin=f"start\0{lines}prepare\0commit\0".encode()
        )
        return code == 0

    async def commits(self, *revisions: str, limit: int = 250) -> list[Commit]:
        """The commits of a `git log` range, newest first."""
        form = "--format=%H%x00%T%x00%P%x00%an%x00%ae%x00%aI%x00%cn%x00%ce%x00%cI%x00%B%x01"
        out = await self.run("log", f"--max-count={limit}", form, *revisions, "--")
        return [_commit(part.lstrip("\n")) for part in out.split("\x01") if part.strip()]

    async def commit(self, sha: str) -> Commit:
        """One commit. Raises GitFailed where there is none."""
        return (await self.commits(sha, limit=1))[0]

    async def files(self, revision: str) -> dict[str, str]:
        """The files of a commit and what is in them."""
        names = (await self.run("ls-tree", "-r", "-z", "--name-only", revision)).split("\0")
        return {name: await self.run("show", f"{revision}:{name}") for name in names if name}

    async def changed(self, old: str, new: str) -> list[str]:
        """The paths that differ between two commits."""
        return (await self.run("diff-tree", "-r", "--name-only", old, new)).splitlines()

    async def merge_tree(self, one: str, other: str) -> str | None:
        """The tree of their merge; None where they conflict."""
        code, out, _ = await self.start("merge-tree", "--write-tree", one, other)
        return None if code else out.decode().split("\n", 1)[0].strip()

    async def commit_tree(self, tree: str, message: str, *parents: str) -> str:
        """A commit of a tree."""
        flags = [flag for parent in parents for flag in ("-p", parent)]
        return await self.run("commit-tree", tree, *flags, "-F", "-", stdin=message.encode())

    async def write(
        self, files: Mapping[str, str | None], *, on: str | None, message: str, who: Signature
    ) -> str:
        """A commit of `files` over those of `on`; a file whose text is None is deleted."""
        ref = "refs/model/written"
        ident = f"{who.name} <{who.email}> {millis(who.date) // 1000} +0000"
        lines = [f"commit {ref}", f"author {ident}", f"committer {ident}", _data(message)]
        lines += [f"from {on}"] if on else []
        for path, text in files.items():
            if text is None:
                lines.append(f"D {path}")
            else:
                lines += [f"M 100644 inline {path}", _data(text)]
        script = "\n".join([lines[0], "mark :1", *lines[1:], "", "get-mark :1", f"reset {ref}"])
        return await self.run(
            "fast-import", "--quiet", "--force", stdin=f"{script}\nfrom {ZERO}\n".encode()
        )


def _data(text: str) -> str:
    return f"data {len(text.encode())}\n{text}"


def _commit(text: str) -> Commit:
    sha, tree, parents, an, ae, ad, cn, ce, cd, message = text.split("\0", 9)
    return Commit(
        sha,
        tree,
        tuple(parents.split()),
        Signature(an, ae, ad),
        Signature(cn, ce, cd),
        message.rstrip("\n"),
    )
