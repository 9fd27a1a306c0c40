"""What starts the daemon of a home with its user's session: a unit of systemd, a property list of
launchd. As text, where it stands, and whether one that is there is ours.

Writes and removes that one file. Starts no program: what is to be said to the service manager is
said by people. Must not know what a daemon does.
"""

from __future__ import annotations

import hashlib
import os
import plistlib
import shlex
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from xml.parsers.expat import ExpatError

from oya_vcs.errors import ConfigurationInvalid, WorldFailed

MARK = "Written by oya-vcs: its next installation replaces this file, and removing it deletes it."
"""What a file of ours holds in a comment. Changes belong into a drop-in."""
STOP_S_MAX = 45
"""How long the service manager waits before it kills: the daemon ends itself within 30 s."""
LIMITED = (2, 5)
"""Exit codes that a new start does not mend: a wrong configuration, a home that is in use."""
PASSED_ON = (
    *("PATH", "LANG", "LC_ALL", "OYA_JJ", "OYA_GIT", "JJ_CONFIG"),
    *("XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME"),
)
"""Variables of the shell that the daemon gets: where things are. None of them is a secret."""


class Kind(StrEnum):
    """Who starts daemons on this system."""

    SYSTEMD = "systemd"
    LAUNCHD = "launchd"


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """A file for the service manager: where it stands, its whole text, and what people say to that
    manager (`begin` after it was written, `end` before it goes)."""

    kind: Kind
    path: Path
    text: str
    begin: tuple[str, ...]
    end: tuple[str, ...]


class Standing(StrEnum):
    """What is at a service's path now."""

    ABSENT = "absent"
    SAME = "same"
    """Ours, as it would be written."""
    OLDER = "older"
    """Ours, and otherwise."""
    FOREIGN = "foreign"


def kind_here() -> Kind:
    """Who starts daemons here: launchd on macOS, else systemd."""
    return Kind.LAUNCHD if sys.platform == "darwin" else Kind.SYSTEMD


def service_for(
    kind: Kind, words: Sequence[str], home: Path, environ: Mapping[str, str], *, usual: bool
) -> Service:
    """The service that runs `oya-vcs` with these words for the daemon of `home`; `usual` says that
    this is the home that is used when none is named.

    Raises ConfigurationInvalid for a path or variable that no such file can hold.
    """
    argv = (sys.executable, "-P", "-m", "oya_vcs", *words)
    variables = {name: environ[name] for name in PASSED_ON if environ.get(name)}
    for text in (*argv, *variables.values()):
        if not text.isprintable():
            message = f"{text!r} holds a character that no file of a service manager can hold."
            raise ConfigurationInvalid(message, "Use a home and a PATH without such characters.")
    name = "oya-vcs" if usual else f"oya-vcs-{hashlib.sha256(bytes(home)).hexdigest()[:8]}"
    make = _systemd if kind is Kind.SYSTEMD else _launchd
    return make(name, argv, home, variables, environ)


def _systemd(
    name: str,
    argv: Sequence[str],
    home: Path,
    variables: Mapping[str, str],
    environ: Mapping[str, str],
) -> Service:
    config = _base(environ, "XDG_CONFIG_HOME", ".config")
    # The program's own path is no text with variables in it; its arguments are (systemd.service).
    program, *rest = argv
    command = " ".join([_quoted(program), *(_quoted(word.replace("$", "$$")) for word in rest)])
    text = f"""\
# {MARK}
# Other settings: `systemctl --user edit {name}`.
[Unit]
Description=oya-vcs, for {_percent(str(home))}

[Service]
Type=notify
ExecStart={command}
{"".join(f"Environment={_quoted(f'{key}={value}')}{chr(10)}" for key, value in variables.items())}\
EnvironmentFile=-{_percent(str(environment_file(environ)))}
Restart=on-failure
RestartSec=5
RestartPreventExitStatus={" ".join(map(str, LIMITED))}
SuccessExitStatus=130
KillMode=mixed
TimeoutStartSec=300
TimeoutStopSec={STOP_S_MAX}

[Install]
WantedBy=default.target
"""
    return Service(
        kind=Kind.SYSTEMD,
        path=config / "systemd" / "user" / f"{name}.service",
        text=text,
        begin=("systemctl --user daemon-reload", f"systemctl --user enable --now {name}"),
        end=(f"systemctl --user disable --now {name}",),
    )


