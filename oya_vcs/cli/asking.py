"""Asking the daemon that works on a home, over its socket. Standard library only, and no loop."""

from __future__ import annotations

import json
import os
import pwd
import socket
from collections.abc import Mapping
from typing import Any

from oya_vcs import errors
from oya_vcs.config import Home, socket_address
from oya_vcs.errors import ConfigurationInvalid, NoDaemon, OyaError, WorldFailed

ANSWER_S_MAX = 60.0
"""How long an answer may take: it comes after an fsync, and the disk may be busy, or not well."""

_KINDS: Mapping[str, type[OyaError]] = {
    kind.code: kind
    for kind in vars(errors).values()
    if isinstance(kind, type) and issubclass(kind, OyaError) and kind is not errors.Interrupted
}
"""An error's code -> the error, so that a daemon's ends a command as one of its own would."""


def ask(home: Home, name: str, **fields: object) -> Any:
    """What the daemon of the home answers.

    Raises NoDaemon where none listens, the error that it answered with, and WorldFailed where it
    went away or said nothing for ANSWER_S_MAX.
    """
    line = json.dumps({"ask": name, **fields}).encode() + b"\n"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as wire:
        wire.settimeout(ANSWER_S_MAX)
        try:
            with socket_address(home.socket) as address:
                wire.connect(address)
        except (FileNotFoundError, ConnectionRefusedError) as error:
            raise NoDaemon(
                f"No daemon works on the home {home.root}.",
                "Start one with `oya-vcs up`, or name another home with --home.",
            ) from error
        except PermissionError as error:
            message = f"The daemon of {home.root} is another user's: {error.strerror}."
            raise ConfigurationInvalid(message, "Ask as its user.") from error
        except OSError as error:
            raise WorldFailed(f"{home.socket} cannot be reached: {error}.") from error
        return understood(home, _exchange(home, wire, line))


def _exchange(home: Home, wire: socket.socket, line: bytes) -> bytes:
    """Say a line and hear one; empty where the daemon went away."""
    try:
        wire.sendall(line)
        with wire.makefile("rb") as answers:
            return answers.readline()
    except TimeoutError as error:
        raise WorldFailed(
            f"The daemon of {home.root} did not answer within {ANSWER_S_MAX:g} s.",
            hint="Is its disk well? What was asked may still be done: look with `oya-vcs status`.",
        ) from error
    except OSError:
        return b""


def understood(home: Home, line: bytes) -> Any:
    """What a line of the daemon's says. Raises the error that it holds, and WorldFailed where it
    is none."""
    try:
        answer = json.loads(line)
        if answer["ok"]:
            return answer["data"]
        said = answer["error"]
        kind = _KINDS.get(said["code"], OyaError)
        error = kind(said["message"], hint=said["hint"])
    except (ValueError, LookupError, TypeError) as reason:
        raise WorldFailed(
            f"The daemon of {home.root} ended before it answered.",
            hint="Look with `oya-vcs status` whether it was done, and ask again.",
        ) from reason
    raise error


def person() -> str:
    """The name of the user who asks."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())
