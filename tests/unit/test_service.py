"""What starts the daemon with its user's session: its text, and whose file it is."""

from __future__ import annotations

import plistlib
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from oya_vcs.adapters.service import (
    MARK,
    Kind,
    Service,
    Standing,
    remove,
    service_for,
    standing,
    write,
)
from oya_vcs.errors import ConfigurationInvalid

ODD = "a b%h$HOME${X}'\"\\n;#ä"
"""A folder's name that means something to everybody who reads it carelessly."""


def service(folder: Path, kind: Kind = Kind.SYSTEMD, **more: str) -> Service:
    """That of the home `folder/ODD`, of a user whose home is `folder`."""
    environ = {"HOME": str(folder), "PATH": f"/bin:/{ODD}", "SECRET_TOKEN": "hunter2", **more}
    home = folder / ODD
    words = ["--home", str(home), "up", "--foreground"]
    return service_for(kind, words, home, environ, usual=True)


def unquoted(line: str) -> list[str]:
    """The words of a line of a unit, each in double quotes, as systemd.syntax(7) says."""
    words, rest = [], line
    while rest:
        assert rest[0] == '"'
        word, at = "", 1
        while rest[at] != '"':
            at += rest[at] == "\\"
            word += rest[at]
            at += 1
        words.append(word)
        rest = rest[at + 1 :].lstrip()
    return [word.replace("%%", "%") for word in words]


def setting(text: str, key: str) -> list[str]:
    """The values of a setting."""
    found = (line.partition("=") for line in text.splitlines())
    return [value for name, _, value in found if name == key]


def test_a_unit_starts_the_very_daemon_whatever_its_folders_are_called(tmp_path: Path) -> None:
    """Paths come through quotes, specifiers and variables as they are; secrets are not in it."""
    made = service(tmp_path)
    assert made.path == tmp_path / ".config/systemd/user/oya-vcs.service"
    program, *words = unquoted(setting(made.text, "ExecStart")[0])
    assert program == sys.executable
    home = str(tmp_path / ODD)
    assert [word.replace("$$", "$") for word in words] == [
        *("-P", "-m", "oya_vcs", "--home", home, "up", "--foreground")
    ]
    assert unquoted(setting(made.text, "Environment")[0]) == [f"PATH=/bin:/{ODD}"]
    assert "hunter2" not in made.text


def test_another_home_has_a_unit_of_its_own(tmp_path: Path) -> None:
    """Two homes of one user never share a file."""
    names = {
        service_for(Kind.SYSTEMD, [], tmp_path / name, {}, usual=name == "a").path.name
        for name in ("a", "b", "c")
    }
    assert len(names) == 3
    assert "oya-vcs.service" in names


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="there is no systemd here")
def test_systemd_finds_nothing_wrong_with_it(tmp_path: Path) -> None:
    """`systemd-analyze verify` reads every line, and finds the program."""
    made = service(tmp_path)
    write(made)
    broken = made.path.with_name("broken.service")
    broken.write_text(made.text.replace("Type=notify", "Type=nonsense"))
    if not complaints(broken, tmp_path):
        pytest.skip("systemd-analyze can verify nothing here")
    assert complaints(made.path, tmp_path) == []


def complaints(unit: Path, folder: Path) -> list[str]:
    """What systemd says of a unit of the user whose home is the folder."""
    ran = subprocess.run(
        ["systemd-analyze", "--user", "--man=no", "verify", str(unit)],
        env={"PATH": "/usr/bin:/bin", "HOME": str(folder), "XDG_RUNTIME_DIR": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )
    return [line for line in ran.stderr.splitlines() if unit.name in line]


def test_launchd_reads_the_same(tmp_path: Path) -> None:
    """A property list holds the words and variables as they are, and our mark besides."""
    made = service(tmp_path, Kind.LAUNCHD)
    found = plistlib.loads(made.text.encode())
    assert found["ProgramArguments"][:4] == [sys.executable, "-P", "-m", "oya_vcs"]
    assert found["ProgramArguments"][5] == str(tmp_path / ODD)
    assert found["EnvironmentVariables"] == {"PATH": f"/bin:/{ODD}"}
    assert found["KeepAlive"] == {"SuccessfulExit": False}
    assert MARK in made.text
    assert made.path == tmp_path / "Library/LaunchAgents/oya-vcs.oya-vcs.plist"


@pytest.mark.parametrize("kind", list(Kind))
def test_only_a_file_of_ours_is_replaced_and_removed(tmp_path: Path, kind: Kind) -> None:
    """Ours is known again, changed or not; a stranger's, a link and what is no text stay."""
    made = service(tmp_path, kind)
    assert standing(made)[0] is Standing.ABSENT
    assert not remove(made)
    write(made)
    assert standing(made)[0] is Standing.SAME
    newer = service(tmp_path, kind, LANG="C")
    assert standing(newer)[0] is Standing.OLDER
    write(newer)
    assert standing(newer)[0] is Standing.SAME
    assert [path.name for path in made.path.parent.iterdir()] == [made.path.name]
    assert remove(newer)
    assert not made.path.exists()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_text(made.text)
    for foreign in (b"[Unit]\nDescription=mine\n", b"\xff\xfe", elsewhere):
        if isinstance(foreign, Path):
            made.path.unlink()
            made.path.symlink_to(foreign)
        else:
            made.path.write_bytes(foreign)
        for act in (write, remove):
            with pytest.raises(ConfigurationInvalid, match="did not write it"):
                act(made)
    assert elsewhere.read_text() == made.text


def test_the_link_by_which_systemd_starts_it_goes_with_it(tmp_path: Path) -> None:
    """What `systemctl enable` made is removed where it is ours, and stays where it is not."""
    made = service(tmp_path)
    wants = made.path.parent / "default.target.wants"
    wants.mkdir(parents=True)
    for target, stays in ((made.path, False), (Path("/else.service"), True)):
        (wants / made.path.name).unlink(missing_ok=True)
        (wants / made.path.name).symlink_to(target)
        write(made)
        assert remove(made)
        assert (wants / made.path.name).is_symlink() is stays


def test_what_no_such_file_can_hold_is_refused(tmp_path: Path) -> None:
    """A line break in a path would be another setting."""
    environ: Mapping[str, str] = {"HOME": str(tmp_path)}
    with pytest.raises(ConfigurationInvalid, match="holds a character"):
        service_for(Kind.SYSTEMD, ["--home", "/a\nExecStop=b"], tmp_path, environ, usual=False)
