"""Unpacks jj and git of a distribution's newest suite into a folder, on Debian, Ubuntu and kin.

apt fetches with a state folder of its own and an empty package database, from the archive that the
machine already uses, checked against the distribution's own keyring; dpkg-deb unpacks; patchelf
points the programs at the C library and the libraries unpacked beside them. Nothing is installed:
the system's packages, lists and caches stay untouched, and no root is needed.
"""

from __future__ import annotations

import functools
import os
import re
import shlex
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from oya_vcs.adapters.toolbox.commands import Say, run, scripts_folder_program, which
from oya_vcs.errors import WorldFailed

NETWORK_SECONDS_MAX = 600
"""A limit for each of apt's two downloads; both together are about 40 MB."""
LOCAL_SECONDS_MAX = 120
"""A limit for one step without the network; each takes a second at most."""

NOT_NEEDED = re.compile(
    r"perl|libperl|liberror-perl|git-man|gcc-\d|libgdbm|libdb5|libc-gconv|openssl-provider"
)
"""Packages that no command of jj or git in our use runs: perl is for git's e-mail and svn commands.
`_verify` proves for each program that every library it names is still there."""

KEPT = ("usr/bin/jj", "usr/bin/git", "usr/lib", "usr/lib64", "usr/share/git-core")

APT_CONF = """\
Dir::State "{apt}/state";
Dir::State::status "{apt}/status";
Dir::Cache "{apt}/cache";
Dir::Log "{apt}/log";
Dir::Etc::sourcelist "{apt}/sources.list";
Dir::Etc::sourceparts "-";
Dir::Etc::preferences "-";
Dir::Etc::preferencesparts "-";
APT::Sandbox::User "root";
APT::Install-Recommends "false";
APT::Update::Error-Mode "any";
APT::Get::AllowUnauthenticated "false";
Acquire::AllowInsecureRepositories "false";
Acquire::AllowWeakRepositories "false";
Acquire::AllowDowngradeToInsecureRepositories "false";
Acquire::Languages "none";
Acquire::PDiffs "false";
Acquire::Retries "3";
Acquire::http::Timeout "20";
Acquire::https::Timeout "20";
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
#clear Acquire::IndexTargets::deb::DEP-11;
#clear Acquire::IndexTargets::deb::CNF;
#clear DPkg::Pre-Invoke;
#clear DPkg::Post-Invoke;
"""
"""Read after the system's own configuration, whose proxies and credentials stay in force."""


@dataclass(frozen=True, slots=True)
class Archive:
    """Where a distribution's newest suite is, and the key that signs it."""

    address: str
    suite: str
    components: str
    keyring: Path


def way(root: Path) -> Callable[[Path, Path, Mapping[str, str], Say], None]:
    """`build` as one of `provision`'s ways, for the machine whose /etc and /usr are in `root`."""
    return functools.partial(build, root=root)


def build(staging: Path, folder: Path, environ: Mapping[str, str], say: Say, *, root: Path) -> None:
    """Build the tool folder at `staging`, to stand at `folder`. Raises WorldFailed, OSError."""
    for program in ("apt-get", "dpkg", "dpkg-deb"):
        if which(program, environ) is None:
            raise WorldFailed(f"there is no {program} on PATH.")
    patchelf = scripts_folder_program("patchelf", environ)
    if patchelf is None:
        raise WorldFailed("there is no patchelf (the Python package `patchelf` has it).")
    release = read_os_release(root / "etc/os-release")
    archive = choose_archive(_index_targets(environ), release, root / "usr/share/keyrings")
    say(f"Fetching jj and git from {archive.address} {archive.suite} (about 40 MB) for {folder}.")
    apt = staging / "apt"
    packages = _download(apt, archive, environ)
    tree = staging / "unpacked"
    for package in packages:
        run(["dpkg-deb", "-x", package, tree], environ, seconds_max=LOCAL_SECONDS_MAX)
    _keep(tree, staging)
    _aim(staging, folder, patchelf, environ)
    _verify(staging, environ)
    _write_entries(staging, folder)
    shutil.rmtree(apt)


