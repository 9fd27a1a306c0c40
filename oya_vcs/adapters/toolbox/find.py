"""Finds jj and git. Starts only `--version`; changes nothing; knows no way to install anything."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from oya_vcs.errors import ConfigurationInvalid, WorldFailed

Version = tuple[int, int]
"""The first two numbers of a version; no rule here needs the third."""

JJ_MIN: Version = (0, 46)
"""The jj that the adapters were written and measured against; its command line changes often."""
GIT_MIN: Version = (2, 42)
"""jj needs it for colocated repositories and for push."""
MINIMUM: Mapping[str, Version] = {"jj": JJ_MIN, "git": GIT_MIN}

VERSION_SECONDS_MAX = 20
"""A limit for `--version`, which takes milliseconds: only a broken program or disk reaches it."""
TRIES_MAX = 3
"""How often a program is asked that is ended by a signal each time: once, that was somebody else;
always, it does not run."""


@dataclass(frozen=True, slots=True)
class Tools:
    """The two programs, as absolute paths; both ran and were new enough when they were found."""

    jj: Path
    git: Path


def find_tools(folder: Path, environ: Mapping[str, str]) -> Tools:
    """jj and git: each by `OYA_JJ` / `OYA_GIT`, else from PATH when new enough, else `folder/bin`.

    Raises ConfigurationInvalid where an override does not run or is too old, and WorldFailed where
    nothing usable is there; `provision` mends the latter.
    """
    return Tools(jj=_find("jj", folder, environ), git=_find("git", folder, environ))


def complaint(name: str, program: Path) -> str:
    """Why `program` cannot serve as `name` ("jj" or "git"): a clause without its subject, or ""."""
    if not program.is_file():
        return "is not there"
    if not os.access(program, os.X_OK):
        return "is not executable"
    try:
        ran = _asked(program)
    except OSError as error:
        return f"does not run ({error.strerror})"
    except subprocess.TimeoutExpired:
        return f"did not answer to --version within {VERSION_SECONDS_MAX} s"
    if ran.returncode != 0:
        return f"does not run (exit status {ran.returncode}: {ran.stderr.strip()[-200:]})"
    return _version_complaint(name, ran.stdout)


def version_of(program: Path) -> str:
    """What a program that `find_tools` found says to `--version`, in one line; empty where it says
    nothing."""
    try:
        return " ".join(_asked(program).stdout.split())
    except (OSError, subprocess.TimeoutExpired):
        return ""


def _asked(program: Path, tries: int = TRIES_MAX) -> subprocess.CompletedProcess[str]:
    # An own environment and folder: no user's or repository's configuration may have a say.
    ran = subprocess.run(
        [program, "--version"],
        cwd="/",
        env={"JJ_CONFIG": os.devnull, "PATH": os.defpath, "LC_ALL": "C"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=VERSION_SECONDS_MAX,
        check=False,
    )
    return _asked(program, tries - 1) if ran.returncode < 0 and tries > 1 else ran


def _version_complaint(name: str, answer: str) -> str:
    found = re.match(rf"{name} (?:version )?(\d+)\.(\d+)", answer)
    if found is None:
        return f"is not {name} (to --version it says {answer.strip()[:80]!r})"
    version = (int(found[1]), int(found[2]))
    if version < MINIMUM[name]:
        return f"is {name} {_dotted(version)}, older than {_dotted(MINIMUM[name])}"
    return ""


def _find(name: str, folder: Path, environ: Mapping[str, str]) -> Path:
    override = f"OYA_{name.upper()}"
    if environ.get(override):
        return _overridden(name, override, environ)
    complaints = []
    for program in (_on_path(name, environ), folder.absolute() / "bin" / name):
        if program is None:
            complaints.append(f"no {name} is on PATH")
            continue
        wrong = complaint(name, program)
        if not wrong:
            return program
        complaints.append(f"{program} {wrong}")
    raise WorldFailed(
        f"No usable {name} was found: {'; '.join(complaints)}.",
        hint="Run `oya-vcs doctor --fix` (in a checkout: `make setup`), or put "
        f"{name} {_dotted(MINIMUM[name])} or newer on PATH or in {override}.",
        command=(name, "--version"),
    )


def _overridden(name: str, override: str, environ: Mapping[str, str]) -> Path:
    program = Path(environ[override])
    wrong = complaint(name, program) if program.is_absolute() else "is not an absolute path"
    if wrong:
        raise ConfigurationInvalid(
            f"{override}={environ[override]} {wrong}.",
            hint=f"Set {override} to the absolute path of {name} {_dotted(MINIMUM[name])} or newer,"
            f" or unset it: then PATH and the private tool folder are searched.",
        )
    return program


def _on_path(name: str, environ: Mapping[str, str]) -> Path | None:
    """The first on PATH. Relative entries do not count: a repository could plant a program."""
    entries = environ.get("PATH", "").split(os.pathsep)
    found = shutil.which(name, path=os.pathsep.join(e for e in entries if e.startswith("/")))
    return None if found is None else Path(found)


def _dotted(version: Version) -> str:
    return ".".join(map(str, version))
