"""`oya-vcs up --install` and `--uninstall`: the daemon begins with its user's session, or does no
longer.

Writes one file and says the rest: it asks no service manager for anything.
"""

from __future__ import annotations

import argparse
import difflib
import shutil
from collections.abc import Mapping
from pathlib import Path

from oya_vcs.adapters.service import (
    PASSED_ON,
    Kind,
    Service,
    Standing,
    environment_file,
    kind_here,
    remove,
    require_ours,
    service_for,
    standing,
    write,
)
from oya_vcs.cli.output import Output
from oya_vcs.cli.places import home_of, make_home
from oya_vcs.config import Home, default_home, environment, load, user_config
from oya_vcs.errors import ExitCode

_OURS = frozenset({"OYA_HOME", *PASSED_ON})
"""Variables of ours that the service does not need: they are in it already."""


def install(arguments: argparse.Namespace, output: Output) -> ExitCode:
    """Write the file where it is not there as it should be, show it, and say what starts it."""
    service, environ = _service(arguments), environment()
    there, text = standing(service)
    require_ours(service)
    if not arguments.dry_run:
        make_home(home_of(arguments))
        write(service)
    lines = [_did(service, there, dry=arguments.dry_run)]
    if there is not Standing.SAME:
        lines += ["", *_shown(service, text), ""]
    lines += ["This starts it, now and with every session of yours:"]
    lines += [f"  {command}" for command in service.begin]
    if service.kind is Kind.SYSTEMD:
        lines.append("`loginctl enable-linger` lets it run while you are not logged in, too.")
        if shutil.which("systemctl", path=environ.get("PATH")) is None:
            output.say("warning: no systemctl is on PATH; is this a system with systemd?")
    left = _left_behind(arguments, environ)
    if left:
        lines.append(_mend(service, left, environment_file(environ)))
    data = {**_data(service), "was": str(there), "written": not arguments.dry_run, "left": left}
    output.answer("up-install", data, "\n".join(lines))
    return ExitCode.DONE


def uninstall(arguments: argparse.Namespace, output: Output) -> ExitCode:
    """Remove the file, where it is ours."""
    service = _service(arguments)
    there, _ = standing(service)
    require_ours(service)
    removed = there is not Standing.ABSENT and not arguments.dry_run and remove(service)
    if there is Standing.ABSENT:
        text = f"Nothing is installed: {service.path} is not there."
    else:
        verb = "Removed" if removed else "Would remove"
        text = f"{verb} {service.path}. A daemon that runs goes on: `oya-vcs down` ends it."
        if service.kind is Kind.SYSTEMD:
            text += "\n`systemctl --user daemon-reload` lets systemd forget it."
        else:
            text += f"\n`{service.end[0]}` lets launchd forget it."
    output.answer("up-uninstall", {**_data(service), "removed": removed}, text)
    return ExitCode.DONE


def service_of(home: Home, config_file: Path | None) -> Service:
    """The service of a home, as it would be written now. Raises ConfigurationInvalid."""
    usual = home.root == default_home({**environment(), "OYA_HOME": ""}).root
    words = ["--home", str(home.root)]
    words += ["--config", str(config_file)] if config_file else []
    words += ["up", "--foreground"]
    return service_for(kind_here(), words, home.root, environment(), usual=usual)


def _service(arguments: argparse.Namespace) -> Service:
    config_file = Path(arguments.config).absolute() if arguments.config else None
    return service_of(home_of(arguments), config_file)


def _did(service: Service, there: Standing, *, dry: bool) -> str:
    if there is Standing.SAME:
        return f"{service.path} is there already, as it should be."
    verb = "Would write" if dry else "Wrote"
    older = ", in the place of an older one of ours" if there is Standing.OLDER else ""
    return f"{verb} {service.path}{older}:"


def _shown(service: Service, before: str) -> list[str]:
    """The whole file, or what changes in it."""
    if not before:
        return [f"  {line}".rstrip() for line in service.text.splitlines()]
    lines = difflib.unified_diff(before.splitlines(), service.text.splitlines(), lineterm="", n=1)
    return [f"  {line}" for line in list(lines)[2:]]


def _left_behind(arguments: argparse.Namespace, environ: Mapping[str, str]) -> list[str]:
    """Variables of this shell that the daemon would see if it were started here, and that we know
    it may need."""
    file = Path(arguments.config) if arguments.config else user_config()
    config = load(file, None, "", environ, {})
    named = {*config.worker.env, config.github.token_env, config.github.webhook_secret_env}
    ours = {name for name in environ if name.startswith("OYA_")} - _OURS
    return sorted(name for name in named | ours if environ.get(name))


def _mend(service: Service, left: list[str], file: Path) -> str:
    names = ", ".join(left)
    if service.kind is Kind.LAUNCHD:
        return f"The daemon will not see {names}: `launchctl setenv NAME VALUE` gives it to it."
    return f"The daemon will not see {names}: lines NAME=VALUE in {file} (chmod 600) give it to it."


def _data(service: Service) -> dict[str, object]:
    return {
        "kind": str(service.kind),
        "path": str(service.path),
        "text": service.text,
        "begin": list(service.begin),
        "end": list(service.end),
    }