def _launchd(
    name: str,
    argv: Sequence[str],
    home: Path,
    variables: Mapping[str, str],
    environ: Mapping[str, str],
) -> Service:
    label = f"oya-vcs.{name}"
    content = {
        "Label": label,
        "ProgramArguments": list(argv),
        "EnvironmentVariables": dict(variables),
        "RunAtLoad": True,
        "KeepAlive": {"SuccessfulExit": False},
        "ThrottleInterval": 30,
        "ExitTimeOut": STOP_S_MAX,
        "StandardErrorPath": str(home / "logs" / "daemon.err"),
    }
    head, _, body = plistlib.dumps(content, sort_keys=False).decode().partition("<plist")
    path = _home(environ) / "Library" / "LaunchAgents" / f"{label}.plist"
    return Service(
        kind=Kind.LAUNCHD,
        path=path,
        text=f"{head}<!-- {MARK} -->\n<plist{body}",
        begin=(f"launchctl bootstrap gui/$(id -u) {shlex.quote(str(path))}",),
        end=(f"launchctl bootout gui/$(id -u)/{label}",),
    )


def environment_file(environ: Mapping[str, str]) -> Path:
    """Beside config.toml: the variables that a daemon of systemd gets besides, secrets among
    them."""
    return _base(environ, "XDG_CONFIG_HOME", ".config") / "oya-vcs" / "environment"


def standing(service: Service) -> tuple[Standing, str]:
    """What is at the service's path now, and its text. Raises WorldFailed where that cannot be
    read."""
    if service.path.is_symlink():
        return Standing.FOREIGN, ""
    try:
        text = service.path.read_text("utf-8")
    except FileNotFoundError:
        return Standing.ABSENT, ""
    except UnicodeDecodeError:
        return Standing.FOREIGN, ""
    except OSError as error:
        raise WorldFailed(f"{service.path} cannot be read: {error.strerror}.") from error
    if text == service.text:
        return Standing.SAME, text
    return (Standing.OLDER if _is_ours(service.kind, text) else Standing.FOREIGN), text


def write(service: Service) -> None:
    """Put the file there, whole or not at all. Raises ConfigurationInvalid where somebody else's is
    there, and WorldFailed."""
    require_ours(service)
    folder = service.path.parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(prefix=f".{service.path.name}-", dir=folder)
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(service.text)
                os.fchmod(file.fileno(), 0o644)
            Path(name).replace(service.path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise WorldFailed(f"{service.path} cannot be written: {error.strerror}.") from error


def remove(service: Service) -> bool:
    """Delete the file, and the link by which systemd starts it with a session; whether there was
    one. Raises ConfigurationInvalid where it is somebody else's, and WorldFailed."""
    require_ours(service)
    wanted = service.path.parent / "default.target.wants" / service.path.name
    try:
        with suppress(OSError):
            if service.kind is Kind.SYSTEMD and wanted.readlink() == service.path:
                wanted.unlink()
        service.path.unlink()
    except FileNotFoundError:
        return False
    except OSError as error:
        raise WorldFailed(f"{service.path} cannot be removed: {error.strerror}.") from error
    return True


def require_ours(service: Service) -> None:
    """Raise ConfigurationInvalid where what is at the path was written by somebody else."""
    if standing(service)[0] is Standing.FOREIGN:
        raise ConfigurationInvalid(
            f"{service.path} is there, and oya-vcs did not write it. It was left alone.",
            "Move it away, or go on using it: it needs nothing of `up --install`.",
        )


def _is_ours(kind: Kind, text: str) -> bool:
    if kind is Kind.SYSTEMD:
        return text.startswith(f"# {MARK}\n")
    try:
        plistlib.loads(text.encode())
    except (ValueError, ExpatError):
        return False
    return f"<!-- {MARK} -->" in text


def _quoted(text: str) -> str:
    """One word of a unit's command or environment (systemd.syntax, systemd.service)."""
    escaped = _percent(text).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _percent(text: str) -> str:
    """Text without specifiers."""
    return text.replace("%", "%%")


def _home(environ: Mapping[str, str]) -> Path:
    return Path(environ["HOME"]) if environ.get("HOME", "").startswith("/") else Path.home()


def _base(environ: Mapping[str, str], variable: str, default: str) -> Path:
    """A folder of the XDG Base Directory Specification; a relative one is ignored."""
    path = environ.get(variable, "")
    return Path(path) if path.startswith("/") else _home(environ) / default
