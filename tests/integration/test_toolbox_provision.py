"""provision: the ways to get jj and git, and what is left behind when none works."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from oya_vcs.adapters.toolbox import find_tools, provision
from oya_vcs.adapters.toolbox.debian import choose_archive, packages_of, read_os_release
from oya_vcs.errors import WorldFailed

JJ, GIT = "echo jj 0.46.0", "echo git version 2.42.0"


class Machine:
    """A machine with the programs that a test puts on its PATH, and nothing else."""

    def __init__(self, root: Path) -> None:
        self.bin = root / "machine"
        self.bin.mkdir()
        self.root = root
        (root / "etc").mkdir()
        (root / "etc/os-release").write_text('ID=plan9\nPRETTY_NAME="Plan 9"\n', encoding="utf-8")
        self.said: list[str] = []
        self.put("ln", 'exec /bin/ln "$@"')
        self.put("mkdir", 'exec /bin/mkdir "$@"')
        self.put("cp", 'exec /bin/cp "$@"')

    @property
    def environ(self) -> Mapping[str, str]:
        """The environment that provision sees."""
        return {"PATH": str(self.bin)}

    def put(self, name: str, script: str, *, folder: Path | None = None) -> Path:
        """A program, as the lines of a shell script."""
        path = (folder or self.bin) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"#!/bin/sh\n{textwrap.dedent(script)}\n", encoding="utf-8")
        path.chmod(0o755)
        return path

    def provision(self, folder: Path) -> Path:
        """Provision into `folder`; the jj that came of it."""
        found = provision(folder, self.said.append, environ=self.environ, root=self.root)
        return found.jj


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """A machine without any way to get jj."""
    return Machine(tmp_path)


def leavings(folder: Path) -> list[str]:
    """What stands beside the tool folder, but for the lock."""
    return sorted(p.name for p in folder.parent.iterdir() if p.name != f".{folder.name}.lock")


def test_a_complete_folder_is_left_alone(machine: Machine, tmp_path: Path) -> None:
    """The second call starts nothing but --version, makes no lock, and says nothing."""
    folder = tmp_path / "data" / "tools"
    jj = machine.put("jj", JJ, folder=folder / "bin")
    machine.put("git", GIT, folder=folder / "bin")
    assert machine.provision(folder) == jj
    assert machine.said == []
    assert leavings(folder) == ["tools"]


def test_no_way_at_all_says_what_was_tried_and_what_to_install(
    machine: Machine, tmp_path: Path
) -> None:
    """Every way is named with its reason; the hint needs no further reading."""
    folder = tmp_path / "data" / "tools"
    with pytest.raises(WorldFailed) as raised:
        machine.provision(folder)
    message = raised.value.message
    assert str(folder) in message
    assert "Debian or Ubuntu archive: there is no apt-get on PATH." in message
    assert "Homebrew: there is no brew on PATH." in message
    assert "cargo: there is no cargo on PATH." in message
    assert "Install jj 0.46 or newer and git 2.42 or newer" in raised.value.hint
    assert leavings(folder) == []


def test_a_system_of_unknown_kin_with_apt_is_named(machine: Machine, tmp_path: Path) -> None:
    """apt without a Debian or Ubuntu archive is no way; the system's name is in the message."""
    for name in ("dpkg", "dpkg-deb", "patchelf"):
        machine.put(name, "exit 0")
    machine.put("apt-get", "echo 'https://packages.invalid/os/|five|main'")
    with pytest.raises(WorldFailed, match=r"no Debian or Ubuntu archive .*'Plan 9'"):
        machine.provision(tmp_path / "data" / "tools")


def test_a_network_failure_carries_apts_own_words(machine: Machine, tmp_path: Path) -> None:
    """What apt said about the network stands in the message, and nothing is left behind."""
    keyrings = tmp_path / "usr/share/keyrings"
    keyrings.mkdir(parents=True)
    (keyrings / "debian-archive-keyring.gpg").touch()
    for name in ("dpkg-deb", "patchelf"):
        machine.put(name, "exit 0")
    machine.put("dpkg", "echo amd64")
    machine.put(
        "apt-get",
        """\
        case "$*" in
          indextargets*) echo 'https://mirror.invalid/debian/|bookworm|main' ;;
          *) echo 'E: Could not resolve mirror.invalid' >&2; exit 100 ;;
        esac""",
    )
    folder = tmp_path / "data" / "tools"
    with pytest.raises(WorldFailed) as raised:
        machine.provision(folder)
    assert "exit status 100: E: Could not resolve mirror.invalid" in raised.value.message
    assert raised.value.retryable
    assert "https://mirror.invalid/debian/ sid" in machine.said[0]
    assert leavings(folder) == []


