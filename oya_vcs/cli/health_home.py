"""Checks of a home: who may read it, who works on it, its record, and what was left in it."""

from __future__ import annotations

import http.client
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec

from oya_vcs import __version__
from oya_vcs.adapters.clock import SystemClock
from oya_vcs.adapters.process.survivors import bearing
from oya_vcs.adapters.service import Standing, environment_file, standing, write
from oya_vcs.cli.asking import ask
from oya_vcs.cli.connections import heard
from oya_vcs.cli.health import Check, Cure, Finding, Patient
from oya_vcs.cli.installing import service_of
from oya_vcs.config import load
from oya_vcs.core.supervision import Node, Status
from oya_vcs.core.world import Keep
from oya_vcs.errors import InputInvalid, NoDaemon, NotFound, OyaError
from oya_vcs.journal.checkpoint import marks, unusable
from oya_vcs.journal.verify import verify

ANSWER_S_MAX = 3.0
"""How long the daemon's own web server may take to say that it is well."""


def _home(patient: Patient) -> Iterator[Finding]:
    root = patient.home.root
    if not root.exists():
        yield Finding("ok", f"{root} will be made by the first run")
        return
    found = root.stat()
    if found.st_uid != os.getuid():
        yield Finding("warning", f"{root} belongs to another user", "Ask as its user.")
    elif found.st_mode & 0o077:
        mend = f"Run `chmod 700 {root}`."
        yield Finding("warning", f"{root} can be read by others", mend, _closed(root, 0o700))
    if os.access(root, os.W_OK):
        yield Finding("ok", f"{root} is there")
    else:
        yield Finding("error", f"{root} cannot be written.", "Change its owner, or use --home.")


def _secrets(patient: Patient) -> Iterator[Finding]:
    """Files that nobody else is to read, wherever they are."""
    config = load(patient.config_file, None, "", patient.environ, {})
    home = patient.home
    files = [home.root / "token", home.socket, environment_file(patient.environ)]
    if config.github.private_key_file:
        files.append(Path(config.github.private_key_file).expanduser())
    there = 0
    for file in files:
        try:
            mode = stat.S_IMODE(file.stat().st_mode)
        except OSError:
            continue
        there += 1
        if mode & 0o077:
            mend = f"Run `chmod 600 {file}`."
            yield Finding("error", f"others may use {file}", mend, _closed(file, 0o600))
    yield Finding("ok", f"{there} files with secrets were looked at")


def _closed(path: Path, mode: int) -> Cure:
    def cure() -> str:
        path.chmod(mode)
        return f"{path} is its user's alone now."

    return cure


def _daemon(patient: Patient) -> Iterator[Finding]:
    if patient.pid is None:
        yield Finding("ok", "none works on this home now")
        return
    try:
        about = ask(patient.home, "about")
    except NoDaemon:
        yield Finding("ok", f"process {patient.pid} works on it and takes no commands")
        return
    yield Finding("ok", f"process {patient.pid} works on it and answers (`{about['kind']}`)")
    if about["version"] != __version__:
        what = f"it is oya-vcs {about['version']}, and this is {__version__}"
        yield Finding("warning", what, "`oya-vcs down`, then `oya-vcs up`.")
    else:
        yield Finding("ok", f"it is oya-vcs {__version__}, as this is")


def _parts(patient: Patient) -> Iterator[Finding]:
    """The running daemon's parts: what failed is started again, and somebody should know."""
    if patient.pid is None:
        yield Finding("ok", "no daemon, no parts")
        return
    try:
        root = msgspec.convert(_told(patient, "tree"), Node)
    except msgspec.ValidationError:
        yield Finding("ok", "the daemon does not tell")
        return
    ill = [one for one in _nodes(root) if one.restarts or one.status is Status.FAILED]
    for one in ill:
        what = f"{one.name} was started again {one.restarts} times; last: {one.error.strip()}"
        yield Finding("warning", what, "`oya-vcs status --tree`, and the daemon's log, say more.")
    if not ill:
        yield Finding("ok", "nothing of the daemon has failed")


def _nodes(root: Node) -> Iterator[Node]:
    yield root
    for child in root.children:
        yield from _nodes(child)


def _web(patient: Patient) -> Iterator[Finding]:
    """Whether the daemon's own address answers: what webhooks and the page need."""
    told = _told(patient, "web")
    if told is None:
        yield Finding("ok", "no daemon that has a server, and nothing is asked for one")
        return
    if told["error"]:
        yield Finding("warning", told["error"], "Change web.listen, or free the address.")
    if told["address"]:
        yield _answering(told["address"])