def read_os_release(path: Path) -> Mapping[str, str]:
    """The keys of an os-release file; none where it is not there."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError:
        return {}
    pairs = (line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))
    return {key.strip(): value.strip().strip("\"'") for key, value in pairs}


def choose_archive(targets: str, release: Mapping[str, str], keyrings: Path) -> Archive:
    """The newest suite beside the release that this machine uses.

    `targets` has a line `address|release|component` for each index that apt knows. Raises
    WorldFailed where no Debian or Ubuntu archive is among them, or its keyring is not installed.
    """
    kin = f"{release.get('ID', '')} {release.get('ID_LIKE', '')}".split()
    names = {release.get(k) for k in ("VERSION_CODENAME", "UBUNTU_CODENAME", "DEBIAN_CODENAME")}
    known = []
    for line in targets.splitlines():
        address, suite, component = [*line.split("|"), "", ""][:3]
        family = _family(address, kin)
        if family and component == "main" and "security" not in f"{address} {suite}":
            known.append((suite not in names, address, family))
    if not known:
        raise WorldFailed(
            f"no Debian or Ubuntu archive is among apt's sources (the system is "
            f"{release.get('PRETTY_NAME', 'unknown')!r})."
        )
    _, address, family = min(known, key=lambda entry: entry[0])
    for name in (f"{family}-archive-keyring.gpg", f"{family}-archive-keyring.pgp"):
        if (keyrings / name).is_file():
            if family == "debian":
                return Archive(address, "sid", "main", keyrings / name)
            return Archive(address, "devel", "main universe", keyrings / name)
    raise WorldFailed(
        f"{keyrings}/{family}-archive-keyring.gpg is missing (package {family}-archive-keyring)."
    )


def _family(address: str, kin: list[str]) -> str:
    """Whose archive this is: by the address's last folder, else by what the system says it is."""
    last = urlsplit(address).path.rstrip("/").rpartition("/")[2]
    for family in ("ubuntu", "debian"):
        if last in (family, f"{family}-ports"):
            return family
    return kin[0] if kin and kin[0] in ("debian", "ubuntu") else ""


def _index_targets(environ: Mapping[str, str]) -> str:
    # Without --no-release-info apt names only what it has fetched: nothing in a new container.
    form = "$(REPO_URI)|$(RELEASE)|$(COMPONENT)"
    argv = ["apt-get", "indextargets", "--no-release-info", "--format", form]
    return run([*argv, "Created-By: Packages"], environ, seconds_max=LOCAL_SECONDS_MAX)


def _download(apt: Path, archive: Archive, environ: Mapping[str, str]) -> list[Path]:
    """The packages as files: jujutsu, git and what they depend on, checked by apt."""
    for name in ("state/lists/partial", "cache/archives/partial", "log", "packages"):
        (apt / name).mkdir(parents=True)
    (apt / "status").touch()
    architecture = run(
        ["dpkg", "--print-architecture"], environ, seconds_max=LOCAL_SECONDS_MAX
    ).strip()
    (apt / "sources.list").write_text(
        f"deb [arch={architecture} signed-by={archive.keyring}] "
        f"{archive.address} {archive.suite} {archive.components}\n",
        encoding="utf-8",
    )
    (apt / "apt.conf").write_text(APT_CONF.format(apt=apt), encoding="utf-8")
    apt_get = ["apt-get", "-c", str(apt / "apt.conf")]
    run([*apt_get, "-qq", "update"], environ, seconds_max=NETWORK_SECONDS_MAX)
    wanted = packages_of(
        run(
            [*apt_get, "-qq", "-y", "--print-uris", "install", "jujutsu", "git"],
            environ,
            seconds_max=LOCAL_SECONDS_MAX,
        )
    )
    if not {"jujutsu", "git"} <= {package.partition("=")[0] for package in wanted}:
        raise WorldFailed(f"{archive.address} {archive.suite} does not offer jujutsu and git.")
    folder = apt / "packages"
    run(
        [*apt_get, "-qq", "download", *wanted],
        environ,
        seconds_max=NETWORK_SECONDS_MAX,
        cwd=folder,
    )
    files = sorted(folder.glob("*.deb"))
    if len(files) != len(wanted):
        raise WorldFailed(f"apt fetched {len(files)} of {len(wanted)} packages.", retryable=True)
    return files


