"""The outside world in memory: workspaces, workers and a forge that can crash with the daemon and
be probed after.

For tests and simulation. A commit is a map of paths to contents; two sides conflict where both
changed a path. As a forge it keeps the promises of the real one (`tests/contract/test_forge.py`).
It counts what was done, so that a test can tell twice from once.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from oya_vcs.core import effects as f
from oya_vcs.core import events as e
from oya_vcs.core.ids import ChangeId, CommitId, Key, TreeId, WorkspaceName, canonical_json
from oya_vcs.core.pulls import PULL_EFFECTS
from oya_vcs.errors import WorldFailed
from oya_vcs.ports import Probe, Report

Files = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Commit:
    """A commit in memory."""

    files: Files
    parents: tuple[CommitId, ...]
    message: str


@dataclass(frozen=True, slots=True)
class Work:
    """What a scripted worker does: write `files`, and end (with `reason`, or well), or not end at
    all until it is stopped."""

    files: Files = field(default_factory=dict)
    reason: e.Reason | None = None
    detail: str = ""
    ends: bool = True


Worker = Callable[[f.RunWorker, Files], Work]
Check = Callable[[Files], str]
"""Looks at a candidate's files and returns what is wrong with them, or nothing; or `ENDLESS`."""
ENDLESS = "It has no end."
"""What a check says that runs until it is stopped."""


@dataclass(slots=True)
class Outside:
    """What survives a crash of the daemon: the repository, the workspaces and the runs'
    outcomes."""

    commits: dict[CommitId, Commit] = field(default_factory=dict)
    target: CommitId | None = None
    tips: list[CommitId] = field(default_factory=list)
    tested: set[TreeId] = field(default_factory=set)
    workspaces: dict[WorkspaceName, dict[str, str]] = field(default_factory=dict)
    bases: dict[WorkspaceName, CommitId] = field(default_factory=dict)
    outcomes: dict[Key, e.Event] = field(default_factory=dict)
    started: Counter[Key] = field(default_factory=Counter)
    landings: Counter[str] = field(default_factory=Counter)
    pins: dict[ChangeId, set[CommitId]] = field(default_factory=dict)

    def commit(self, files: Files, parents: tuple[CommitId, ...], message: str) -> CommitId:
        """Add a commit; equal commits have equal ids."""
        named = canonical_json([sorted(files.items()), list(parents), message])
        commit = CommitId(hashlib.sha1(named, usedforsecurity=False).hexdigest())
        self.commits[commit] = Commit(dict(files), parents, message)
        return commit

    def tree(self, commit: CommitId) -> TreeId:
        """The id of a commit's files."""
        named = canonical_json(sorted(self.commits[commit].files.items()))
        return TreeId(hashlib.sha1(named, usedforsecurity=False).hexdigest())

    def move_target(self, commit: CommitId) -> None:
        """Move the target, as a landing or a person does."""
        self.target = commit
        self.tips.append(commit)

    def ancestors(self, commit: CommitId) -> set[CommitId]:
        """The commit and all it stands on."""
        seen: set[CommitId] = set()
        todo = [commit]
        while todo:
            one = todo.pop()
            if one not in seen:
                seen.add(one)
                todo.extend(self.commits[one].parents)
        return seen


def new_outside(files: Files) -> Outside:
    """A repository with one commit on its target."""
    outside = Outside()
    outside.move_target(outside.commit(files, (), "first"))
    return outside


