"""find_tools: which jj and git are taken, and what is said where none can be."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from oya_vcs.adapters.toolbox import find_tools
from oya_vcs.adapters.toolbox.find import TRIES_MAX, complaint
from oya_vcs.errors import ConfigurationInvalid, ExitCode, WorldFailed

NEW = {"jj": "jj 0.46.0", "git": "git version 2.42.0"}


def program(folder: Path, name: str, says: str, *, status: int = 0) -> Path:
    """A fake executable that answers to anything with `says`."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text(f"#!/bin/sh\nprintf '%s\\n' '{says}'\nexit {status}\n", encoding="utf-8")
    path.chmod(0o755)
    return path


def both(folder: Path, *, jj: str = NEW["jj"], git: str = NEW["git"]) -> tuple[Path, Path]:
    """A fake jj and a fake git."""
    return program(folder, "jj", jj), program(folder, "git", git)


def test_new_enough_programs_on_path_are_taken(tmp_path: Path) -> None:
    """PATH comes before the tool folder."""
    jj, git = both(tmp_path / "path")
    both(tmp_path / "tools" / "bin")
    found = find_tools(tmp_path / "tools", {"PATH": str(tmp_path / "path")})
    assert (found.jj, found.git) == (jj, git)


def test_each_tool_is_found_by_itself(tmp_path: Path) -> None:
    """An old git on PATH gives way to the folder's, while PATH's new jj is still taken."""
    jj, _ = both(tmp_path / "path", git="git version 2.39.5")
    _, git = both(tmp_path / "tools" / "bin")
    found = find_tools(tmp_path / "tools", {"PATH": str(tmp_path / "path")})
    assert (found.jj, found.git) == (jj, git)


def test_overrides_come_first(tmp_path: Path) -> None:
    """OYA_JJ and OYA_GIT win over PATH and the folder."""
    both(tmp_path / "path")
    both(tmp_path / "tools" / "bin")
    jj, git = both(tmp_path / "mine", jj="jj 0.47.0-abc", git="git version 2.55.0 (Apple Git-1)")
    environ = {"PATH": str(tmp_path / "path"), "OYA_JJ": str(jj), "OYA_GIT": str(git)}
    found = find_tools(tmp_path / "tools", environ)
    assert (found.jj, found.git) == (jj, git)


def test_an_empty_override_is_none(tmp_path: Path) -> None:
    """`OYA_JJ=` in the environment means the same as no OYA_JJ."""
    jj, _ = both(tmp_path / "tools" / "bin")
    assert find_tools(tmp_path / "tools", {"OYA_JJ": "", "OYA_GIT": "", "PATH": ""}).jj == jj


@pytest.mark.parametrize(
    ("says", "status", "words"),
    [
        ("jj 0.45.9", 0, "is jj 0.45, older than 0.46"),
        ("jj 0.5.0", 0, "is jj 0.5, older than 0.46"),
        ("git version 2.55.0", 0, "is not jj"),
        ("", 0, "is not jj"),
        ("jj 0.46.0", 3, "does not run (exit status 3"),
    ],
)
def test_an_unusable_override_is_the_users_error(
    tmp_path: Path, says: str, status: int, words: str
) -> None:
    """An override is never passed over in silence, even where another jj would serve."""
    both(tmp_path / "tools" / "bin")
    override = program(tmp_path / "mine", "jj", says, status=status)
    with pytest.raises(ConfigurationInvalid) as raised:
        find_tools(tmp_path / "tools", {"OYA_JJ": str(override)})
    assert f"OYA_JJ={override} {words}" in raised.value.message
    assert "OYA_JJ" in raised.value.hint
    assert raised.value.exit_code is ExitCode.USAGE


def test_an_override_must_exist_and_be_absolute(tmp_path: Path) -> None:
    """A relative path would mean another program in each workspace."""
    for value, words in ((str(tmp_path / "no"), "is not there"), ("jj", "not an absolute path")):
        with pytest.raises(ConfigurationInvalid, match=words):
            find_tools(tmp_path, {"OYA_JJ": value})


def test_nothing_usable_names_each_candidate_and_the_mend(tmp_path: Path) -> None:
    """The message says what was wrong with PATH's and with the folder's, and how to go on."""
    old = program(tmp_path / "path", "jj", "jj 0.40.1")
    with pytest.raises(WorldFailed) as raised:
        find_tools(tmp_path / "tools", {"PATH": str(tmp_path / "path")})
    assert f"{old} is jj 0.40, older than 0.46" in raised.value.message
    assert f"{tmp_path}/tools/bin/jj is not there" in raised.value.message
    assert "oya-vcs doctor --fix" in raised.value.hint
    assert "make setup" in raised.value.hint
    assert raised.value.exit_code is ExitCode.WORLD


def test_a_missing_git_is_said_as_such(tmp_path: Path) -> None:
    """With a good jj and no git anywhere, the message is about git."""
    program(tmp_path / "path", "jj", NEW["jj"])
    with pytest.raises(WorldFailed, match="No usable git was found: no git is on PATH"):
        find_tools(tmp_path / "tools", {"PATH": str(tmp_path / "path")})


def test_relative_path_entries_do_not_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A repository cannot plant a jj through `.` or an empty entry in PATH."""
    both(tmp_path / "planted")
    monkeypatch.chdir(tmp_path / "planted")
    with pytest.raises(WorldFailed, match="no jj is on PATH"):
        find_tools(tmp_path / "tools", {"PATH": os.pathsep.join([".", "", "planted"])})


def test_a_relative_tool_folder_gives_absolute_tools(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is found stays valid when the working folder changes."""
    jj, git = both(tmp_path / "tools" / "bin")
    monkeypatch.chdir(tmp_path)
    found = find_tools(Path("tools"), {})
    assert (found.jj, found.git) == (jj, git)


def test_files_that_cannot_run_are_complained_of(tmp_path: Path) -> None:
    """A file without the executable bit and one that is no program are told apart."""
    path = program(tmp_path, "jj", NEW["jj"])
    path.chmod(0o644)
    assert complaint("jj", path) == "is not executable"
    path.chmod(0o755)
    path.write_bytes(b"\x7fELF and nothing more")
    assert complaint("jj", path).startswith("does not run (")


def test_the_users_jj_configuration_has_no_say(tmp_path: Path) -> None:
    """Asking for the version passes on no environment of the caller but a default PATH."""
    path = tmp_path / "jj"
    path.write_text('#!/bin/sh\necho "jj 0.46 $JJ_CONFIG:$HOME"\nexit ${#HOME}\n', encoding="utf-8")
    path.chmod(0o755)
    assert complaint("jj", path) == ""


def test_a_program_that_somebody_killed_is_asked_again(tmp_path: Path) -> None:
    """Twice is chance; one that ends so always does not run."""
    path = program(tmp_path, "jj", NEW["jj"])
    asked = tmp_path / "asked"
    script = "#!/bin/sh\necho >> {0}\ntest $(wc -l < {0}) -gt {1} || kill -9 $$\necho {2}\n"
    path.write_text(script.format(asked, TRIES_MAX - 1, NEW["jj"]))
    assert complaint("jj", path) == ""
    asked.unlink()
    path.write_text(script.format(asked, TRIES_MAX, NEW["jj"]))
    assert complaint("jj", path).startswith("does not run (exit status -9")