def brew(machine: Machine, prefix: Path, jj: str) -> None:
    """A Homebrew that installs a git and this jj into `prefix`."""
    machine.put(
        "brew",
        f"""\
        if [ "$1" = --prefix ]; then echo '{prefix}'; exit; fi
        mkdir -p '{prefix}/bin'
        for line in 'jj:{jj}' 'git:{GIT}'; do
          printf '#!/bin/sh\\n%s\\n' "${{line#*:}}" >'{prefix}/bin/'"${{line%%:*}}"
          /bin/chmod +x '{prefix}/bin/'"${{line%%:*}}"
        done""",
    )


def test_homebrew_is_used_where_it_is(machine: Machine, tmp_path: Path) -> None:
    """Its jj and git are linked into the folder, where find_tools finds them without PATH."""
    brew(machine, tmp_path / "cellar", JJ)
    folder = tmp_path / "data" / "tools"
    assert machine.provision(folder) == folder / "bin" / "jj"
    assert find_tools(folder, {}).git.resolve() == tmp_path / "cellar" / "bin" / "git"
    assert leavings(folder) == ["tools"]


def test_a_broken_folder_is_replaced_whole(machine: Machine, tmp_path: Path) -> None:
    """A folder whose jj does not run, and what a killed run left beside it, give way."""
    brew(machine, tmp_path / "cellar", JJ)
    folder = tmp_path / "data" / "tools"
    machine.put("jj", "exit 1", folder=folder / "bin")
    machine.put("half", "", folder=folder.parent / ".tools.new" / "bin")
    machine.put("gone", "", folder=folder.parent / ".tools.old" / "bin")
    machine.provision(folder)
    assert sorted(p.name for p in (folder / "bin").iterdir()) == ["git", "jj"]
    assert leavings(folder) == ["tools"]


def test_what_does_not_serve_is_an_error(machine: Machine, tmp_path: Path) -> None:
    """An install that succeeded but gave an old jj does not count as one."""
    brew(machine, tmp_path / "cellar", "echo jj 0.30.0")
    with pytest.raises(WorldFailed, match=r"Homebrew: .*is jj 0\.30, older than 0\.46"):
        machine.provision(tmp_path / "data" / "tools")


def test_cargo_gives_jj_where_git_is_new_enough(machine: Machine, tmp_path: Path) -> None:
    """jj is compiled into the folder itself, and git is linked from PATH."""
    git = machine.put("git", GIT)
    machine.put("compiled", JJ)
    machine.put(
        "cargo",
        """\
        while [ "$1" != --root ]; do shift; done
        mkdir -p "$2/bin" && cp "${0%/*}/compiled" "$2/bin/jj" """,
    )
    folder = tmp_path / "data" / "tools"
    jj = machine.provision(folder)
    assert not jj.is_symlink()
    assert (folder / "bin" / "git").resolve() == git


def test_cargo_is_not_started_with_an_old_git(machine: Machine, tmp_path: Path) -> None:
    """Minutes of compiling would end without a usable git: that is said first."""
    machine.put("git", "echo git version 2.39.5")
    machine.put("cargo", f"touch '{tmp_path}/started'")
    with pytest.raises(WorldFailed, match=r"cargo offers no git, and .* is git 2\.39"):
        machine.provision(tmp_path / "data" / "tools")
    assert not (tmp_path / "started").exists()


def test_a_folder_that_cannot_be_made_is_an_error_with_a_mend(
    machine: Machine, tmp_path: Path
) -> None:
    """A file in the place of a parent folder is reported with the path."""
    (tmp_path / "data").write_text("a file", encoding="utf-8")
    with pytest.raises(WorldFailed, match="cannot be made") as raised:
        machine.provision(tmp_path / "data" / "oya" / "tools")
    assert "XDG_DATA_HOME" in raised.value.hint


PROVISION = """\
import sys
from pathlib import Path
from oya_vcs.adapters.toolbox import provision
root = Path(sys.argv[1])
print(provision(root / "data" / "tools", lambda line: print(line, flush=True),
                environ={"PATH": str(root / "machine")}, root=root).jj)
"""


