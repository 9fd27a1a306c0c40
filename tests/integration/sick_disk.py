"""The journal's writer on a disk that records every write and sync, and fails when it is told to.

`main` reads one JSON object a line (`Case`) from standard input and does each in a fork of its own;
what happened is pickled into the case's `trace` (`Trace`).

The disk is SQLite's own: the file methods of the very library that the journal uses are replaced,
through ctypes, by some that write down what they pass on. Locks and shared memory stay as they are.
"""

from __future__ import annotations

import asyncio
import ctypes
import importlib
import json
import os
import pickle
import sys
from collections.abc import Callable
from ctypes import c_char_p, c_int, c_int64, c_void_p
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from oya_vcs.core.events import BeadReadied
from oya_vcs.core.ids import BeadId
from oya_vcs.errors import JournalStopped, WorldFailed
from oya_vcs.journal import driver, store
from oya_vcs.journal.schema import create
from oya_vcs.journal.store import SqliteJournal

PRODUCERS = 3
CODES = {"eio": 778, "enospc": 13, "short": 13, "fsync": 1034, "truncate": 1546}
"""SQLite's extended result codes: IOERR_WRITE, FULL, IOERR_FSYNC, IOERR_TRUNCATE."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """What to do: `appends` transactions on the journal `path`; with `how` not empty, the `nth`
    operation of that kind and the `times` - 1 after it fail. `synchronous` is the pragma's value;
    `rewrites` False leaves `rewrite_log` out."""

    path: str
    trace: str
    appends: int
    how: str = ""
    nth: int = 0
    times: int = 1
    synchronous: str = ""
    rewrites: bool = True


@dataclass(slots=True)
class Op:
    """Something the disk was asked for: write, truncate, sync or delete of a file; or `ack`, when
    the journal acknowledged event `at` about `data`. `handle` numbers the opening of the file."""

    kind: str
    name: str = ""
    handle: int = 0
    at: int = 0
    data: bytes = b""
    failed: bool = False


@dataclass(slots=True)
class Trace:
    """`base` is the journal's file before the first operation; `stops` counts JournalStopped."""

    base: bytes
    ops: list[Op] = field(default_factory=list)
    stops: int = 0


class _Vfs(ctypes.Structure):
    _fields_ = [
        ("version", c_int),
        ("file_bytes", c_int),
        ("path_bytes_max", c_int),
        ("next", c_void_p),
        ("name", c_char_p),
        ("data", c_void_p),
        ("open", c_void_p),
        ("delete", c_void_p),
    ]


class _Methods(ctypes.Structure):
    _fields_ = [
        ("version", c_int),
        *((name, c_void_p) for name in ("close", "read", "write", "truncate", "sync")),
        *((f"other_{number}", c_void_p) for number in range(13)),
    ]


class _File(ctypes.Structure):
    _fields_ = [("methods", ctypes.POINTER(_Methods))]


_FILE = ctypes.POINTER(_File)
_Pointer = Any
"""A pointer to a file, for annotations: ctypes has no type for it."""
_OPEN = ctypes.CFUNCTYPE(c_int, c_void_p, c_void_p, _FILE, c_int, c_void_p)
_DELETE = ctypes.CFUNCTYPE(c_int, c_void_p, c_char_p, c_int)
_WRITE = ctypes.CFUNCTYPE(c_int, _FILE, c_void_p, c_int, c_int64)
_TRUNCATE = ctypes.CFUNCTYPE(c_int, _FILE, c_int64)
_SYNC = ctypes.CFUNCTYPE(c_int, _FILE, c_int)


