"""A box around workers and the setup of their workspaces, made by bubblewrap: they can write to
their workspace and nowhere else.

`around` turns an order into one whose program runs in the box; `require` finds out, before any bead
is started, whether that can work. The rules (docs/adr/0011-redaction-and-sandbox.md):

- The file system is what it is, read-only. Writable are the workspace, a home and a /tmp of the
  run's own, the heartbeat, and what the configuration names.
- Hidden are the user's home and everybody's, our own home with the record and other workspaces, and
  /run with the sockets of daemons. What a worker needs from there the configuration names.
- `.jj` is read-only: the daemon snapshots from outside, and workers do not run jj.
- No capabilities, no processes of others, and no network where the configuration says so, but for
  the gateway where it says that: through a socket of the file system, and a bridge to it.
- The box dies with the reaper. That follows the thread that started it, and a reaper has only one.

Must not know beads, or how processes are run. Linux only.
"""

from __future__ import annotations

import asyncio
import os
import pwd
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from oya_vcs.config import WorkerConfig
from oya_vcs.errors import ConfigurationInvalid
from oya_vcs.ports import Order

HIDDEN = ("/home", pwd.getpwuid(0).pw_dir, "/run", "/tmp", "/var/tmp")  # noqa: S108 - hidden
TRY_S = 20
"""How long an empty box may take; it takes 10 ms."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bridge:
    """The one way out of a sandbox without network: `program` is started before the worker's, with
    the socket's place in the sandbox and the `port` that it is to be found at there; it needs to
    read `reads`. `socket` is its place outside."""

    program: tuple[str, ...]
    reads: tuple[Path, ...]
    socket: Path
    port: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Bubblewrap:
    """`program` is bwrap; `user_home` what HOME says; `hidden` our own home; `reads` and `writes`
    are paths that stay readable and writable, where they exist; `bridge` leads out of a sandbox
    without network."""

    program: str
    user_home: Path
    hidden: Path
    network: bool = True
    reads: tuple[Path, ...] = ()
    writes: tuple[Path, ...] = ()
    bridge: Bridge | None = None

    def around(self, order: Order, folder: Path) -> Order:
        """The order with its program in the box. `folder` is the run's own, readable in the box;
        its home and its /tmp are made there. Blocks on the disk."""
        home, tmp = folder / "home", folder / "tmp"
        home.mkdir(mode=0o700, exist_ok=True)
        tmp.mkdir(mode=0o700, exist_ok=True)
        open_ = ["--ro-bind", str(folder), str(folder)]
        if order.heartbeat is not None:
            open_ += ["--bind", str(order.heartbeat), str(order.heartbeat)]
        work = str(order.cwd)
        open_ += ["--bind", work, work]
        open_ += ["--ro-bind-try", f"{work}/.jj", f"{work}/.jj", "--chdir", work]
        first: tuple[str, ...] = ()
        if self.bridge is not None:
            place = f"{TMP}/{SOCKET}"
            open_ += ["--ro-bind", str(self.bridge.socket), place]
            first = (*self.bridge.program, place, str(self.bridge.port))
        argv = (
            self.program,
            *self._walls(home=home, tmp=tmp),
            *open_,
            *self._close(),
            "--",
            *first,
        )
        env = {**order.env, "HOME": self._home, "TMPDIR": TMP}
        return replace(order, argv=(*argv, *order.argv), env=env, boxed=True)

    async def require(self, argv: Sequence[str], environ: Mapping[str, str]) -> None:
        """Make sure that boxes can be made here, and that the worker's program is seen in one.

        Raises ConfigurationInvalid with the mend. A program of the repository (`./agent.sh`) is for
        the caller to look for.
        """
        told = await self._try(environ, "exit 0")
        if told is not None:
            raise ConfigurationInvalid(
                f'worker.sandbox is "bwrap", and bubblewrap cannot make a sandbox here: {told}',
                "It needs unprivileged user namespaces: see kernel.unprivileged_userns_clone, "
                "user.max_user_namespaces and kernel.apparmor_restrict_unprivileged_userns in "
                'sysctl, or the container that this runs in. Or set worker.sandbox = "none".',
            )
        name = argv[0] if argv else ""
        if not name or ("/" in name and not name.startswith("/")):
            return
        if await self._try(environ, 'command -v "$1" > /dev/null', name) is not None:
            raise ConfigurationInvalid(
                f"The worker's program {name} cannot be seen in the sandbox, which hides "
                f"{self.user_home} and other private folders.",
                "Name the folders that it needs in worker.reads in oya.toml.",
            )

    def missing(self) -> list[Path]:
        """What is to stay open and is not there."""
        return [path for path in (*self.reads, *self.writes) if not path.exists()]

    async def _try(self, environ: Mapping[str, str], script: str, *words: str) -> str | None:
        """What went wrong with a script in an empty box; None for nothing."""
        walls = await asyncio.to_thread(lambda: [*self._walls(), *self._close()])
        process = await asyncio.create_subprocess_exec(
            *(self.program, *walls, "--", "/bin/sh", "-c", script, "sh", *words),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
            env={"PATH": environ.get("PATH", os.defpath), "HOME": str(self.user_home)},
        )
        try:
            async with asyncio.timeout(TRY_S):
                _, said = await process.communicate()
        except TimeoutError:
            process.kill()
            await process.wait()
            return f"it did not end within {TRY_S} s."
        if process.returncode == 0:
            return None
        return said.decode(errors="replace").strip() or f"it ended with {process.returncode}."

    def _walls(self, home: Path | None = None, tmp: Path | None = None) -> Iterator[str]:
        """What every box has; without `home` and `tmp` those are empty."""
        yield from ("--die-with-parent", "--new-session", "--cap-drop", "ALL")
        yield from ("--unshare-pid", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try")
        if not self.network:
            yield "--unshare-net"
        yield from ("--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc")
        for path in self._hides():
            yield from ("--bind", str(tmp), path) if tmp and path == TMP else ("--tmpfs", path)
        yield from ("--bind", str(home), self._home) if home else ("--tmpfs", self._home)
        names = os.path.realpath("/etc/resolv.conf")
        if self.network and names.startswith("/run/"):
            yield from ("--ro-bind-try", names, names)
        for kept in (*self.reads, *(() if self.bridge is None else self.bridge.reads)):
            yield from ("--ro-bind-try", str(kept), str(kept))
        for kept in self.writes:
            yield from ("--bind-try", str(kept), str(kept))

    def _close(self) -> Iterator[str]:
        """Hidden places hold no more than what was put there."""
        for path in self._hides():
            if path != TMP:
                yield from ("--remount-ro", path)

    @property
    def _home(self) -> str:
        """Where the home of the run is: where its user's is, unless there is no such folder."""
        at = os.path.realpath(self.user_home)
        hidden = any(_within(at, os.path.realpath(one)) for one in HIDDEN)
        return at if at != "/" and (hidden or Path(at).is_dir()) else f"{TMP}/home"

    def _hides(self) -> list[str]:
        """The hidden folders that are there, none of them within another, or the home."""
        found = {os.path.realpath(path) for path in (*HIDDEN, self.hidden)} - {self._home}
        there = sorted(path for path in found if Path(path).is_dir())
        around = (*there, self._home)
        return [one for one in there if not any(_within(one, other) for other in around)]