def test_two_at_once_install_once(machine: Machine, tmp_path: Path) -> None:
    """The second waits for the first and then finds everything there."""
    brew(machine, tmp_path / "cellar", JJ)
    installed = tmp_path / "installed"
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    script = (machine.bin / "brew").read_text(encoding="utf-8")
    slow = (
        f"#!/bin/sh\nif [ \"$1\" = install ]; then echo x >>'{installed}'; read x <'{gate}'; fi\n"
    )
    (machine.bin / "brew").write_text(slow + script, encoding="utf-8")
    argv = [sys.executable, "-c", PROVISION, str(tmp_path)]
    first = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 30
    while not installed.exists():
        assert time.monotonic() < deadline, "the first process never reached brew"
    second = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)
    assert second.stdout is not None
    assert "waiting for it" in second.stdout.readline()
    gate.write_text("go\n", encoding="utf-8")
    outputs = [first.communicate(timeout=30)[0], second.communicate(timeout=30)[0]]
    assert all(str(tmp_path / "data" / "tools" / "bin" / "jj") in text for text in outputs)
    assert installed.read_text(encoding="utf-8") == "x\n"


# --- The archive ---------------------------------------------------------------------------------

DEBIAN = (
    "http://mirror.invalid/debian/|bookworm|main\nhttp://s.invalid/debian-security/|b-security|main"
)
UBUNTU = (
    "http://mirror.invalid/ubuntu-ports/|noble|universe\n"
    "http://mirror.invalid/ubuntu-ports/|noble|main"
)


@pytest.fixture
def keyrings(tmp_path: Path) -> Path:
    """A folder with both distributions' keyrings."""
    for family in ("debian", "ubuntu"):
        (tmp_path / f"{family}-archive-keyring.gpg").touch()
    return tmp_path


def test_debian_offers_sid_at_the_machines_own_mirror(keyrings: Path) -> None:
    """The release's own archive is taken, never the security archive or a third party's."""
    targets = f"http://third.invalid/debian/|stable|main\n{DEBIAN}"
    chosen = choose_archive(targets, {"ID": "debian", "VERSION_CODENAME": "bookworm"}, keyrings)
    assert (chosen.address, chosen.suite) == ("http://mirror.invalid/debian/", "sid")
    assert chosen.keyring.name == "debian-archive-keyring.gpg"


def test_ubuntu_offers_its_devel_suite_with_universe(keyrings: Path) -> None:
    """jujutsu is in universe there; ports have another folder name."""
    chosen = choose_archive(UBUNTU, {"ID": "ubuntu"}, keyrings)
    assert (chosen.suite, chosen.components) == ("devel", "main universe")


def test_kin_of_ubuntu_use_ubuntus_archive(keyrings: Path) -> None:
    """A derivative is served by the archive it names, whatever it calls itself."""
    release = {"ID": "linuxmint", "ID_LIKE": "ubuntu debian", "UBUNTU_CODENAME": "noble"}
    assert choose_archive(UBUNTU, release, keyrings).suite == "devel"


def test_a_missing_keyring_is_named(tmp_path: Path) -> None:
    """Nothing is fetched that could not be checked."""
    with pytest.raises(WorldFailed, match="package debian-archive-keyring"):
        choose_archive(DEBIAN, {"ID": "debian"}, tmp_path)


def test_packages_come_with_their_exact_versions() -> None:
    """Epochs are decoded; perl and other things that jj and git do without are left out."""
    lines = (
        "'http://m.invalid/git.deb' git_1%3a2.55.0-1_amd64.deb 9 SHA256:0\n"
        "'http://m.invalid/perl.deb' perl-base_5.42.3-1_amd64.deb 9 SHA256:0\n"
        "'http://m.invalid/zlib.deb' zlib1g_1%3a1.3.dfsg+really1.3.2-4_amd64.deb 9 SHA256:0\n"
        "a line of something else\n"
    )
    assert packages_of(lines) == ["git=1:2.55.0-1", "zlib1g=1:1.3.dfsg+really1.3.2-4"]


def test_os_release_is_read_leniently(tmp_path: Path) -> None:
    """Quotes and comments are understood; no file is no keys."""
    path = tmp_path / "os-release"
    path.write_text("# c=1\nID='debian'\nPRETTY_NAME=\"A = B\"\n\n", encoding="utf-8")
    assert read_os_release(path) == {"ID": "debian", "PRETTY_NAME": "A = B"}
    assert read_os_release(tmp_path / "none") == {}


@pytest.mark.tools
def test_the_real_archive_gives_working_tools(tmp_path: Path) -> None:
    """On this machine, for real: into a folder with a space, quotes and a dollar in its name."""
    folder = tmp_path / "it's $HOME" / "tools"
    found = provision(folder, print)
    subprocess.run([found.git, "init", "-q", tmp_path / "repository"], check=True)
    subprocess.run([found.jj, "git", "init", tmp_path / "other"], check=True, cwd=tmp_path)
    assert (tmp_path / "repository" / ".git" / "info" / "exclude").is_file()
    began = time.monotonic()
    assert provision(folder, print) == found
    assert time.monotonic() - began < 0.2
