"""The command lines: what jj and git are told, under which configuration, and where.

Must not know what a bead, a change request or an attempt is.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from oya_vcs.adapters.jj.cell import Cell
from oya_vcs.adapters.jj.locks import clear_stale_locks, outlast_locks
from oya_vcs.adapters.jj.places import digest, find_store, repo_id
from oya_vcs.adapters.jj.program import (
    Ran,
    lock_file,
    run_program,
    sync_file_system,
)
from oya_vcs.adapters.jj.turns import Turns
from oya_vcs.adapters.jj.view import View
from oya_vcs.core.ids import RepoId
from oya_vcs.errors import SnapshotIncomplete, WorldFailed
from oya_vcs.ports import Turn

OP_USER = "oya-vcs"
"""How our operations are told from people's in the op log (JJ_OP_USERNAME; the host is a home)."""
IDENTITY = ("oya-vcs", "oya-vcs@localhost")
"""Author and committer of what the daemon commits, where the user has configured none."""
LEFT_OUT = ("Refused to snapshot some files", "Skipped some paths because")
"""How jj says, with exit status 0, that a snapshot is not the whole folder (measured on 0.46)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Programs:
    """The external programs and their environment.

    `path` is PATH, for filters; `home` a private folder for their configuration; `user` the user's
    own HOME, XDG_CONFIG_HOME and JJ_CONFIG, where the author's name is looked up.
    """

    jj: Path
    git: Path
    path: str
    home: Path
    user: Mapping[str, str] = field(default_factory=dict)


class JjRepository:
    """A `ports.Repository` over the jj and git command lines. Made by `open_repository`.

    Until `prepare` has run, only `peek` and `git` work.
    """

    def __init__(
        self, *, root: Path, store: Path, git_dir: Path, control: Path, programs: Programs
    ) -> None:
        self.root = root
        self.store = store
        self.git_dir = git_dir
        self._control = control
        self._programs = programs
        self._view = View(git_dir, programs.home)
        self._cell = Cell(programs.home / "config", store, git_dir)
        self._id = repo_id(root)
        self._home_tag = digest(control)[:6]
        self._turns = Turns()
        self._held: tuple[int, ...] = ()
        self._identity = IDENTITY

    @staticmethod
    def name_of(root: Path) -> RepoId:
        """The id that the repository at this root has in a home."""
        return repo_id(root)

    @property
    def id(self) -> RepoId:
        """The folder's name and eight digits of its path's hash."""
        return self._id

    @property
    def home_tag(self) -> str:
        """Six digits of the hash of the control workspace's path: those of this home, here."""
        return self._home_tag

    @property
    def control(self) -> Path:
        """Our own workspace of the repository, without files, on the root commit."""
        return self._control

    @property
    def identity(self) -> tuple[str, str]:
        """Name and e-mail of the author of what the daemon commits."""
        return self._identity

    @property
    def common(self) -> Path:
        """The git folder with the repository's refs, objects and configuration."""
        return self._view.common

    @property
    def workspace_prefix(self) -> str:
        """The name of our control workspace: unique to this home, so that two never share one."""
        return f"oya-control-{self._home_tag}"

    def lock(self, turn: Turn = Turn.REST) -> AbstractAsyncContextManager[None]:
        """Held around whatever mutates the repository, by one task of one process at a time.

        Programs started meanwhile inherit it: where this process is killed, the next one waits for
        a jj that is still writing.
        """
        return self._locked(turn)

    @asynccontextmanager
    async def _locked(self, turn: Turn) -> AsyncIterator[None]:
        async with self._turns.taken(turn):
            descriptor = os.open(
                self.store / "oya-vcs.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600
            )
            try:
                await lock_file(descriptor)
                self._held = (descriptor,)
                yield
            finally:
                self._held = ()
                os.close(descriptor)

    async def operation(self) -> str:
        """The name of jj's newest operation, read from its folder of operation heads."""

        def heads() -> list[str]:
            try:
                return [path.name for path in (self.store / "op_heads" / "heads").iterdir()]
            except OSError:
                return []

        found = await asyncio.to_thread(heads)
        return found[0] if len(found) == 1 else ""

    async def excludes_privately(self) -> bool:
        """Whether `info/exclude` of the repository names anything."""
        return await asyncio.to_thread(self._cell.excludes)

    async def jj(self, *args: str, workspace: Path | None = None, stdin: str = "") -> str:
        """Run jj and return its stdout. Without `workspace` it works at the control workspace and
        never snapshots.

        Raises SnapshotIncomplete where jj left files of the workspace out.
        """
        where = ["-R", str(self._control), "--ignore-working-copy"]
        if workspace is not None:
            where = ["-R", str(workspace)]
        return await self._run_jj(*where, *args, stdin=stdin)

    async def _run_jj(self, *args: str, stdin: str = "") -> str:
        argv = [str(self._programs.jj), "--no-pager", "--color=never", "--quiet"]
        for key, value in self._settings().items():
            argv += ["--config", f"{key}={value}"]
        argv += args
        await asyncio.to_thread(self._cell.close)
        ran = await self._mended(argv, self._environment(), stdin)
        if any(sign in ran.err for sign in LEFT_OUT):
            raise SnapshotIncomplete(
                f"jj left files out of its snapshot: {ran.err.strip()}",
                hint="Rename, move or delete the files that it names.",
                command=tuple(argv),
                stderr=ran.err.strip(),
            )
        return ran.out

    def _settings(self) -> dict[str, str]:
        """What neither a planted repository configuration nor a default may decide.

        `immutable_heads()`: whatever any jj transaction finds immutable under a working copy gets a
        new commit on top, in the user's workspace too; what must not be rewritten is therefore
        guarded by whoever rewrites (measured on 0.46).
        """
        return {
            "git.abandon-unreachable-commits": "false",
            "git.executable-path": _quoted(self._programs.git),
            "signing.behavior": '"drop"',
            "ui.editor": '"false"',
            "snapshot.max-new-file-size": '"1TiB"',
            "snapshot.auto-track": '"all()"',
            "snapshot.auto-update-stale": "false",
            "fsmonitor.backend": '"none"',
            "working-copy.eol-conversion": '"none"',
            "working-copy.exec-bit-change": '"respect"',
            'revset-aliases."immutable_heads()"': '"none()"',
        }

    def _environment(self) -> dict[str, str]:
        home = str(self._cell.home)
        name, email = self._identity
        return {
            "PATH": self._programs.path,
            "HOME": home,
            "XDG_CONFIG_HOME": home,
            "JJ_CONFIG": os.devnull,
            "JJ_EDITOR": "false",
            "JJ_USER": name,
            "JJ_EMAIL": email,
            "JJ_OP_USERNAME": OP_USER,
            "JJ_OP_HOSTNAME": self.workspace_prefix,
            # A list of ignored files that somebody planted in git's configuration: jj reads it too.
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": "core.excludesFile",
            "GIT_CONFIG_VALUE_0": os.devnull,
            "LC_ALL": "C.UTF-8",
        }

    async def git(self, *args: str, env: Mapping[str, str] | None = None, stdin: str = "") -> str:
        """Run git on the refs and objects of the backing store, and return its stdout, stripped.

        Nothing else in the store has a say: see `view`.
        """
        argv, environment = await self.git_call(*args)
        return (await self._mended(argv, {**environment, **(env or {})}, stdin)).out.strip()

    async def git_call(self, *args: str) -> tuple[list[str], dict[str, str]]:
        """The command line and the environment of `git`."""
        argv = [
            str(self._programs.git),
            *("-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false", "-c", "gc.auto=0"),
            *("-c", "core.commitGraph=false", "-c", "core.quotePath=true"),
            *(f"--git-dir={self.git_dir}", *args),
        ]
        shown = await asyncio.to_thread(self._view.environment)
        name, email = self._identity
        return argv, {
            "PATH": self._programs.path,
            "HOME": str(self._programs.home),
            **shown,
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_AUTHOR_NAME": name,
            "GIT_AUTHOR_EMAIL": email,
            "GIT_COMMITTER_NAME": name,
            "GIT_COMMITTER_EMAIL": email,
            "LC_ALL": "C.UTF-8",
        }

    async def _mended(self, argv: list[str], env: Mapping[str, str], stdin: str) -> Ran:
        """Run a program; where a lock file stopped it, clear stale ones for the next try, and raise
        only when that is worth while: a lock that was left a moment ago is not old enough yet."""
        try:
            return await run_program(argv, env=env, stdin=stdin, inherit=self._held)
        except WorldFailed as error:
            if ".lock" in error.stderr:
                await outlast_locks(self.git_dir, self.store)
            raise

    async def sync(self) -> None:
        """Return when everything written to the repository's file system so far is on disk."""
        try:
            await asyncio.to_thread(sync_file_system, self.store)
        except OSError as error:
            message = f"The file system of {self.store} could not be synced: {error}."
            hint = "Look at the disk: it may be full or failing."
            raise WorldFailed(message, hint=hint, retryable=True) from error

    async def peek(self, *args: str) -> str:
        """Run jj at the user's workspace without looking at its files, before `prepare` has run."""
        return await self._run_jj("-R", str(self.root), "--ignore-working-copy", *args)

    async def prepare(self) -> tuple[Path, ...]:
        """Make the control workspace where it is missing, and mend it where it is not well.

        Returns the stale lock files that were cleared. Raises WorldFailed.
        """
        name, email = await asyncio.gather(
            self._user_setting("user.name"), self._user_setting("user.email")
        )
        if name and email:
            self._identity = (name, email)
        async with self.lock():
            await asyncio.to_thread(self._make_folders)
            self._view.end_history_at(await self._ends())
            cleared = await asyncio.to_thread(clear_stale_locks, self.git_dir, self.store)
            if await asyncio.to_thread((self._control / ".jj").is_dir):
                await self._mend_control()
            else:
                await self._add_control()
        return cleared

    async def _ends(self) -> tuple[str, ...]:
        """The ends of a shallow history: commits that are said to be and lack their first parent.

        Where the parent is there, history does not end: somebody wants it to look as if.
        """
        said = await asyncio.to_thread(self._view.shallow)
        if not said:
            return ()
        parents = "".join(f"{commit}^1\n" for commit in said)
        asked = ("cat-file", "--batch-check=%(objectname)")
        found = (await self.git(*asked, env={"GIT_SHALLOW_FILE": ""}, stdin=parents)).splitlines()
        return tuple(one for one, parent in zip(said, found, strict=True) if " " in parent)

    def _make_folders(self) -> None:
        self._programs.home.mkdir(parents=True, exist_ok=True)
        self._control.parent.mkdir(parents=True, exist_ok=True)

    async def _mend_control(self) -> None:
        """Give a control workspace that was forgotten or left stale its empty commit again."""
        try:
            if self.workspace_prefix not in await self._workspaces("-R", str(self._control)):
                await self.jj("new", "root()")
            await self._run_jj("-R", str(self._control), "workspace", "update-stale")
        except WorldFailed:
            await asyncio.to_thread(_set_aside, self._control)
            await self._add_control()

    async def _add_control(self) -> None:
        """Make the control workspace, from the user's but without looking at its files.

        `workspace add --ignore-working-copy` reports an error after the workspace is made (measured
        on jj 0.46), because it may not fill it, which is what we want: the outcome is read.
        """
        at_root = ("-R", str(self.root), "--ignore-working-copy")
        name = self.workspace_prefix
        if name in await self._workspaces(*at_root):
            await self._run_jj(*at_root, "workspace", "forget", name)
        refusal: WorldFailed | None = None
        try:
            await self._run_jj(
                *(*at_root, "workspace", "add", "--name", name, "--no-colocate"),
                *("-r", "root()", str(self._control)),
            )
        except WorldFailed as error:
            refusal = error
        made = await asyncio.to_thread((self._control / ".jj").is_dir)
        if refusal is not None and (refusal.retryable or not made):  # killed, it made half of it
            raise refusal
        await self._run_jj("-R", str(self._control), "sparse", "set", "--clear")

    async def _workspaces(self, *where: str) -> list[str]:
        listed = await self._run_jj(
            *where, "--ignore-working-copy", "workspace", "list", "-T", 'name ++ "\n"'
        )
        return listed.splitlines()

    async def _user_setting(self, key: str) -> str:
        """A value of the user's own jj configuration, or empty. Reading it runs nothing."""
        argv = [str(self._programs.jj), "--no-pager", "--quiet", "--ignore-working-copy"]
        argv += ["-R", str(self.root), "config", "get", key]
        try:
            return (await run_program(argv, env=user_environment(self._programs))).out.strip()
        except WorldFailed as error:
            if error.retryable:
                raise  # jj was killed, which does not mean that there is none
            return ""


