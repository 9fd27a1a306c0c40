"""Where things live: the home, the tools, the user's configuration, our own data. The one reader of
`os.environ`."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Home:
    """The folder of a daemon (`OYA_HOME`) and where each thing stands in it."""

    root: Path

    @property
    def journal(self) -> Path:
        """The record."""
        return self.root / "journal.db"

    @property
    def checkpoints(self) -> Path:
        """What a start reads instead of the whole record."""
        return self.root / "checkpoints"

    @property
    def workspaces(self) -> Path:
        """One folder a repository, one below it an attempt."""
        return self.root / "workspaces"

    @property
    def runs(self) -> Path:
        """One folder a process that was started, named by its execution key: its outcome survives
        the daemon."""
        return self.root / "runs"

    @property
    def logs(self) -> Path:
        """Output of workers and checks."""
        return self.root / "logs"

    @property
    def trash(self) -> Path:
        """Where removed workspaces wait for deletion."""
        return self.root / "trash"

    @property
    def checkouts(self) -> Path:
        """Clean checkouts in which checks run."""
        return self.root / "checkouts"

    @property
    def lock(self) -> Path:
        """Held by the one daemon of this home; names its pid."""
        return self.root / "daemon.lock"

    @property
    def gateway(self) -> Path:
        """Where sandboxes without network reach the gateway."""
        return self.root / "gateway.sock"

    @property
    def socket(self) -> Path:
        """Where the daemon hears the commands of its user."""
        return self.root / "daemon.sock"

    @property
    def token(self) -> Path:
        """What whoever changes something over HTTP has to show."""
        return self.root / "token"


SOCKET_BYTES_MAX = 100
"""Longer names of sockets are reached through their folder: sun_path of unix(7) holds 108 bytes
with the final zero, 104 elsewhere."""


@contextmanager
def socket_address(path: Path) -> Iterator[str]:
    """What bind(2) and connect(2) take for the socket at `path`, while the block runs: a long path
    as one below an open folder of /proc, where there is that (Linux). Raises OSError."""
    if len(os.fsencode(path)) <= SOCKET_BYTES_MAX or not Path("/proc/self/fd").is_dir():
        yield str(path)
        return
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)


def environment() -> Mapping[str, str]:
    """A copy of the process's environment, for those who start programs or look along PATH."""
    return dict(os.environ)


def default_home(environ: Mapping[str, str] | None = None) -> Home:
    """`OYA_HOME`, else `$XDG_STATE_HOME/oya-vcs`, else `~/.local/state/oya-vcs`."""
    env = os.environ if environ is None else environ
    if env.get("OYA_HOME"):
        return Home(Path(env["OYA_HOME"]).absolute())
    return Home(_xdg(env, "XDG_STATE_HOME", ".local/state") / "oya-vcs")


def tools_folder(environ: Mapping[str, str] | None = None) -> Path:
    """Where privately installed jj and git live: `$XDG_DATA_HOME/oya-vcs/tools`."""
    env = os.environ if environ is None else environ
    return _xdg(env, "XDG_DATA_HOME", ".local/share") / "oya-vcs" / "tools"


def user_config(environ: Mapping[str, str] | None = None) -> Path | None:
    """`$XDG_CONFIG_HOME/oya-vcs/config.toml` (default `~/.config`), None where there is none."""
    env = os.environ if environ is None else environ
    path = _xdg(env, "XDG_CONFIG_HOME", ".config") / "oya-vcs" / "config.toml"
    return path if path.exists() else None


def _xdg(env: Mapping[str, str], variable: str, default: str) -> Path:
    """A base folder; a relative one is to be ignored (XDG Base Directory Specification 0.8)."""
    path = env.get(variable, "")
    return Path(path) if path.startswith("/") else Path.home() / default


def templates_folder() -> Path:
    """`templates/`: in the wheel inside the package, in a checkout beside it."""
    return _data("templates")


def _data(name: str) -> Path:
    """A folder that the build puts into the wheel (hatch_build.py)."""
    package = Path(__file__).resolve().parent.parent
    installed = package / "_data" / name
    return installed if installed.is_dir() else package.parent / name