class MemoryPerformer:
    """A `ports.Performer` for every kind of effect but those on pull requests, over an
    `Outside`."""

    def __init__(self, outside: Outside, *, worker: Worker, check: Check) -> None:
        self.outside = outside
        self._worker = worker
        self._check = check
        self._does: dict[type[f.Effect], Callable[..., e.Event]] = {
            f.CreateWorkspace: self._create,
            f.SetUpWorkspace: self._set_up,
            f.CollectResult: self._collect,
            f.VerifyResult: self._verified,
            f.OpenChange: self._open,
            f.BuildCandidate: self._build,
            f.Land: self._land,
            f.DropCandidates: self._drop,
            f.RemoveWorkspace: self._remove,
        }

    @property
    def kinds(self) -> tuple[type[f.Effect], ...]:
        """All but those on pull requests."""
        return tuple(kind for kind in f.EFFECTS if kind not in PULL_EFFECTS)

    async def do(self, key: Key, effect: f.Effect, report: Report) -> e.Event:
        """Carry the effect out."""
        if isinstance(effect, f.RunWorker):
            return await self._run(key, effect, report)
        if isinstance(effect, f.RunChecks):
            return await self._test(key, effect)
        event = self._does[type(effect)](key, effect)
        self.outside.outcomes[key] = event
        return event

    async def probe(self, key: Key, effect: f.Effect) -> e.Event | Probe:
        """The outcome that the outside holds. A worker that was started and has none was killed
        with the daemon."""
        found = self.outside.outcomes.get(key)
        if found is not None:
            return found
        if isinstance(effect, f.RunWorker) and self.outside.started[key]:
            return self._finished(key, effect, Work(reason=e.Reason.INTERRUPTED, detail="Killed."))
        return Probe.ABSENT

    async def stopped(self, key: Key, effect: f.Effect, reason: e.Reason) -> e.Event | None:
        """The outcome that the outside holds, else the end that a stop makes."""
        found = self.outside.outcomes.get(key)
        if found is None and isinstance(effect, f.RunWorker):
            found = self._finished(key, effect, Work(reason=reason, detail="Stopped."))
        elif found is None and isinstance(effect, f.SetUpWorkspace):
            found = self._set_up(key, effect, reason)
        elif found is None and isinstance(effect, f.VerifyResult):
            found = self._verified(key, effect, reason)
        elif found is None and isinstance(effect, f.RunChecks):
            found = self._checked(key, effect, reason, "Stopped.")
        return found

    def _create(self, key: Key, effect: f.CreateWorkspace) -> e.Event:
        base = self.outside.target
        if base is None:
            return e.WorkspaceBlocked(
                key=key,
                bead=effect.bead,
                workspace=effect.workspace,
                reason=e.Reason.TARGET_MISSING,
                detail="The target is gone.",
            )
        self.outside.workspaces[effect.workspace] = dict(self.outside.commits[base].files)
        self.outside.bases[effect.workspace] = base
        return e.WorkspaceCreated(
            **_attempt(key, effect),
            workspace=effect.workspace,
            path=f"/memory/{effect.workspace}",
            base=base,
        )

    def _set_up(
        self, key: Key, effect: f.SetUpWorkspace, reason: e.Reason | None = None
    ) -> e.Event:
        return e.WorkspaceSetUp(
            **_attempt(key, effect),
            workspace=effect.workspace,
            reason=reason,
            detail="Stopped." if reason else "",
        )

    def _verified(
        self, key: Key, effect: f.VerifyResult, reason: e.Reason | None = None
    ) -> e.Event:
        said = "Stopped." if reason else ""
        return e.ResultVerified(
            **_attempt(key, effect), round=effect.round, reason=reason, detail=said
        )

    async def _run(self, key: Key, effect: f.RunWorker, report: Report) -> e.Event:
        spawned = e.WorkerSpawned(
            run=key, bead=effect.bead, attempt=effect.attempt, pid=1, started=1
        )
        self.outside.started[key] += 1
        await report(spawned)
        files = self.outside.workspaces[effect.workspace]
        work = self._worker(effect, files)
        files.update(work.files)
        if not work.ends:
            await asyncio.Event().wait()
        event = self._finished(key, effect, work)
        self.outside.outcomes[key] = event
        return event

    def _finished(self, key: Key, effect: f.RunWorker, work: Work) -> e.Event:
        return e.WorkerFinished(
            **_attempt(key, effect),
            reason=work.reason,
            exit_code=None if work.reason else 0,
            detail=work.detail,
        )

    def _collect(self, key: Key, effect: f.CollectResult) -> e.Event:
        files = self.outside.workspaces[effect.workspace]
        commit = self.outside.commit(files, (effect.base,), effect.message)
        tree = self.outside.tree(commit)
        if tree == self.outside.tree(effect.base) and not effect.allow_empty:
            return e.ResultRefused(
                **_attempt(key, effect),
                reason=e.Reason.NOTHING_TO_LAND,
                detail="The worker changed nothing.",
            )
        return e.ResultCollected(**_attempt(key, effect), commit=commit, tree=tree)

    def _open(self, key: Key, effect: f.OpenChange) -> e.Event:
        return e.ChangeOpened(**_attempt(key, effect), change=effect.change, head=effect.head)

    def _build(self, key: Key, effect: f.BuildCandidate) -> e.Event:
        base = self.outside.target if effect.onto is None else effect.onto
        if base is None:
            return self._gone(key, effect)
        if base not in self.outside.commits:
            raise WorldFailed(f"Commit {base} is not there.")
        if effect.head in self.outside.ancestors(base):
            return self._redundant(key, effect, base)
        made = self._onto(base, effect)
        if isinstance(made, tuple):
            return e.CandidateConflicted(
                key=key, bead=effect.bead, change=effect.change, base=base, files=made
            )
        if self.outside.tree(made) == self.outside.tree(base):
            return self._redundant(key, effect, base)
        self.outside.pins.setdefault(effect.change, set()).add(made)
        return e.CandidateBuilt(
            key=key,
            bead=effect.bead,
            change=effect.change,
            base=base,
            commit=made,
            tree=self.outside.tree(made),
            paths=self._paths(base, made, effect.paths_max),
        )

    def _paths(self, base: CommitId, made: CommitId, most: int) -> tuple[str, ...] | None:
        one, other = self.outside.commits[base].files, self.outside.commits[made].files
        found = {path for path, _ in one.items() ^ other.items()}
        return tuple(sorted(found)) if len(found) <= most else None

    def _onto(self, base: CommitId, effect: f.BuildCandidate) -> CommitId | tuple[str, ...]:
        """The commit that would land, or the files in conflict."""
        commits, own = self.outside.commits, self._own(base, effect.head)
        if effect.method == "rebase":
            tip = base
            for one in own:
                merged, conflicts = self._merge(tip, one, one)
                if conflicts:
                    return conflicts
                if merged != commits[tip].files:
                    tip = self.outside.commit(merged, (tip,), commits[one].message)
            return tip
        merged, conflicts = self._merge(base, effect.head, own[0])
        if conflicts:
            return conflicts
        parents = (base,) if effect.method == "squash" else (base, effect.head)
        return self.outside.commit(merged, parents, effect.message)

    def _own(self, base: CommitId, head: CommitId) -> list[CommitId]:
        """What the head has on its first-parent line and the base has not, oldest first."""
        known, own = self.outside.ancestors(base), []
        while head not in known:
            own.append(head)
            head = self.outside.commits[head].parents[0]
        return own[::-1]

    def _redundant(self, key: Key, effect: f.BuildCandidate, base: CommitId) -> e.Event:
        return e.CandidateRedundant(
            key=key,
            bead=effect.bead,
            change=effect.change,
            base=base,
            tree=self.outside.tree(base),
        )

    def _gone(self, key: Key, effect: f.BuildCandidate | f.Land) -> e.Event:
        return e.TargetBlocked(
            key=key,
            bead=effect.bead,
            change=effect.change,
            reason=e.Reason.TARGET_MISSING,
            detail="The target is gone.",
        )

    def _merge(
        self, ours: CommitId, theirs: CommitId, since: CommitId
    ) -> tuple[Files, tuple[str, ...]]:
        """What `theirs` changed from the parent of `since` on, put onto `ours`."""
        commits = self.outside.commits
        fork = commits[since].parents[0]
        base, left, right = (commits[one].files for one in (fork, ours, theirs))
        merged = dict(left)
        conflicts: list[str] = []
        for path in sorted({*base, *right}):
            if right.get(path) == base.get(path):
                continue
            if left.get(path) not in (base.get(path), right.get(path)):
                conflicts.append(path)
            elif path in right:
                merged[path] = right[path]
            else:
                merged.pop(path, None)
        return merged, tuple(conflicts)

    async def _test(self, key: Key, effect: f.RunChecks) -> e.Event:
        wrong = self._check(self.outside.commits[effect.candidate].files)
        if wrong == ENDLESS:
            await asyncio.Event().wait()
        if not wrong:
            self.outside.tested.add(self.outside.tree(effect.candidate))
        event = self._checked(key, effect, e.Reason.CHECK_FAILED if wrong else None, wrong)
        self.outside.outcomes[key] = event
        return event

    def _checked(
        self, key: Key, effect: f.RunChecks, reason: e.Reason | None, detail: str
    ) -> e.Event:
        return e.ChecksFinished(
            key=key,
            bead=effect.bead,
            change=effect.change,
            candidate=effect.candidate,
            reason=reason,
            check="test",
            detail=detail,
        )

    def _land(self, key: Key, effect: f.Land) -> e.Event:
        target = self.outside.target
        if target is None:
            return self._gone(key, effect)
        if self.outside.tree(effect.commit) != effect.tree:
            raise WorldFailed("The commit has another tree than the one that was tested.")
        if effect.commit not in self.outside.ancestors(target):
            if target != effect.base:
                return e.LandingStale(key=key, bead=effect.bead, change=effect.change, found=target)
            self.outside.move_target(effect.commit)
            self.outside.landings[effect.bead] += 1
            self.outside.pins.pop(effect.change, None)
        return e.Landed(
            key=key,
            bead=effect.bead,
            change=effect.change,
            base=effect.base,
            commit=effect.commit,
            tree=self.outside.tree(effect.commit),
        )

    def _drop(self, key: Key, effect: f.DropCandidates) -> e.Event:
        pins = self.outside.pins.pop(effect.change, set())
        return e.CandidatesDropped(key=key, bead=effect.bead, change=effect.change, pins=len(pins))

    def _remove(self, key: Key, effect: f.RemoveWorkspace) -> e.Event:
        files = self.outside.workspaces.pop(effect.workspace, None)
        pinned = None
        if files is not None:
            base = self.outside.bases[effect.workspace]
            kept = self.outside.commits[effect.kept_as or base].files
            if files != kept:
                pinned = self.outside.commit(files, (base,), f"kept from {effect.workspace}")
        return e.WorkspaceRemoved(
            key=key, bead=effect.bead, workspace=effect.workspace, pinned=pinned
        )


def _attempt(key: Key, effect: Any) -> dict[str, Any]:
    """What the outcome of an effect on an attempt has of it."""
    return {"key": key, "bead": effect.bead, "attempt": effect.attempt}
