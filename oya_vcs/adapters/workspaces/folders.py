"""The disk under a workspace: whether it is ours, who is in it, what a commit does not hold of it.

Never follows a symbolic link. Nothing here starts a program or knows a commit by more than the
list of its files. Every function blocks; call them in a thread.
"""

from __future__ import annotations

import ast
import contextlib
import errno
import hashlib
import os
import re
import shutil
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from oya_vcs.errors import Bug, WorldFailed

PLANTED = ("workspace-config.toml", "workspace-config-id")
"""Configuration that jj 0.46 would load from a workspace's `.jj`, whoever wrote it there."""
DAMAGED = "is damaged"
"""How a complaint begins about a folder that lacks what makes it a workspace, and holds nothing of
anybody else's."""
READ_BYTES = 1 << 20
TAIL_BYTES = 512
_SHOWS_ALL = re.compile(rb"\x1a\x02\x0a\x00(\x2a\x14.{20})+(\x30\x01)?\Z", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Blob:
    """A file of a commit: git's mode (100644, 100755, 120000) and object id."""

    mode: str
    id: str


@dataclass(frozen=True, slots=True)
class Drift:
    """Where the disk is not the commit. Paths are bytes, relative, sorted.

    `unheld`: on disk and not in the commit (ignored files are among them); `different`: in both,
    with other content, or only in the commit; `repositories`: folders with a `.git` in them that
    holds commits.
    """

    unheld: tuple[bytes, ...]
    different: tuple[bytes, ...]
    repositories: tuple[bytes, ...]


def trouble(path: Path, control_pointer: Path) -> str:
    """As `complaint`; where there is none, PLANTED configuration is deleted."""
    clause = complaint(path, control_pointer)
    if clause:
        return clause
    try:
        for name in PLANTED:
            (path / ".jj" / name).unlink(missing_ok=True)
    except OSError as error:
        return f"has a configuration of its own that cannot be deleted: {error}"
    return ""


def complaint(path: Path, control_pointer: Path) -> str:
    """Why the folder is not a workspace of ours, as a clause without its subject; "" where it is.

    `control_pointer` is the `.jj/repo` file of the control workspace: both must point at the same
    store.
    """
    clause = _kind(path, stat.S_ISDIR, "folder") or _kind(path / ".jj", stat.S_ISDIR, "folder")
    if clause:
        return clause
    pointer = path / ".jj" / "repo"
    clause = _kind(pointer, stat.S_ISREG, "file")
    if clause:
        return f"{clause} (a folder there means a repository of its own)"
    if _points_at(pointer) is None or _points_at(pointer) != _points_at(control_pointer):
        return f"belongs to another repository ({_points_at(pointer)})"
    return _kind(path / ".jj" / "working_copy", stat.S_ISDIR, "folder")


def is_damaged(path: Path, control_pointer: Path) -> bool:
    """Whether the folder lacks what makes it a workspace, and holds nothing of anybody else's."""
    return complaint(path, control_pointer).startswith(DAMAGED)


def _kind(path: Path, is_right: Callable[[int], bool], what: str) -> str:
    try:
        mode = path.lstat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return f"{DAMAGED}: {path} is not there"
    except OSError as error:
        return f"cannot be looked into: {error}"
    if stat.S_ISLNK(mode):
        return f"is not ours: {path} is a symbolic link"
    return "" if is_right(mode) else f"is not ours: {path} is no {what}"


def _points_at(pointer: Path) -> Path | None:
    """The store that a `.jj/repo` file names; None where it names none."""
    with contextlib.suppress(OSError, ValueError):
        return (pointer.parent / os.fsdecode(pointer.read_bytes()).strip()).resolve()
    return None


def entries(folder: Path) -> tuple[Path, ...]:
    """What stands in a folder of workspaces, but for our own with a dot before its name."""
    try:
        return tuple(path for path in folder.iterdir() if not path.name.startswith("."))
    except FileNotFoundError:
        return ()


def touched_ms(path: Path) -> int:
    """When the folder was last changed or renamed (Unix time); 0 where it is not there."""
    try:
        return path.lstat().st_ctime_ns // 1_000_000
    except OSError:
        return 0


def is_there(path: Path) -> bool:
    """Whether anything stands at the path, a dangling link included."""
    return os.path.lexists(path)


def those_there(path: Path, names: Iterable[bytes]) -> list[bytes]:
    """Those of the relative names that are below the path."""
    return [name for name in names if os.path.lexists(os.fsencode(path) + b"/" + name)]


def checked_out(path: Path) -> tuple[str, str] | None:
    """The operation and the workspace name that jj last filled or recorded this folder at.

    From jj's own file (a protocol buffer with two byte fields, 2 and 3, on jj 0.46); None where it
    does not look as expected.
    """
    try:
        data = (path / ".jj" / "working_copy" / "checkout").read_bytes()
    except OSError:
        return None
    found = re.fullmatch(rb"\x12\x40(.{64})\x1a.([\x20-\x7e]+)", data, re.DOTALL)
    return None if found is None else (found[1].hex(), found[2].decode())


def shows_all(path: Path) -> bool:
    """Whether jj shows every file of the workspace's commit, as far as its own file tells: its end
    is then the one pattern "", the ids of the trees, and a flag (a protocol buffer, jj 0.46)."""
    try:
        with (path / ".jj" / "working_copy" / "tree_state").open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - TAIL_BYTES))
            return _SHOWS_ALL.search(file.read()) is not None
    except OSError:
        return False


