"""The whole record as one file of JSON lines, and back: `journal export` and `journal import`.

An export is one line a row (`lines.py`), archived rows included, and a last line that says how many
rows there are and how the chain ends, so that a copy that was cut off is noticed. An import checks
every row as verify does, into a database beside its place; the journal appears only when the last
line was read and found right. What was imported exports to the same bytes.

This module does not know what an event means; `codec` says whether it can be read.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import BinaryIO

import msgspec

from oya_vcs.errors import ConfigurationInvalid, InputInvalid, JournalCorrupt, NotFound, WorldFailed
from oya_vcs.journal.archive import folder_of, fsync
from oya_vcs.journal.chain import ALGORITHM, GENESIS, follows
from oya_vcs.journal.codec import decode
from oya_vcs.journal.driver import (
    Connection,
    IntegrityError,
    SqliteError,
    blame,
    open_read_only,
    open_writer,
)
from oya_vcs.journal.lines import Raw, line_of, row_of
from oya_vcs.journal.reader import Reader, open_reader
from oya_vcs.journal.schema import SCHEMA, SET_HIGH_WATER, WIDTH, HighWater, checked_tail, create

PROGRESS_EVERY = 50_000
"""Rows between two reports."""

BATCH_ROWS = 5_000
"""Rows of one transaction of an import; nobody sees them before the last one."""

LINE_BYTES_MAX = 64 << 20
"""A longer line is no event: the largest the daemon writes holds a bead's text, a few MB."""

Progress = Callable[[int], None]
"""Hears the sequence number now and then."""


class _End(msgspec.Struct, forbid_unknown_fields=True):
    """The last line: `{"export":1,"algorithm":"sha256","events":N,"hash":"…"}`."""

    export: int
    algorithm: str
    events: int
    hash: str


_INSERT = f"INSERT INTO events VALUES ({', '.join('?' * WIDTH)})"  # noqa: S608 - a constant


def export(journal: Path, file: BinaryIO, progress: Progress | None = None) -> HighWater:
    """Write the journal to an open file, also while the daemon writes; returns how far.

    Raises NotFound without a journal, JournalCorrupt where it does not verify, and OSError.
    """
    with open_reader(journal) as reader:
        return _export(reader, file, progress)


def _export(reader: Reader, file: BinaryIO, progress: Progress | None) -> HighWater:
    seq, digest = 0, GENESIS
    for row in reader.rows():
        try:
            file.write(line_of(row))
        except ValueError as error:
            message = f"Event {row[0]} of {reader.path} cannot be exported: {error}."
            raise JournalCorrupt(message, "Run `oya-vcs journal verify`.") from error
        seq, digest = row[0], row[7]
        if progress is not None and seq % PROGRESS_EVERY == 0:
            progress(seq)
    end = _End(export=SCHEMA, algorithm=ALGORITHM, events=seq, hash=digest.hex())
    file.write(msgspec.json.encode(end) + b"\n")
    return HighWater(seq, digest)


def export_to(journal: Path, target: Path, progress: Progress | None = None) -> HighWater:
    """`export` into a file (mode 0600) that is whole and on disk when it appears; what stood under
    its name before is replaced only then. Raises WorldFailed where the disk refuses."""
    new = target.with_name(f"{target.name}.new")
    try:
        descriptor = os.open(new, os.O_CREAT | os.O_TRUNC | os.O_WRONLY | os.O_CLOEXEC, 0o600)
        try:
            with os.fdopen(descriptor, "wb", 1 << 20) as file:
                mark = export(journal, file, progress)
                file.flush()
                os.fsync(descriptor)
            new.rename(target)
        finally:
            new.unlink(missing_ok=True)
        fsync(target.parent)
    except OSError as error:
        raise WorldFailed(
            f"The export {target} cannot be written: {error}.",
            hint="Name a file in a folder that exists, can be written, and has room.",
        ) from error
    return mark


def import_(source: Path, journal: Path, progress: Progress | None = None) -> HighWater:
    """Make `journal` from an export. The caller holds the lock of its home, which must have no
    record yet (ConfigurationInvalid).

    Raises NotFound for a missing file, InputInvalid naming file and line for one that does not
    verify, and WorldFailed; no journal is there then.
    """
    require_none(journal)
    new = journal.with_name(f"{journal.name}.import")
    _sweep(new)
    try:
        with source.open("rb", 1 << 20) as file:
            create(new)
            mark = _import(source, file, new, progress)
        fsync(new)
        new.rename(journal)
        fsync(journal.parent)
    except FileNotFoundError:
        raise NotFound(f"There is no file {source}.", "Name an export of a journal.") from None
    except OSError as error:
        message = f"{source} cannot be imported to {journal}: {error}."
        raise WorldFailed(message, hint="Nothing was imported. See to the disk.") from error
    finally:
        _sweep(new)
    return mark