class SickDisk:
    """Stands between SQLite and its files from now on, in this whole process."""

    def __init__(self, case: Case, trace: Trace) -> None:
        self._case = case
        self._ops = trace.ops
        self._seen = 0
        self._opened = 0
        self._files: dict[int, tuple[str, int]] = {}
        self._tables: dict[int, tuple[_Methods, _Methods]] = {}
        self._kept: list[object] = []
        package = driver.Connection.__module__.partition(".")[0]
        name = "_sqlite3" if package == "sqlite3" else f"{package}._sqlite3"
        module = importlib.import_module(name)
        library = ctypes.CDLL(str(module.__file__))
        library.sqlite3_vfs_find.restype = ctypes.POINTER(_Vfs)
        vfs = library.sqlite3_vfs_find(None).contents
        self._open, self._delete = _OPEN(vfs.open), _DELETE(vfs.delete)
        vfs.open = self._pointer(_OPEN, self._on_open)
        vfs.delete = self._pointer(_DELETE, self._on_delete)

    def rewrite_log(self, path: Path) -> None:
        """The real one, which does not write through SQLite, with notes of what it does."""
        log = path.with_name(f"{path.name}-wal")
        if log.exists():
            self._opened += 1
            self._ops.append(Op("write", log.name, self._opened, data=log.read_bytes()))
            code = self._fails("fsync")
            self._ops.append(Op("sync", log.name, self._opened, failed=bool(code)))
            if code:
                raise WorldFailed("The log cannot be synced.")
        driver.rewrite_log(path)

    def leave(self) -> None:
        """Take note of nothing more. The disk must live until here: SQLite knows its methods."""
        self._ops = []

    def _pointer(self, kind: Callable[..., object], function: Callable[..., int]) -> int | None:
        callback = kind(function)
        self._kept.append(callback)
        return ctypes.cast(callback, c_void_p).value  # type: ignore[arg-type]

    def _fails(self, *hows: str) -> int:
        """The code to fail with, where the case says that this operation is to fail."""
        if self._case.how not in hows:
            return 0
        self._seen += 1
        first = self._case.nth
        return CODES[self._case.how] if first <= self._seen < first + self._case.times else 0

    def _on_open(self, vfs: int, name: int | None, file: _Pointer, flags: int, out: int) -> int:
        # SQLite keeps the pointer to the name, and reads what stands behind it: no copy will do.
        code = int(self._open(vfs, name, file, flags, out))
        text = b"" if name is None else ctypes.string_at(name)
        if code == 0 and b"journal.db" in text:
            self._opened += 1
            self._files[_address(file)] = (Path(text.decode()).name, self._opened)
            file.contents.methods = ctypes.pointer(self._table(file))
        return code

    def _table(self, file: _Pointer) -> _Methods:
        real = file.contents.methods.contents
        known = self._tables.get(ctypes.addressof(real))
        if known is None:
            ours = _Methods.from_buffer_copy(real)
            write, truncate, sync = _WRITE(real.write), _TRUNCATE(real.truncate), _SYNC(real.sync)

            def on_write(file: _Pointer, data: int, size: int, at: int) -> int:
                return self._on_write(write, file, data, size, at)

            def on_truncate(file: _Pointer, size: int) -> int:
                code = self._fails("truncate")
                self._note("truncate", file, at=size, failed=bool(code))
                return code or int(truncate(file, size))

            def on_sync(file: _Pointer, flags: int) -> int:
                code = self._fails("fsync") or int(sync(file, flags))
                self._note("sync", file, failed=bool(code))
                return code

            ours.write = self._pointer(_WRITE, on_write)
            ours.truncate = self._pointer(_TRUNCATE, on_truncate)
            ours.sync = self._pointer(_SYNC, on_sync)
            known = self._tables[ctypes.addressof(real)] = (ours, real)
        return known[0]

    def _on_write(
        self, write: Callable[..., int], file: _Pointer, data: int, size: int, at: int
    ) -> int:
        code = self._fails("eio", "enospc", "short")
        if code:
            size = size // 2 if self._case.how == "short" else 0
        if size:
            self._note("write", file, at=at, data=ctypes.string_at(data, size))
            done = int(write(file, data, size, at))
            return code or done
        return code

    def _on_delete(self, vfs: int, name: bytes, sync_folder: int) -> int:
        self._ops.append(Op("delete", Path(name.decode()).name))
        return int(self._delete(vfs, name, sync_folder))

    def _note(
        self, kind: str, file: _Pointer, *, at: int = 0, data: bytes = b"", failed: bool = False
    ) -> None:
        name, handle = self._files[_address(file)]
        self._ops.append(Op(kind, name, handle, at, data, failed))


def _address(file: _Pointer) -> int:
    return ctypes.addressof(file.contents)


async def _append(path: Path, case: Case, trace: Trace) -> None:
    """Append until everything is acknowledged; after a stop, open the journal anew."""
    left = list(range(case.appends))
    journal = await _reopened(path)

    async def produce() -> None:
        while left:
            number = left.pop(0)
            events = [BeadReadied(bead=BeadId(f"b-{number}-{part}")) for part in (1, 2, 3)]
            try:
                rows = await journal.append(0, events)
            except JournalStopped:
                left.append(number)
                raise
            subjects = [row.event.subject.encode() for row in rows]
            trace.ops += [
                Op("ack", at=row.seq, data=subject)
                for row, subject in zip(rows, subjects, strict=True)
            ]

    while left:
        ends = await asyncio.gather(*(produce() for _ in range(PRODUCERS)), return_exceptions=True)
        if any(ends):
            trace.stops += 1
            await asyncio.to_thread(journal.close)
            journal = await _reopened(path)
    await asyncio.to_thread(journal.close)


async def _reopened(path: Path) -> SqliteJournal:
    while True:
        try:
            return await asyncio.to_thread(SqliteJournal, path)
        except WorldFailed:
            await asyncio.sleep(0)


def _do(case: Case) -> None:
    path = Path(case.path)
    create(path)
    trace = Trace(path.read_bytes())
    disk = SickDisk(case, trace)
    vars(store).update(
        FOLD_COMMITS=6,
        IDLE_S=0.01,
        rewrite_log=disk.rewrite_log if case.rewrites else lambda _path: None,
    )
    if case.synchronous:
        real = driver.open_writer

        def careless(path: Path) -> driver.Connection:
            connection = real(path)
            connection.execute(f"PRAGMA synchronous={case.synchronous}")
            return connection

        vars(store).update(open_writer=careless)
    asyncio.run(_append(path, case, trace))
    disk.leave()
    Path(case.trace).write_bytes(pickle.dumps(trace))


def main() -> None:
    """One fork a case; says the exit status of each."""
    for line in sys.stdin:
        case = Case(**json.loads(line))
        child = os.fork()
        if child == 0:
            _do(case)
            os._exit(0)
        print(os.waitpid(child, 0)[1], flush=True)  # noqa: T201
