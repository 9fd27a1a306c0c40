"""`oya-vcs up` and `down`: the daemon of a home begins, and ends."""

from __future__ import annotations

import argparse
import asyncio
import faulthandler
import json
import logging
import os
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Any

from oya_vcs.adapters.control import refusal
from oya_vcs.adapters.notifying import READY, STOPPING, notify
from oya_vcs.adapters.process.detached import said_up, start
from oya_vcs.cli.asking import ask, understood
from oya_vcs.cli.output import Output
from oya_vcs.cli.places import home_of, make_home
from oya_vcs.cli.signals import STOP_S_MAX, bounded_end, until_signalled
from oya_vcs.config import Home, environment
from oya_vcs.errors import ConfigurationInvalid, ExitCode, Locked, NoDaemon, OyaError, WorldFailed
from oya_vcs.journal.lock import holder

LOG_BYTES_MAX = 5_000_000
LOGS_KEPT = 5
"""Of the daemon's own log: the newest, and so many before it."""
PAUSE_S = 0.1
"""Between two looks whether a daemon has gone."""
SAY_EVERY = 20
"""Looks between two words to whoever waits for that."""
WORDS_MAX = 2_000
"""Bytes of a daemon's last words that people are shown."""


def up(arguments: argparse.Namespace, output: Output) -> ExitCode:
    """Begin. Detached: returns when the daemon answers. In the foreground: returns at its end. Or
    see to it that it begins with the session, or no longer."""
    home = home_of(arguments)
    if arguments.install or arguments.uninstall:
        from oya_vcs.cli import installing  # noqa: PLC0415 - what a daemon never needs

        do = installing.install if arguments.install else installing.uninstall
        return do(arguments, output)
    if arguments.dry_run:
        message = "--dry-run is for `up --install` and `up --uninstall`."
        raise ConfigurationInvalid(message, "Leave it out to start the daemon.")
    config_file = Path(arguments.config).absolute() if arguments.config else None
    make_home(home)
    if arguments.foreground:
        return _foreground(home, config_file, output, arguments.handshake)
    pid = holder(home.lock)
    if pid is not None:
        message = f"The home {home.root} has a daemon already: process {pid}."
        raise Locked(message, "`oya-vcs status` says what it does; `oya-vcs down` ends it.")
    words = ["--home", str(home.root)]
    words += ["--config", str(config_file)] if config_file else []
    errors = home.logs / "daemon.err"
    line = start([*words, "up", "--foreground", "--handshake"], errors)
    if not line:
        last = errors.read_bytes()[-WORDS_MAX:].decode(errors="replace").strip()
        raise WorldFailed(
            f"The daemon ended before it was up. It said:\n{last or '(nothing)'}",
            hint=f"{home.logs / 'daemon.log'} may say more.",
        )
    data = understood(home, line)
    data["page"] = _link(home)
    output.answer("up", data, _up_text(home, data))
    return ExitCode.DONE


def _link(home: Home) -> str:
    """A link to the page; empty where nothing is served, or the daemon has ended since."""
    with suppress(OyaError):
        return str(ask(home, "web.link")["link"])
    return ""


def _up_text(home: Home, data: Mapping[str, Any]) -> str:
    lines = [f"The daemon of {home.root} is up: process {data['pid']}."]
    lines += repository_lines(data["repos"])
    if not data["repos"]:
        lines.append("No repository is registered yet: `oya-vcs init REPO` does that.")
    if data.get("page"):
        lines.append(f"The page, for one browser and ten minutes: {data['page']}")
    return "\n".join(lines)


def repository_lines(repos: Sequence[Mapping[str, Any]]) -> list[str]:
    """What a daemon does with each of its repositories, a line each."""
    lines = []
    for one in repos:
        if not one["serving"]:
            lines.append(f"  {one['path']} stands aside: {one['error'] or 'not looked at yet.'}")
        elif one["error"]:
            lines.append(f"  {one['path']} goes on as it was configured before: {one['error']}")
        else:
            lines.append(f"  {one['path']} is worked on; changes land on {one['target']}.")
    return lines


def _foreground(
    home: Home, config_file: Path | None, output: Output, handshake: int | None
) -> ExitCode:
    """Be the daemon, until `down` or a signal."""
    _log_to(home.logs / "daemon.log", alone=handshake is not None)
    try:
        asyncio.run(until_signalled(_serve(home, config_file, output, handshake)))
    except OyaError as error:
        if handshake is not None and _is_open(handshake):
            said_up(handshake, json.dumps(refusal(error)).encode() + b"\n")
        raise
    finally:
        faulthandler.cancel_dump_traceback_later()
    output.answer("up", {"pid": os.getpid(), "ended": True}, "The daemon has ended.")
    return ExitCode.DONE


async def _serve(
    home: Home, config_file: Path | None, output: Output, handshake: int | None
) -> None:
    from oya_vcs.bootstrap.household import open_home  # noqa: PLC0415 - what `down` never needs

    async with open_home(home, config_file=config_file) as house:
        data = {"pid": os.getpid(), "home": str(home.root), "repos": await house.settled_in()}
        if handshake is None:
            output.say(_up_text(home, data))
        else:
            said_up(handshake, json.dumps({"ok": True, "data": data}).encode() + b"\n")
        notify(READY, environment())
        try:
            await house.asked_to_stop()
        finally:
            notify(STOPPING, environment())
        bounded_end()


def _log_to(path: Path, *, alone: bool) -> None:
    """Log into the file; with `alone` nowhere else."""
    root = logging.getLogger()
    handler = RotatingFileHandler(
        path, maxBytes=LOG_BYTES_MAX, backupCount=LOGS_KEPT, encoding="utf-8"
    )
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    if alone:
        root.handlers.clear()
    root.addHandler(handler)


def _is_open(descriptor: int) -> bool:
    try:
        os.fstat(descriptor)
    except OSError:
        return False
    return True


def down(arguments: argparse.Namespace, output: Output) -> ExitCode:
    """End the daemon of the home, and return when it has gone."""
    home = home_of(arguments)
    require_up(home)
    pid = int(ask(home, "stop")["pid"])
    output.say(f"Process {pid} stops its workers and ends …")
    for look in range(1, int((STOP_S_MAX + 5) / PAUSE_S)):
        if holder(home.lock) != pid:
            output.answer("down", {"pid": pid}, f"The daemon has ended: process {pid}.")
            return ExitCode.DONE
        if look % SAY_EVERY == 0:
            output.say(f"Process {pid} is still ending, after {look * PAUSE_S:.0f} s …")
        time.sleep(PAUSE_S)
    raise WorldFailed(
        f"The daemon has not ended within {STOP_S_MAX + 5} s: process {pid}.",
        hint=f"{home.logs / 'daemon.err'} shows where it hangs.",
    )


def require_up(home: Home) -> None:
    """Raise Locked where it is `oya-vcs run` that works on the home, and NoDaemon where nobody
    does."""
    about = ask(home, "about")
    if about["kind"] != "up":
        message = f"`oya-vcs run` works on the home {home.root}: process {about['pid']}."
        raise Locked(message, "Wait for its end, or stop it with Ctrl-C where it runs.")


def is_up(home: Home) -> bool:
    """Whether a daemon for the whole home answers. Raises Locked where `oya-vcs run` does."""
    try:
        require_up(home)
    except NoDaemon:
        return False
    return True