SOCKET = ".oya-gateway.sock"
"""The gateway's, in the sandbox's own /tmp."""
TMP = os.path.realpath("/tmp")  # noqa: S108 - the name that the box's own gets


def find_sandbox(
    settings: WorkerConfig, environ: Mapping[str, str], closed: Mapping[str, Path], hidden: Path
) -> Bubblewrap | None:
    """The sandbox that the configuration asks for; None for none.

    `closed` are places that no worker may write to, by their names for people; `hidden` is our own
    home. Raises ConfigurationInvalid where bwrap is missing, or a setting would be without effect
    or open what has to stay closed.
    """
    if settings.sandbox == "none":
        useless = [name for name in ("reads", "writes") if getattr(settings, name)]
        useless += ["network"] * (settings.network != "host")
        if useless:
            raise ConfigurationInvalid(
                f"worker.{useless[0]} is set, and worker.sandbox is not: it would have no effect.",
                'Set worker.sandbox = "bwrap", or leave the key out.',
            )
        return None
    user_home = Path(environ.get("HOME", "/"))
    box = Bubblewrap(
        program=find_bubblewrap(environ.get("PATH", os.defpath)),
        user_home=user_home,
        hidden=hidden,
        network=settings.network == "host",
        reads=opened(settings.reads, user_home),
        writes=opened(settings.writes, user_home),
    )
    require_apart(box.writes, closed)
    return box


def find_bubblewrap(path: str) -> str:
    """The program, searched on the value of PATH. Raises ConfigurationInvalid where it is not."""
    found = shutil.which("bwrap", path=path)
    if found is None:
        raise ConfigurationInvalid(
            f'worker.sandbox is "bwrap", and bubblewrap\'s program bwrap is not on PATH ({path}).',
            "Install the package bubblewrap (Linux only), or set worker.sandbox to none.",
        )
    return os.path.realpath(found)


def opened(paths: Sequence[str], user_home: Path) -> tuple[Path, ...]:
    """The configuration's paths, `~/` being the user's home."""
    return tuple(user_home / path[2:] if path.startswith("~/") else Path(path) for path in paths)


def require_apart(writes: Sequence[Path], closed: Mapping[str, Path]) -> None:
    """Make sure that no writable path opens what has to stay closed, by its name for people.

    Raises ConfigurationInvalid.
    """
    for path in map(os.path.realpath, writes):
        for what, other in closed.items():
            place = os.path.realpath(other)
            if path == place or _within(path, place) or _within(place, path):
                raise ConfigurationInvalid(
                    f"worker.writes holds {path}, which would let workers write to {what} "
                    f"({place}).",
                    "Leave it out: a worker's result is what it changes in its workspace.",
                )


def _within(path: str, folder: str) -> bool:
    return path != folder and path.startswith(folder.rstrip("/") + "/")
