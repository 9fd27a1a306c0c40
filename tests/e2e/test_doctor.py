"""`oya-vcs doctor`: what it looks at, what it finds, and what `--fix` does about it."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from oya_vcs.cli.doctor import CHECKS
from oya_vcs.cli.health_machine import IN_MEMORY, OVER_NETWORK, file_system_of
from tests.conftest import NewProject
from tests.projects import Project, Ran

MOUNTS = """\
/dev/sda1 / ext4 rw 0 0
tmpfs /tmp tmpfs rw 0 0
server:/x /home/uma/far\\040away nfs4 rw 0 0
/dev/sdb1 /home ext4 rw 0 0
/dev/sdc1 /home xfs rw 0 0
"""


@pytest.mark.parametrize(
    ("folder", "kind"),
    [
        ("/home/uma", "xfs"),
        ("/home/uma/far away/state", "nfs4"),
        ("/home/uma/far", "xfs"),
        ("/tmp/x", "tmpfs"),
        ("/tmpx", "ext4"),
        ("/", "ext4"),
    ],
)
def test_a_folder_s_file_system_is_that_of_the_nearest_mount(
    folder: str, kind: str, tmp_path: Path
) -> None:
    """The longest place that holds it, of two at one place the later; spaces are escaped there."""
    mounts = tmp_path / "mounts"
    mounts.write_text(MOUNTS)
    assert file_system_of(Path(folder), mounts) == kind
    assert (kind in OVER_NETWORK, kind in IN_MEMORY) == (kind == "nfs4", kind == "tmpfs")
    assert file_system_of(Path(folder), tmp_path / "none") == ""


def lines(ran: Ran) -> list[dict[str, Any]]:
    """What was found, line by line."""
    found = json.loads(ran.out)["data"]
    assert isinstance(found, list)
    return found


def ill(ran: Ran) -> dict[str, str]:
    """What is not well, or was mended: the check and its grade."""
    return {one["check"]: one["grade"] for one in lines(ran) if one["grade"] != "ok"}


@pytest.fixture
def project(new_project: NewProject) -> Project:
    """One that is registered."""
    project = new_project(files=2)
    assert project.oya("init", str(project.root)).code == 0
    return project


def test_all_that_is_well_is_said_to_be(project: Project) -> None:
    """More than twenty checks, each with its name and at least one line; exit code 0."""
    names = [one.name for one in CHECKS]
    assert len(set(names)) == len(names) > 20
    env = {"OYA_WORKER__COMMAND": "true"}
    ran = project.oya("doctor", "--repo", str(project.root), "--json", env=env)
    assert (ran.code, ill(ran)) == (0, {}), ran.out
    assert {one["check"] for one in lines(ran)} == set(names) - {"github"}
    plain = project.oya("doctor")
    assert plain.out.rstrip().endswith("All is well.")
    assert ["ok", "repositories", f"{project.root} is there"] in [
        [part.strip() for part in line.split("  ") if part] for line in plain.out.splitlines()
    ]


def test_what_is_safe_to_mend_is_mended_and_told(project: Project) -> None:
    """Modes, a stale lock and an older unit are found; `--fix` mends them, says so, and touches
    nothing else; after it nothing is left."""
    home = project.home
    (home / "token").write_text("secret")
    (home / "token").chmod(0o644)
    home.chmod(0o755)
    git_dir = Path(project.jj("git", "root").strip())
    lock = git_dir / "refs" / "heads" / "gone.lock"
    lock.touch()
    os.utime(lock, (1, 1))
    unit = Path(str(project.oya("up", "--install", "--json").data["path"]))
    unit.write_text(unit.read_text().replace("RestartSec=5", "RestartSec=50"))
    journal = (home / "journal.db").read_bytes()

    expected = {"home": "warning", "secrets": "error", "service": "warning", "locks": "warning"}
    ran = project.oya("doctor", "--json")
    assert (ran.code, ill(ran)) == (1, expected)
    assert all(one["mend"] for one in lines(ran) if one["grade"] != "ok")
    assert "`oya-vcs doctor --fix` mends 4 of these." in project.oya("doctor").out
    assert (lock.exists(), home.stat().st_mode & 0o777) == (True, 0o755)

    ran = project.oya("doctor", "--fix", "--json")
    assert (ran.code, ill(ran)) == (0, dict.fromkeys(expected, "fixed"))
    assert str(lock) in " ".join(one["fixed"] for one in lines(ran))
    assert not lock.exists()
    modes = [path.stat().st_mode & 0o777 for path in (home, home / "token")]
    assert modes == [0o700, 0o600]
    assert ill(project.oya("doctor", "--json")) == {}
    assert (home / "journal.db").read_bytes() == journal


def test_what_only_people_can_mend_is_said_with_the_mend(project: Project) -> None:
    """A damaged checkpoint is a warning; a repository without its objects, and one that is gone,
    are errors: exit code 1, and `--fix` leaves them as they are."""
    assert project.oya("journal", "checkpoint").code == 0
    checkpoint = next((project.home / "checkpoints").iterdir())
    checkpoint.write_bytes(checkpoint.read_bytes()[:-1])
    objects = Path(project.jj("git", "root").strip()) / "objects"
    tree = project.git("rev-parse", "refs/heads/main^{tree}")
    (objects / tree[:2] / tree[2:]).unlink()
    ran = project.oya("doctor", "--fix", "--json")
    assert ran.code == 1
    found = ill(ran)
    assert (found["checkpoints"], found["objects"]) == ("warning", "error")
    assert "misses something" in ran.out
    shutil.move(project.root, project.root.with_name("elsewhere"))
    ran = project.oya("doctor", "--json")
    assert (ran.code, ill(ran)["repositories"]) == (1, "error")
    assert "`oya-vcs init` at its new place" in ran.out
