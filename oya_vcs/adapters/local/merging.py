"""Merges, and the commits of a change, read and written with git plumbing: objects only.

No ref, no working copy, no index and no jj operation is touched. This module must not know what is
kept of what it makes, nor why it is made.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

from oya_vcs.core.ids import CommitId, TreeId

CONFLICT_TREES = ".jjconflict-"
"""How root entries begin that jj wrote for a commit with a conflict in it."""
_CONFLICT_ENTRY = re.compile(rf"[0-7]{{5,6}} {re.escape(CONFLICT_TREES)}")
"""Such an entry in the bytes of a tree: its mode, a space, its name."""
_CRUD = "".join(map(chr, range(33))) + ".,:;<>\"\\'"
"""What git strips from both ends of a name; of a name that has nothing else it makes no commit."""
_COMMIT = "%H%x00%P%x00%an%x00%ae%x00%ad%x00%(trailers:key=Co-authored-by,valueonly)%x00%B%x00"


class Git(Protocol):
    """Runs git on the objects as they are."""

    async def git(self, *args: str, env: Mapping[str, str] | None = None, stdin: str = "") -> str:
        """What it said. Raises WorldFailed."""
        ...


@dataclass(frozen=True, slots=True)
class Merge:
    """What merging two commits gives: `files` are in conflict where it is not `clean`."""

    clean: bool
    tree: TreeId
    files: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Author:
    """Who made a commit and when: seconds since 1970 and an offset, as git writes them; empty where
    that makes no sense."""

    name: str
    email: str
    date: str = ""

    def __str__(self) -> str:
        """As a trailer names somebody."""
        return f"{self.name} <{self.email}>"


@dataclass(frozen=True, slots=True)
class Commit:
    """A commit of a change; `others` are the further authors that its trailers name."""

    id: CommitId
    parents: tuple[CommitId, ...]
    author: Author
    others: tuple[Author, ...]
    message: str


async def merges(git: Git, *lines: str) -> tuple[Merge, ...]:
    """A merge for each line: `BASE HEAD`, or `FORK -- BASE HEAD` where the fork is given.

    `--stdin` makes a conflict an answer, with status 0, and leaves any other status for errors such
    as a commit that is not there. Git sees no attributes, and so no merge driver: like
    jj, it merges every file as text.
    """
    said = await git.git(
        *("merge-tree", "--write-tree", "--stdin", "--no-messages", "--name-only"),
        stdin="".join(f"{line}\n" for line in lines),
    )
    fields = iter(said.split("\0"))
    return tuple(_next_merge(fields) for _ in lines)


def _next_merge(fields: Iterator[str]) -> Merge:
    clean, tree = next(fields) == "1", TreeId(next(fields))
    return Merge(clean, tree, tuple(iter(lambda: next(fields), "")))


@dataclass(frozen=True, slots=True)
class Look:
    """What is seen of a base and a head without walking any history: the head's parent where it has
    exactly one, and whether the root of either `holds_conflict` as jj writes it. What neither has,
    no merge of them has."""

    parent: CommitId | None
    holds_conflict: bool


async def look_at(git: Git, base: CommitId, head: CommitId) -> Look:
    """Look at a base and a head. Of commits that are not there it says nothing: merging them does
    raise."""
    asked = (f"info {head}^1", f"info {head}^2")
    wanted = (f"contents {base}^{{tree}}", f"contents {head}^{{tree}}")
    said = await git.git(
        "cat-file", "--batch-command", stdin="".join(f"{one}\n" for one in (*asked, *wanted))
    )
    first, second, trees = (*said.split("\n", 2), "", "")[:3]
    alone = second.endswith(" missing") and not first.endswith(" missing")
    return Look(
        parent=CommitId(first.partition(" ")[0]) if alone else None,
        holds_conflict=_CONFLICT_ENTRY.search(trees) is not None,
    )


async def passed_conflict_trees(git: Git, base: CommitId, head: CommitId) -> bool:
    """Whether a commit between them, which lands with the head, held them for a while."""
    said = await git.git(
        *("rev-list", "-n1", "--full-history", "--end-of-options", head, f"^{base}"),
        *("--", f"{CONFLICT_TREES}*"),
    )
    return bool(said)


async def commits_of(git: Git, base: CommitId, head: CommitId) -> tuple[Commit, ...]:
    """What the head has and the base has not, parents first."""
    said = await git.git(
        *("log", "--reverse", "--topo-order", "--date=raw", f"--format=tformat:{_COMMIT}"),
        *("--no-show-signature", "--encoding=UTF-8", "--end-of-options", head, f"^{base}"),
    )
    fields = said.split("\0")
    return tuple(_commit(*row) for row in zip(*[iter(fields)] * 7, strict=False))


def _commit(
    commit: str, parents: str, name: str, email: str, date: str, others: str, message: str
) -> Commit:
    named = (re.fullmatch(r"\s*(.*?)\s*<([^<>]*)>\s*", line) for line in others.splitlines())
    return Commit(
        id=CommitId(commit.strip()),
        parents=tuple(map(CommitId, parents.split())),
        author=_author(name, email, date),
        others=tuple(_author(one[1], one[2]) for one in named if one),
        message=message,
    )


def _author(name: str, email: str, date: str = "") -> Author:
    """An author that git takes back."""
    email = re.sub(r"[<>\s\x00-\x1f]", "", email)
    name = re.sub(r"[<>\x00-\x1f]", "", name).strip(_CRUD) or email.strip(_CRUD) or "unknown"
    return Author(name, email, date if re.fullmatch(r"\d{1,11} [+-]\d{4}", date) else "")


async def commit(
    git: Git,
    tree: TreeId,
    *parents: CommitId,
    message: str,
    made_at_ms: int,
    author: Author | None = None,
) -> CommitId:
    """Write a commit, by us unless another `author` is named.

    Dates that are not the author's are `made_at_ms`, in git's whole seconds, so that the same
    arguments give the same id.
    """
    date = f"@{made_at_ms // 1000} +0000"
    env = {"GIT_AUTHOR_DATE": date, "GIT_COMMITTER_DATE": date}
    if author is not None:
        env |= {"GIT_AUTHOR_NAME": author.name, "GIT_AUTHOR_EMAIL": author.email}
        env |= {"GIT_AUTHOR_DATE": f"@{author.date}"} if author.date else {}
    named = [word for parent in parents for word in ("-p", parent)]
    return CommitId(await git.git("commit-tree", *named, tree, env=env, stdin=message))


async def differing(git: Git, one: TreeId | CommitId, other: TreeId) -> tuple[str, ...]:
    """The paths of files and submodules that are not the same in both trees; of a file that was
    moved both."""
    exactly = ("--no-renames", "--ignore-submodules=none")
    said = await git.git("diff-tree", "-r", "--name-only", "-z", *exactly, one, other)
    return tuple(path for path in said.split("\0") if path)
