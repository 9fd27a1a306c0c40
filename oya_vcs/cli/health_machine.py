"""Checks of the machine: programs, limits, clock, disk, and the file system below the home. They
know of no repository and no bead."""

from __future__ import annotations

import os
import resource
import shutil
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from oya_vcs.adapters.clock import SystemClock
from oya_vcs.adapters.toolbox import find_tools, provision
from oya_vcs.adapters.toolbox.find import version_of
from oya_vcs.cli.health import Check, Finding, Patient
from oya_vcs.config import templates_folder, tools_folder
from oya_vcs.errors import OyaError
from oya_vcs.journal.driver import sqlite_warning

FREE_BYTES_MIN = 1_000_000_000
"""Below a gigabyte a few checkouts and logs may fill the disk."""
FREE_INODES_MIN = 50_000
"""Two workspaces of a large repository."""
FILES_MIN = 1_024
"""Open files: a daemon has a handful for each process that it runs."""
WATCHES_MIN = 8_192
INSTANCES_MIN = 128
"""The kernel's defaults for inotify; agents and editors use them up."""
AHEAD_MS_MAX = 60_000
"""The journal's last event may be so far ahead of the clock before that is worth a word."""
OVER_NETWORK = frozenset({"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "fuse.sshfs"})
"""File systems over which SQLite's write-ahead log does not work (sqlite.org/wal.html), nor fsync
means what it says."""
IN_MEMORY = frozenset({"tmpfs", "ramfs"})


def _python(_patient: Patient) -> Iterator[Finding]:
    yield Finding("ok", f"Python {sys.version.split()[0]} is {sys.executable}")


def _sqlite(_patient: Patient) -> Iterator[Finding]:
    warning = sqlite_warning()
    yield Finding("warning", warning) if warning else Finding("ok", "without known faults")


def _tools(patient: Patient) -> Iterator[Finding]:
    try:
        tools = find_tools(tools_folder(), patient.environ)
    except OyaError as error:
        yield Finding("error", error.message, error.hint, partial(_provided, patient))
        return
    for name, program in (("jj", tools.jj), ("git", tools.git)):
        yield Finding("ok", f"{name} is {program}, {version_of(program)}")


def _provided(patient: Patient) -> str:
    tools = provision(tools_folder(), patient.say)
    return f"Put jj and git into {tools.jj.parent}."


def _installation(_patient: Patient) -> Iterator[Finding]:
    if (templates_folder() / "oya.toml").is_file():
        yield Finding("ok", "templates are installed")
    else:
        yield Finding("error", f"{templates_folder()} is incomplete.", "Install oya-vcs again.")


def _standing_on(folder: Path) -> Path:
    """The folder, or the nearest one above it that is there."""
    while not folder.exists():
        folder = folder.parent
    return folder


def _disk(patient: Patient) -> Iterator[Finding]:
    root = patient.home.root
    free = shutil.disk_usage(_standing_on(root)).free
    grade = "ok" if free >= FREE_BYTES_MIN else "warning"
    mend = "" if grade == "ok" else "Make room: workspaces, checkouts and logs need it."
    yield Finding(grade, f"{free // 1_000_000} MB are free for {root}", mend)


def _inodes(patient: Patient) -> Iterator[Finding]:
    found = os.statvfs(_standing_on(patient.home.root))
    if not found.f_files:
        yield Finding("ok", "this file system does not count its files")
        return
    grade = "ok" if found.f_favail >= FREE_INODES_MIN else "warning"
    mend = "" if grade == "ok" else "Remove files: `oya-vcs workspace clean`, caches, old logs."
    yield Finding(grade, f"{found.f_favail:,} more files fit on it", mend)


def _file_system(patient: Patient) -> Iterator[Finding]:
    kind = file_system_of(_standing_on(patient.home.root).resolve(), Path("/proc/self/mounts"))
    if kind in OVER_NETWORK:
        mend = "Use a home on a local disk: --home, or OYA_HOME."
        yield Finding("error", f"the home is on {kind}, where no journal is safe", mend)
    elif kind in IN_MEMORY:
        mend = "Use a home on a disk, unless this one is to be lost with the machine's power."
        yield Finding("warning", f"the home is on {kind}, which is memory", mend)
    else:
        yield Finding("ok", f"the home is on {kind or 'a file system of unknown kind'}")


def file_system_of(folder: Path, mounts: Path) -> str:
    """The kind of file system that a folder is on, as proc(5) lists them; empty where nobody
    knows."""
    try:
        lines = mounts.read_text("utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    best, kind = -1, ""
    for fields in (line.split() for line in lines):
        place = fields[1].replace("\\040", " ")
        if folder.is_relative_to(place) and len(place) >= best:
            best, kind = len(place), fields[2]
    return kind


def _clock(patient: Patient) -> Iterator[Finding]:
    ahead_ms = patient.world.now_ms - SystemClock().now_ms()
    if ahead_ms > AHEAD_MS_MAX:
        mend = "Check the machine's clock; order does not depend on it, waits do."
        yield Finding("warning", f"the journal's last event is {ahead_ms // 1000} s ahead", mend)
    else:
        yield Finding("ok", "is not behind the record")


def _files(_patient: Patient) -> Iterator[Finding]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < FILES_MIN:
        mend = f"`ulimit -n {hard}` before `oya-vcs up`, or LimitNOFILE in its unit."
        yield Finding("warning", f"a process may have {soft} open files", mend)
    else:
        yield Finding("ok", f"a process may have {soft} open files")


def _inotify(_patient: Patient) -> Iterator[Finding]:
    folder = Path("/proc/sys/fs/inotify")
    for name, least in (("max_user_watches", WATCHES_MIN), ("max_user_instances", INSTANCES_MIN)):
        try:
            limit = int((folder / name).read_text())
        except (OSError, ValueError):
            yield Finding("ok", f"this system has no {name}")
            continue
        mend = "" if limit >= least else f"`sysctl fs.inotify.{name}={least}`, as root."
        yield Finding("warning" if mend else "ok", f"{name} is {limit:,}", mend)


def _processes(_patient: Patient) -> Iterator[Finding]:
    if sys.platform == "linux" and not Path("/proc/self/stat").exists():
        mend = "Mount it: without /proc nobody can tell a worker from a process with its old pid."
        yield Finding("error", "/proc is not there", mend)
    else:
        yield Finding("ok", "can be told apart")


def _sandbox(patient: Patient) -> Iterator[Finding]:
    found = shutil.which("bwrap", path=patient.environ.get("PATH"))
    if found:
        yield Finding("ok", f'{found} is there, for `[worker] sandbox = "bwrap"`')
    else:
        yield Finding("ok", "bubblewrap is not installed; without it workers have your rights")


MACHINE = (
    Check("python", _python),
    Check("sqlite", _sqlite),
    Check("tools", _tools),
    Check("installation", _installation),
    Check("processes", _processes),
    Check("open files", _files),
    Check("inotify", _inotify),
    Check("sandbox", _sandbox),
    Check("disk space", _disk),
    Check("inodes", _inodes),
    Check("file system", _file_system),
    Check("clock", _clock),
)