async def open_repository(path: Path, *, workspaces: Path, programs: Programs) -> JjRepository:
    """The jj repository at `path` (any folder inside one of its workspaces). Changes nothing: call
    `prepare` before anything else is asked of it.

    `workspaces` is the home's folder of workspaces. Raises NotFound where there is no jj
    repository, and WorldFailed where jj cannot read it.
    """
    root, store = await asyncio.to_thread(find_store, path)
    # In the user's environment: the first jj to see a repository moves an old-style configuration
    # out of it into its own configuration folder, and that must be the user's (measured on 0.46).
    argv = [str(programs.jj), "--no-pager", "--quiet", "--ignore-working-copy"]
    argv += ["-R", str(root), "git", "root"]
    ran = await run_program(argv, env=user_environment(programs))

    def repository() -> JjRepository:
        return JjRepository(
            root=root,
            store=store,
            git_dir=Path(ran.out.strip()),
            control=workspaces / repo_id(root) / ".control",
            programs=programs,
        )

    return await asyncio.to_thread(repository)  # it follows links to name the repository


def user_environment(programs: Programs) -> dict[str, str]:
    """What jj needs to find the user's own configuration."""
    user = programs.user or {"HOME": str(Path.home())}
    return {**user, "PATH": programs.path, "JJ_EDITOR": "false", "LC_ALL": "C.UTF-8"}


def _set_aside(folder: Path) -> None:
    """Rename a control workspace that cannot be mended; there is never anything of value in it."""
    number = 0
    while (target := folder.with_name(f"{folder.name}-broken-{number}")).exists():
        number += 1
    folder.rename(target)


def _quoted(value: str | Path) -> str:
    """A string as TOML and jj's revset language both write it."""
    return json.dumps(str(value), ensure_ascii=False)