def occupant(path: Path) -> str:
    """A live process with its working folder, root or an open file below the path, as people know
    it; "" where there is none, or no /proc to tell."""
    place = os.path.realpath(path)
    for process in Path("/proc").glob("[0-9]*"):
        for link in _links(process):
            if link == place or link.startswith(f"{place}/"):
                return f"process {process.name} ({_words(process)})"
    return ""


def _links(process: Path) -> Iterator[str]:
    """Where a process of ours is and what it holds open; nothing of those that are not ours."""
    with contextlib.suppress(OSError):
        entries = [process / "cwd", process / "root", *(process / "fd").iterdir()]
        for entry in entries:
            with contextlib.suppress(OSError):
                yield os.readlink(entry)  # noqa: PTH115 (such a link need not be a path)


def _words(process: Path) -> str:
    try:
        said = (process / "cmdline").read_bytes()
    except OSError:
        return "gone by now"
    return said.replace(b"\0", b" ").decode(errors="replace").strip()[:80] or "a zombie"


def listing(said: str) -> dict[bytes, Blob]:
    """What `git ls-tree -r` said, by path."""
    files = {}
    for line in said.splitlines():
        head, _, path = line.partition("\t")
        mode, kind, identity = head.split(" ")
        if kind != "blob":
            continue  # a submodule: jj leaves its folder alone
        files[unquoted(path)] = Blob(mode, identity)
    return files


def unquoted(path: str) -> bytes:
    """A path as git prints it; where it quotes, it does so as C does, and so does Python."""
    if not path.startswith('"'):
        return path.encode()
    written = ast.literal_eval(f"b{path}")
    assert isinstance(written, bytes)  # noqa: S101
    return written


def decoded(path: bytes) -> str:
    """A path as the functions of this language take it."""
    return os.fsdecode(path)


def among(paths: Iterable[bytes], untracked: Iterable[bytes]) -> tuple[bytes, ...]:
    """Those of the paths (files or folders) that hold, are, or are below something untracked.

    `untracked` is as `git ls-files --others` lists it: a folder ends with a slash.
    """
    listed = set(untracked)
    above = {
        b"/".join(parts[:n])
        for one in listed
        for parts in [one.split(b"/")]
        for n in range(1, len(parts))
    }
    whole = tuple(one for one in listed if one.endswith(b"/"))
    return tuple(one for one in paths if one in listed or one in above or one.startswith(whole))


def nested(path: Path) -> tuple[bytes, ...]:
    """Folders below the workspace's own with a `.git` or `.jj` in them: jj leaves out all that is
    in such a folder, and says nothing (measured on 0.46). Relative, sorted."""
    top = os.fsencode(path)
    found = []
    for folder, folders, files in os.walk(top, onerror=_raise):
        if folder != top and {b".git", b".jj"}.intersection((*folders, *files)):
            found.append(folder[len(top) + 1 :])
        folders[:] = [name for name in folders if name not in {b".git", b".jj"}]
    return tuple(sorted(found))