def packages_of(uris: str) -> list[str]:
    """The `name=version` of each package in `apt-get --print-uris`, less what is not needed."""
    found = []
    for line in uris.splitlines():
        fields = line.split(" ")
        if len(fields) < 2 or not fields[1].endswith(".deb"):
            continue
        name, version = fields[1].split("_")[:2]
        if NOT_NEEDED.match(name) is None:
            found.append(f"{name}={unquote(version)}")
    return found


def _keep(tree: Path, staging: Path) -> None:
    """Move what is needed out of the unpacked packages and delete the rest."""
    for name in KEPT:
        if (tree / name).exists():
            (staging / name).parent.mkdir(parents=True, exist_ok=True)
            (tree / name).rename(staging / name)
    shutil.rmtree(tree)


def _loader(staging: Path) -> Path:
    """The dynamic loader of the unpacked C library; its folder holds the libraries."""
    for pattern in ("usr/lib/*/ld-linux*.so.*", "usr/lib/*/ld64.so.*"):
        for found in sorted(staging.glob(pattern)):
            return found
    raise WorldFailed("the unpacked C library has no dynamic loader where one is expected.")


def _programs(staging: Path) -> Iterator[Path]:
    """The ELF programs among the kept files; links to them are left as they are."""
    for folder in ("usr/bin", "usr/lib/git-core"):
        for path in sorted((staging / folder).iterdir()):
            if path.is_symlink() or not path.is_file():
                continue
            with path.open("rb") as file:
                if file.read(4) == b"\x7fELF":
                    yield path


def _aim(staging: Path, folder: Path, patchelf: Path, environ: Mapping[str, str]) -> None:
    """Point each program at the loader in `folder` and at the libraries beside itself.

    DT_RPATH and not DT_RUNPATH (`--force-rpath`): it also holds for the libraries' libraries, and
    no LD_LIBRARY_PATH of the user comes before it.
    """
    loader = _loader(staging)
    interpreter = folder / loader.relative_to(staging)
    for program in _programs(staging):
        libraries = os.path.relpath(loader.parent, program.parent)
        run(
            [
                *(patchelf, "--set-interpreter", interpreter),
                *("--force-rpath", "--set-rpath", f"$ORIGIN/{libraries}", program),
            ],
            environ,
            seconds_max=LOCAL_SECONDS_MAX,
        )


def _verify(staging: Path, environ: Mapping[str, str]) -> None:
    """Every library of every program is found in the folder, and none on the system."""
    loader = _loader(staging)
    clean = {key: value for key, value in environ.items() if not key.startswith("LD_")}
    for program in _programs(staging):
        listed = run([loader, "--list", program], clean, seconds_max=LOCAL_SECONDS_MAX)
        for path in re.findall(r"=> (.+) \(0x", listed):
            if not Path(path).is_relative_to(staging):
                raise WorldFailed(f"{program.name} would use {path} of the system.")


def _write_entries(staging: Path, folder: Path) -> None:
    """`bin/jj` is a link; `bin/git` also says where git's own commands and templates are."""
    entries = staging / "bin"
    entries.mkdir()
    (entries / "jj").symlink_to("../usr/bin/jj")
    usr = folder / "usr"
    (entries / "git").write_text(
        "#!/bin/sh\n"
        f"GIT_EXEC_PATH={shlex.quote(str(usr / 'lib/git-core'))}\n"
        f"GIT_TEMPLATE_DIR={shlex.quote(str(usr / 'share/git-core/templates'))}\n"
        "export GIT_EXEC_PATH GIT_TEMPLATE_DIR\n"
        f'exec {shlex.quote(str(usr / "bin/git"))} "$@"\n',
        encoding="utf-8",
    )
    (entries / "git").chmod(0o755)
