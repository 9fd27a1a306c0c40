"""The target: one bookmark in jj and one branch in git, which have to tell the same story.

Reads both and moves the branch; must not know what a candidate or a change request is.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass

from oya_vcs.core.events import Reason
from oya_vcs.core.ids import CommitId, TreeId
from oya_vcs.errors import WorldFailed
from oya_vcs.ports import Repository

LOOKS_MAX = 4
"""How often one effect looks again at a target that moves under its eyes before it gives way."""
LINE_MAX = 256
"""How many landings of ours in a row are remembered: workers rarely start from an older one."""
_BOOKMARK = (
    'if(remote, "", if(conflict, "conflicted", '
    'if(present, normal_target.commit_id() ++ " " ++ normal_target.working_copies(), "missing"))'
    ' ++ "\\n")'
)
"""Of our control workspace, beside which there is always another: with a single one, jj tells no
working copies."""
_REFS = "--format=%(refname)%00%(objectname)%00%(tree)%00%(HEAD)%00%(worktreepath)%00"


@dataclass(frozen=True, slots=True)
class Tip:
    """Where the target stands, in jj and in git alike."""

    commit: CommitId
    tree: TreeId


@dataclass(frozen=True, slots=True)
class Blocked:
    """Why the target cannot be landed on, with the mend."""

    reason: Reason
    detail: str


@dataclass(frozen=True, slots=True)
class Ref:
    """A ref as git lists it. `head` says that HEAD is attached to it; `worktree` is the folder
    where it is checked out, or empty."""

    name: str
    commit: str
    tree: str
    head: bool
    worktree: str


@dataclass(frozen=True, slots=True)
class _Known:
    """What jj knew of the bookmark after an operation; `edited_in` names the workspaces whose
    working copy is that very commit."""

    operation: str
    tip: CommitId | Blocked
    edited_in: str = ""


class Target:
    """The bookmark `name` of a repository. Whoever calls holds the repository's lock."""

    def __init__(self, repository: Repository, name: str) -> None:
        self._repository = repository
        self._known: _Known | None = None
        self._line = deque[CommitId](maxlen=LINE_MAX)
        self._moved: CommitId | None = None
        self.name = name
        self.ref = f"refs/heads/{name}"
        self.home_tag = repository.home_tag

    async def bookmark(self) -> CommitId | Blocked:
        """Where jj has the target, without looking at git. jj is not asked again until something
        has happened in it."""
        return (await self._look()).tip

    async def edited_in(self) -> str:
        """The workspaces, if any, in which the target's own commit is the one being edited."""
        return (await self._look()).edited_in

    async def _look(self) -> _Known:
        operation = await self._repository.operation()
        if self._known is not None and self._known.operation == operation:
            return self._known
        found = await self._ask(operation)
        same = operation and operation == await self._repository.operation()
        self._known = found if same else None
        return found

    async def _ask(self, operation: str) -> _Known:
        quoted = self.name.replace("\\", "\\\\").replace('"', '\\"')
        said = await self._repository.jj(
            "bookmark", "list", "-T", _BOOKMARK, "--", f'exact:"{quoted}"'
        )
        found, _, edited_in = said.strip().partition(" ")
        if found == "conflicted":
            return _Known(
                operation,
                Blocked(
                    Reason.TARGET_CONFLICTED,
                    f"The bookmark `{self.name}` is conflicted: it was moved in two ways at once. "
                    f"Run `jj bookmark set {self.name} -r REVISION` (with --allow-backwards if jj "
                    "asks for it), then run again.",
                ),
            )
        if found in ("", "missing"):
            return _Known(
                operation,
                Blocked(
                    Reason.TARGET_MISSING,
                    f"There is no bookmark `{self.name}`. "
                    f"Run `jj bookmark create {self.name} -r REVISION`, then run again.",
                ),
            )
        return _Known(operation, CommitId(found), edited_in)

    def met(self, tip: CommitId) -> None:
        """The target stands at `tip`: somebody else moved it, unless it stood there before."""
        if self._line and self._line[-1] != tip:
            self._moved = tip
            self._line.clear()
        if not self._line:
            self._line.append(tip)

    def landed(self, tip: CommitId) -> None:
        """The target stands at `tip`, where we put it."""
        if not self._line or self._line[-1] != tip:
            self._line.append(tip)

    def known_below(self, base: CommitId) -> tuple[CommitId, ...]:
        """Commits that are `base` or below it: where our own landings have led to it, those."""
        at_end = bool(self._line) and self._line[-1] == base
        return tuple(self._line) if at_end else (base,)

    async def met_beneath(self, candidate: CommitId) -> None:
        """Look where the target stands while something is stacked on `candidate`: on a target that
        nobody else moved, unless that is seen."""
        tip = await self.bookmark()
        if isinstance(tip, Blocked):
            return
        if not self._line and not await self.contains(candidate, tip):
            self._moved = tip
        self.met(tip)

    def moved(self) -> CommitId | None:
        """Where somebody else moved the target, told once."""
        moved, self._moved = self._moved, None
        return moved

    async def agreed(self) -> Tip | Blocked:
        """Where jj and git both have the target, after each was told what the other knows.

        Import comes first, as in jj's own commands: what was moved with git is not overwritten.
        """
        for _ in range(LOOKS_MAX):
            await self._repository.jj("git", "import")
            tip = await self.bookmark()
            if isinstance(tip, Blocked):
                return tip
            branch = await self.branch()
            if branch is not None and branch.commit == tip:
                return Tip(tip, TreeId(branch.tree))
            await self._repository.jj("git", "export")
            if branch is None and await self.branch() is None:
                return Blocked(
                    Reason.TARGET_MISSING,
                    f"jj cannot export the bookmark `{self.name}` to git, which takes no branch of "
                    "that name (or has one that stands in its way). Run `jj bookmark rename`, set "
                    "the new name as repo.target, then run again.",
                )
        raise self.restless()

    async def branch(self) -> Ref | None:
        """The target as git has it."""
        return next((ref for ref in await self.refs(self.ref) if ref.name == self.ref), None)

    async def refs(self, *args: str) -> tuple[Ref, ...]:
        """What `git for-each-ref` lists for these arguments."""
        fields = (await self.git("for-each-ref", _REFS, *args)).split("\0")
        rows = zip(*[iter(fields)] * 5, strict=False)
        return tuple(
            Ref(name.strip(), commit, tree, head == "*", worktree)
            for name, commit, tree, head, worktree in rows
        )

    def verify(self, base: CommitId) -> str:
        """The line of a ref transaction that lets it pass only while git's branch is at `base`."""
        return f"verify {self.ref}\0{base}\0"

    async def still(self, base: CommitId, *lines: str, note: str = "oya-vcs") -> bool:
        """Carry out a ref transaction that depends on git's branch being at `base`, all or nothing.

        `lines` are those of `git update-ref --stdin -z`; `note` goes to the reflog. False where
        the branch had moved; raises WorldFailed where it had not and git refuses all the same.
        """
        try:
            await self.change_refs(*lines, note=note)
        except WorldFailed:
            branch = await self.branch()
            if branch is not None and branch.commit == base:
                raise
            return False
        return True

    async def change_refs(self, *lines: str, note: str = "oya-vcs") -> None:
        """Carry out a ref transaction, all or nothing. Raises WorldFailed where git refuses."""
        await self.git("update-ref", "-m", note, "--stdin", "-z", stdin="".join(lines))

    async def in_the_way(self, branch: Ref) -> Blocked | None:
        """Why the branch cannot be moved on without harm to somebody's files, if there is a
        reason."""
        if edited_in := await self.edited_in():
            return Blocked(
                Reason.TARGET_CONFLICTED,
                f"The commit of `{self.name}` is itself being edited in {edited_in}: with the next "
                "change there jj would rewrite it, and the bookmark would be conflicted. Run "
                "`jj new` there, then run again.",
            )
        if branch.worktree and not branch.head:
            return Blocked(
                Reason.TARGET_CONFLICTED,
                f"The branch `{self.name}` is checked out in the git worktree {branch.worktree}, "
                "whose files would read as undoing the landing. Run `git checkout --detach` there, "
                "then run again.",
            )
        return None

    async def advance(self, branch: Ref, commit: CommitId, *lines: str, note: str) -> bool:
        """Move git's branch from where it was seen to `commit`, and carry out `lines`, all or
        nothing; False where it had moved.

        HEAD, where it is attached to the branch, stays behind, as with `jj git export`: moved
        along, the user's files would read as undoing what is new (on jj 0.46 the next snapshot did
        undo it). A new colocated repository is like this until its first `jj new`.
        """
        base = CommitId(branch.commit)
        if branch.worktree:
            why = "oya-vcs: detach, as jj does, before the branch moves"
            await self.git("update-ref", "--no-deref", "-m", why, "HEAD", base, base)
        return await self.still(base, f"update {self.ref}\0{commit}\0{base}\0", *lines, note=note)

    async def contains(self, tip: CommitId, commit: CommitId) -> bool:
        """Whether `commit` is `tip` or one of its ancestors."""
        return not await self.git("rev-list", "-n1", "--end-of-options", commit, f"^{tip}")

    async def tree(self, commit: CommitId) -> str:
        """The tree of a commit. Raises WorldFailed where the commit is not there."""
        return await self.git("rev-parse", "--verify", "--end-of-options", f"{commit}^{{tree}}")

    async def git(self, *args: str, env: Mapping[str, str] | None = None, stdin: str = "") -> str:
        """Run git on the objects as they are: a replacement ref must not pass for a tested tree."""
        return await self._repository.git("--no-replace-objects", *args, env=env, stdin=stdin)

    def restless(self) -> WorldFailed:
        """The error of giving way to somebody who keeps moving the target."""
        return WorldFailed(
            f"The target `{self.name}` of {self._repository.id} moved {LOOKS_MAX} times while it "
            "was being read; it is tried again.",
            retryable=True,
        )
