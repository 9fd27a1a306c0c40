"""The one door to SQLite: which library, how its connections are opened, whose fault an error is.

`pysqlite3` is taken where it is installed, else the standard `sqlite3`; never both, because two
SQLite libraries in one process drop each other's file locks.

SQLite 3.7.0 to 3.51.2 has the WAL-reset bug (https://sqlite.org/wal.html#walresetbug; fixed in
3.51.3, 3.50.7 and 3.44.6): a commit that races a checkpoint of *another* connection can lose pages.
With every version this package works so that the race cannot happen: one connection writes and
checkpoints, all others are opened read-only (`mode=ro`, `query_only`) and can do neither.

This module does not know what is in the tables.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from oya_vcs.errors import JournalCorrupt, OyaError, WorldFailed

if TYPE_CHECKING:
    import sqlite3 as sqlite
else:
    try:
        from pysqlite3 import dbapi2 as sqlite
    except ImportError:
        import sqlite3 as sqlite

Connection = sqlite.Connection
SqliteError = sqlite.Error
IntegrityError = sqlite.IntegrityError

WRITE_WAIT_S = 30.0
"""How long a commit waits for another program that holds the write lock before it is a failure."""

READ_WAIT_S = 5.0
"""How long a reader waits for a write-ahead log that is just being recovered."""

_PIECE_BYTES = 1 << 20

_FIXED = (3, 51, 3)
_FIRST_BAD = (3, 7, 0)
_BACKPORTS = {(3, 44): 6, (3, 50): 7}

_CORRUPT = 11
_NOT_A_DATABASE = 26
_BUSY = 5
_LOCKED = 6


def is_vulnerable(version: tuple[int, int, int]) -> bool:
    """Whether this version of SQLite has the WAL-reset bug."""
    if not _FIRST_BAD <= version < _FIXED:
        return False
    backport = _BACKPORTS.get(version[:2])
    return backport is None or version[2] < backport


def sqlite_warning() -> str:
    """A sentence with the mend where the SQLite in use has the WAL-reset bug; else empty."""
    major, minor, patch = sqlite.sqlite_version_info
    if not is_vulnerable((major, minor, patch)):
        return ""
    return (
        f"SQLite {sqlite.sqlite_version} (from {sqlite.__name__}) can lose committed pages when a"
        " commit races another connection's checkpoint. oya-vcs avoids the race, other programs"
        " that open journal.db for writing do not. Install pysqlite3 >= 0.6.1 into the environment"
        " of oya-vcs, or a Python with SQLite 3.51.3 or newer."
    )


def open_writer(path: Path) -> Connection:
    """The connection that writes *and* checkpoints: WAL, synchronous=FULL (EXTRA adds none).

    It may be used from any one thread at a time. No transaction begins by itself, no checkpoint
    runs inside a commit. Raises WorldFailed where the file system cannot do WAL, and SqliteError.
    """
    connection = sqlite.connect(
        f"{path.absolute().as_uri()}?mode=rw",
        uri=True,
        timeout=WRITE_WAIT_S,
        isolation_level=None,
        check_same_thread=False,
    )
    try:
        _use_wal(connection, path)
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA fullfsync=ON")
        connection.execute("PRAGMA checkpoint_fullfsync=ON")
        connection.execute("PRAGMA wal_autocheckpoint=0")
    except BaseException:
        connection.close()
        raise
    return connection


def _use_wal(connection: Connection, path: Path) -> None:
    mode = connection.execute("PRAGMA journal_mode=WAL").fetchone()[0]
    if mode != "wal":
        raise WorldFailed(
            f"{path} cannot be used in WAL mode (SQLite says {mode!r}).",
            hint="Put OYA_HOME on a local file system; network file systems lack shared memory.",
        )


def open_read_only(path: Path) -> Connection:
    """A connection that cannot write or checkpoint; text comes as bytes. Raises SqliteError."""
    connection = sqlite.connect(
        f"{path.absolute().as_uri()}?mode=ro",
        uri=True,
        timeout=READ_WAIT_S,
        isolation_level=None,
        check_same_thread=False,
    )
    connection.text_factory = bytes
    try:
        connection.execute("PRAGMA query_only=ON")
    except BaseException:
        connection.close()
        raise
    return connection


def open_in_memory() -> Connection:
    """An empty database that no file knows; text comes as text."""
    return sqlite.connect(":memory:", isolation_level=None)


def rewrite_log(path: Path) -> None:
    """Write what the write-ahead log of `path` holds once more, in its place, and sync it. To be
    called before a file that may have been left by a failure is opened.

    After a failed fsync, rows that only the kernel's memory holds read as if they were on disk, and
    another fsync does nothing for them: they count as clean. Whoever appended behind them, or
    copied them into the database, would lose both at a power cut. Written anew they are synced
    anew. The bytes do not change, so that readers may be at work. Raises WorldFailed.
    """
    log = path.with_name(f"{path.name}-wal")
    try:
        with log.open("r+b", buffering=0) as file:
            at = 0
            while piece := os.pread(file.fileno(), _PIECE_BYTES, at):
                while piece:
                    done = os.pwrite(file.fileno(), piece, at)
                    piece, at = piece[done:], at + done
            os.fsync(file.fileno())
    except FileNotFoundError:
        return
    except OSError as error:
        raise WorldFailed(
            f"The write-ahead log {log} cannot be written: {error}.",
            hint="See to the disk (space, health, permissions), then start the daemon again.",
        ) from error


def abandon(connection: Connection, path: Path) -> None:
    """Close a connection after a failure, touching the file no more. Raises SqliteError.

    SQLite folds and syncs the log when the last connection closes; after a failed fsync the same
    file must not be synced again, since that succeeds and proves nothing. While a reader is open,
    none is the last; a reader cannot fold.
    """
    guard = None
    try:
        guard = open_read_only(path)
        guard.execute("SELECT count(*) FROM sqlite_master").fetchone()
    finally:
        connection.close()
        if guard is not None:
            guard.close()


def blamed(error: SqliteError, doing: str) -> OyaError:
    """The error to raise for what SQLite said while `doing` something ("reading /x")."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    name = getattr(error, "sqlite_errorname", type(error).__name__)
    if code in {_CORRUPT, _NOT_A_DATABASE}:
        return JournalCorrupt(
            f"The journal's file is damaged: SQLite said {str(error)!r} while {doing}.",
            "Run `oya-vcs journal verify`; put a copy back, or keep the file for examination.",
        )
    return WorldFailed(
        f"SQLite failed while {doing}: {error} ({name}).",
        hint="Look at the disk (space, health, permissions) and try again.",
        stderr=str(error),
        retryable=code in {_BUSY, _LOCKED},
    )


def blame(error: SqliteError, doing: str) -> NoReturn:
    """Raise what `blamed` says."""
    raise blamed(error, doing) from error