def require_none(journal: Path) -> None:
    """Raises ConfigurationInvalid where the home has a record, or parts of one."""
    log = journal.with_name(f"{journal.name}-wal")
    archives = folder_of(journal)
    for part in (journal, log, *(archives.iterdir() if archives.is_dir() else ())):
        if part.exists():
            raise ConfigurationInvalid(
                f"{journal.parent} has a record already ({part.name}); an import needs a home"
                " without one.",
                "Name another folder with --home, or move the record that is there away.",
            )


def _sweep(new: Path) -> None:
    for suffix in ("", "-wal", "-shm"):
        new.with_name(new.name + suffix).unlink(missing_ok=True)


def _import(source: Path, file: BinaryIO, new: Path, progress: Progress | None) -> HighWater:
    try:
        with closing(open_writer(new)) as connection:
            mark = _fill(connection, _checked(source, file), source, progress)
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        with closing(open_read_only(new)) as connection:
            checked_tail(connection, new)
    except SqliteError as error:
        blame(error, f"importing {source}")
    return mark


def _fill(
    connection: Connection, rows: Iterator[Raw], source: Path, progress: Progress | None
) -> HighWater:
    mark = HighWater(0, GENESIS)
    connection.execute("BEGIN IMMEDIATE")
    for seq, at_ms, name, version, subject, key, data, digest in rows:
        text = None if key is None else key.decode()
        cells = (seq, at_ms, name.decode(), version, subject.decode(), text, data.decode(), digest)
        try:
            connection.execute(_INSERT, cells)
        except IntegrityError as error:
            message = f"{source}, line {seq}: the key {text!r} stood on an earlier line already."
            raise InputInvalid(message, _NOTHING) from error
        mark = HighWater(seq, digest)
        if seq % BATCH_ROWS == 0:
            connection.execute(SET_HIGH_WATER, (mark.text(),))
            connection.execute("COMMIT")
            connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
            connection.execute("BEGIN IMMEDIATE")
        if progress is not None and seq % PROGRESS_EVERY == 0:
            progress(seq)
    connection.execute(SET_HIGH_WATER, (mark.text(),))
    connection.execute("COMMIT")
    return mark


def _checked(source: Path, file: BinaryIO) -> Iterator[Raw]:
    """The rows of an export, each found to follow the one before; the last line found right."""
    seq, digest = 0, GENESIS
    while (line := file.readline(LINE_BYTES_MAX)).endswith(b"\n"):
        if line.startswith(b'{"export":'):
            _check_end(source, line, HighWater(seq, digest), file)
            return
        seq += 1
        try:
            row = row_of(line)
            decode(row[2].decode(), row[3], row[6])
        except JournalCorrupt as error:
            raise InputInvalid(f"{source}, line {seq}: {error.message}", error.hint) from error
        except ValueError as error:
            raise InputInvalid(f"{source}, line {seq}: {error}.", _NOTHING) from error
        if row[0] != seq:
            what = f"event {seq} is missing: this is event {row[0]}"
            raise InputInvalid(f"{source}, line {seq}: {what}.", _NOTHING)
        if not follows(digest, row[:7], row[7]):
            what = f"event {seq} does not match its hash: it was changed, or moved"
            raise InputInvalid(f"{source}, line {seq}: {what}.", _NOTHING)
        digest = row[7]
        yield row
    cut = "this line is cut off" if line else "the end is missing"
    raise InputInvalid(f"{source}, line {seq + 1}: {cut}; the export is not whole.", _NOTHING)


def _check_end(source: Path, line: bytes, mark: HighWater, file: BinaryIO) -> None:
    place = f"{source}, line {mark.seq + 1}"
    try:
        end = msgspec.json.decode(line, type=_End)
    except ValueError as error:
        raise InputInvalid(f"{place}: {error}.", _NOTHING) from error
    if end.export != SCHEMA or end.algorithm != ALGORITHM:
        what = f"an export of schema {end.export} with {end.algorithm}"
        hint = "Upgrade oya-vcs to the version that wrote it."
        raise InputInvalid(f"{place}: {what}; this oya-vcs knows {SCHEMA} only.", hint)
    if (end.events, end.hash) != (mark.seq, mark.digest.hex()):
        what = f"the export had {end.events} events and another end"
        raise InputInvalid(f"{place}: {what}; lines are missing before it.", _NOTHING)
    if file.read(1):
        raise InputInvalid(f"{source}, line {mark.seq + 2}: something follows the end.", _NOTHING)


_NOTHING = "Nothing was imported. Export the journal again, or take another copy of the file."