def _answering(address: str) -> Finding:
    """Whether somebody answers to HTTP at an address such as http://127.0.0.1:7420."""
    place = urlsplit(address if "://" in address else f"http://{address}")
    try:
        wire = http.client.HTTPConnection(place.netloc, timeout=ANSWER_S_MAX)
        wire.request("GET", "/api/health")
        status = wire.getresponse().status
        wire.close()
    except (OSError, http.client.HTTPException) as error:
        mend = "No webhook comes in; polling finds what they tell. The daemon's log says why."
        return Finding("warning", f"nothing answers at {address}: {error}", mend)
    return Finding("ok", f"{address} answers (HTTP {status}); webhooks come in at /github/webhook")


def _github(patient: Patient) -> Iterator[Finding]:
    """What the running daemon hears of GitHub, and how."""
    for one in _told(patient, "github") or ():
        grade = "warning" if one["error"] else "ok"
        yield Finding(grade, f"{one['name']} {heard(one, SystemClock().now_ms())}")


def _told(patient: Patient, name: str) -> Any:
    """What the daemon of the whole home answers; None where there is none, or it does not know."""
    if patient.pid is None:
        return None
    try:
        return ask(patient.home, name)
    except (NoDaemon, InputInvalid):
        return None


def _journal(patient: Patient) -> Iterator[Finding]:
    home = patient.home
    try:
        found = verify(home.journal, remembered=marks(home.checkpoints))
    except NotFound:
        yield Finding("ok", "there is none yet")
        return
    yield from (Finding("error", one.what, one.mend) for one in found.problems)
    if found.ok:
        yield Finding("ok", f"verifies ({found.rows} events)")


def _checkpoints(patient: Patient) -> Iterator[Finding]:
    good, bad = len(marks(patient.home.checkpoints)), unusable(patient.home.checkpoints)
    for path in bad:
        mend = "It is passed over, and the next ones push it out; a start may take longer."
        yield Finding("warning", f"{path} is damaged", mend)
    yield Finding("ok", f"{good} can be read")


def _record(patient: Patient) -> Iterator[Finding]:
    world = patient.world
    if world.open and patient.pid is None:
        what = f"{len(world.open)} steps were left open by a run that ended early"
        mend = "`oya-vcs up`, or `oya-vcs run` on the same file, goes on with them."
        yield Finding("warning", what, mend)
    else:
        yield Finding("ok", f"{len(world.open)} steps are under way")
    for repo in world.repos.values():
        if repo.queue.paused:
            mend = "`oya-vcs queue resume` when that is mended."
            yield Finding("warning", f"the queue of {repo.path} stands: {repo.queue.paused}", mend)


def _workspaces(patient: Patient) -> Iterator[Finding]:
    kept = [one for one in patient.world.workspaces.values() if one.keep is Keep.KEPT]
    more = " `oya-vcs workspace clean --dry-run` shows those older than a day." if kept else ""
    yield Finding("ok", f"{len(kept)} of failed attempts are kept.{more}")


def _orphans(patient: Patient) -> Iterator[Finding]:
    """Processes of this home that no daemon watches."""
    runs = patient.home.runs
    left = sorted(key for key in bearing() if (runs / key).is_dir()) if runs.is_dir() else []
    if left and patient.pid is None:
        what = f"processes of {len(left)} runs are left, and no daemon watches them"
        yield Finding("warning", what, "The next daemon ends them before it goes on.")
    else:
        yield Finding("ok", "no process is left behind")


def _service(patient: Patient) -> Iterator[Finding]:
    config = patient.arguments.config
    try:
        service = service_of(patient.home, Path(config).absolute() if config else None)
    except OyaError as error:
        yield Finding("ok", f"none can be installed: {error.message}")
        return
    there, _ = standing(service)
    if there is Standing.OLDER:
        what = f"{service.path} is not as it would be written now"
        mend = "Run `oya-vcs up --install`, in the shell whose PATH it is to have."

        def cure() -> str:
            write(service)
            return f"Wrote {service.path} anew; `{service.begin[0]}` lets it count."

        yield Finding("warning", what, mend, cure)
        return
    said = {
        Standing.ABSENT: "not installed (`oya-vcs up --install` does that)",
        Standing.SAME: f"installed: {service.path}",
        Standing.FOREIGN: f"{service.path} is somebody else's",
    }
    yield Finding("ok", said[there])


HOME = (
    Check("home", _home),
    Check("secrets", _secrets),
    Check("daemon", _daemon),
    Check("parts", _parts),
    Check("web", _web),
    Check("github", _github),
    Check("service", _service),
    Check("journal", _journal),
    Check("checkpoints", _checkpoints),
    Check("record", _record),
    Check("workspaces", _workspaces),
    Check("orphans", _orphans),
)