def drift(path: Path, held: Mapping[bytes, Blob]) -> Drift:
    """Compare every file on disk, byte for byte, with a commit's.

    Reads every file that the commit holds too: jj knows an edit by size and time alone. Raises
    OSError where something cannot be read.
    """
    top = os.fsencode(path)
    unheld, different, repositories, seen = [], [], [], set()
    for folder, folders, files in os.walk(top, onerror=_raise):
        links = [one for one in folders if stat.S_ISLNK(os.lstat(folder + b"/" + one).st_mode)]
        for name in (*files, *links):
            file = folder + b"/" + name
            relative = file[len(top) + 1 :]
            blob = _blob(file, held.get(relative))
            if blob is None or name == b".git":
                continue
            seen.add(relative)
            if relative not in held:
                unheld.append(relative)
            elif blob != held[relative]:
                different.append(relative)
        if b".git" in folders and _holds_commits(folder + b"/.git"):
            repositories.append(folder[len(top) + 1 :] or b".")
        folders[:] = [name for name in folders if name not in {b".git", b".jj", *links}]
    different += held.keys() - seen
    return Drift(tuple(sorted(unheld)), tuple(sorted(different)), tuple(sorted(repositories)))


def _raise(error: OSError) -> None:
    """What cannot be listed may hold anything: os.walk must not pass it by."""
    raise error


def _blob(path: bytes, held: Blob | None) -> Blob | None:
    """The file as git would keep it (its id only where it is to be compared); None where it is
    neither file nor link."""
    mode = os.lstat(path).st_mode
    if stat.S_ISLNK(mode):
        target = os.readlink(path)  # noqa: PTH115
        return Blob("120000", _sha1(b"blob %d\0%b" % (len(target), target)))
    if not stat.S_ISREG(mode):
        return None
    executable = "100755" if mode & 0o111 else "100644"
    return Blob(executable, _file_id(path) if held else "")


def _file_id(path: bytes) -> str:
    with open(path, "rb") as file:  # noqa: PTH123 (a path of bytes)
        digest = hashlib.sha1(b"blob %d\0" % os.fstat(file.fileno()).st_size, usedforsecurity=False)
        while chunk := file.read(READ_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def _sha1(data: bytes) -> str:
    return hashlib.sha1(data, usedforsecurity=False).hexdigest()


def _holds_commits(git_dir: bytes) -> bool:
    """Whether somebody committed in a `.git` folder: it is then no by-product of `git init`."""
    names = (b"logs", b"packed-refs", b"worktrees", b"modules")
    return any(os.path.lexists(git_dir + b"/" + name) for name in names)


def unsettle(path: Path, names: tuple[bytes, ...]) -> None:
    """Give files a new time, so that jj looks into them again."""
    for name in names:
        with contextlib.suppress(FileNotFoundError):
            os.utime(os.fsencode(path) + b"/" + name, follow_symlinks=False)


def to_trash(path: Path, trashes: Sequence[Path]) -> Path:
    """Rename the folder into the first trash that is on its file system, under its own name and a
    number. Raises WorldFailed."""
    for trash in trashes:
        try:
            trash.mkdir(parents=True, exist_ok=True)
            number = 0
            while os.path.lexists(place := trash / f"{path.name}-{number}"):
                number += 1
            path.rename(place)
        except OSError as error:
            if error.errno == errno.EXDEV and trash != trashes[-1]:
                continue
            raise WorldFailed(
                f"{path} could not be moved to the trash folder {trash}: {error}.",
                hint="Both must be on one file system and writable for this user.",
            ) from error
        return place
    raise Bug("There is no trash folder.")


def in_trash(trashes: Iterable[Path], name: str = "") -> tuple[Path, ...]:
    """What of this name (or of any) is in the trash: verified before it got there, so free to be
    deleted."""
    numbered = re.compile((re.escape(name) if name else ".+") + r"-[0-9]+")
    found: list[Path] = []
    for trash in trashes:
        with contextlib.suppress(FileNotFoundError):
            found += (entry for entry in trash.iterdir() if numbered.fullmatch(entry.name))
    return tuple(found)


def discard(place: Path) -> None:
    """Delete a folder of the trash, whatever its permissions; links are deleted, not followed.

    Raises WorldFailed, retryable, with what is left left there.
    """
    try:
        if not place.is_dir() or place.is_symlink():
            place.unlink(missing_ok=True)
            return
        place.chmod(0o700)
        for folder, folders, _ in os.walk(place):
            for name in folders:
                below = Path(folder, name)
                if not below.is_symlink():
                    below.chmod(0o700)
        shutil.rmtree(place)
    except OSError as error:
        raise WorldFailed(
            f"{place} could not be deleted: {error}.",
            hint="Nothing in it is needed: delete it by hand, or let it be tried again.",
            retryable=True,
        ) from error
