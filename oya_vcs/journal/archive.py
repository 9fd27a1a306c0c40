"""Archives: files that hold the oldest rows of a journal, so that its table can stay small.

An archive is one zstd file, `archive/events-FIRST-LAST.jsonl.zst` beside the journal: a first line
that says what it holds, one line a row (`lines.py`), and a last line with the hash of its last row
and the SHA-256 of all lines before. `zstd -dc FILE` shows it to people. journal_meta records each
archive under `archive:FIRST`: its name, its range, the hashes at both its ends, and the SHA-256 of
the file. The chain of hashes runs on from the last archive into the table.

This module writes, reads and lists archives. It deletes nothing (`compact.py` does) and does not
know what an event means.
"""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

import msgspec
import zstandard

from oya_vcs.errors import JournalCorrupt, WorldFailed
from oya_vcs.journal.chain import follows
from oya_vcs.journal.driver import Connection
from oya_vcs.journal.lines import Raw, line_of, row_of

FORMAT = 1
"""The version of the file format, in an archive's first line."""

LEVEL = 1
"""zstd level: 3 to 9 made real rows no smaller and took 2 to 6 times as long (measured)."""

_READ_BYTES = 1 << 20
_RECORDS = (
    "SELECT name, value FROM journal_meta WHERE name >= 'archive:' AND name < 'archive;'"
    " ORDER BY name"
)
_HAS_KEYS = "SELECT 1 FROM sqlite_master WHERE name = 'archived_keys'"
SET_RECORD = "INSERT INTO journal_meta(name, value) VALUES (?, ?)"


class Archived(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One archive as journal_meta records it: rows `first` to `last` are in the file `file`.

    `before` is the hash of the row before the first (32 zero bytes for row 1), `hash` that of the
    last, `sha256` that of the file's `size_bytes` bytes; all hexadecimal.
    """

    file: str
    first: int
    last: int
    before: str
    hash: str
    sha256: str
    size_bytes: int

    @property
    def digest(self) -> bytes:
        """The hash of the last row."""
        return bytes.fromhex(self.hash)

    @property
    def where(self) -> str:
        """The archive as errors name it."""
        return f"events {self.first} to {self.last} (archive {self.file})"

    def record(self) -> tuple[str, str]:
        """Name and value of its row in journal_meta."""
        return f"archive:{self.first:012d}", msgspec.json.encode(self).decode()


class _Head(msgspec.Struct, kw_only=True):
    archive: int
    first: int
    last: int
    before: str


class _Foot(msgspec.Struct, kw_only=True):
    end: int
    hash: str
    sha256: str


def folder_of(journal: Path) -> Path:
    """Where the archives of a journal are."""
    return journal.parent / "archive"


def records(connection: Connection) -> list[Archived]:
    """What journal_meta says of archives, oldest first. Raises JournalCorrupt for an entry that
    cannot be read, and SqliteError."""
    found = []
    for name, value in connection.execute(_RECORDS).fetchall():
        try:
            found.append(msgspec.json.decode(value, type=Archived))
        except ValueError as error:
            text = name.decode(errors="replace") if isinstance(name, bytes) else name
            message = f"The entry {text!r} of journal_meta cannot be read: {error}."
            raise JournalCorrupt(message, "Put back a copy of the home that verifies.") from error
    return found


def holding(connection: Connection, seq: int) -> Archived | None:
    """The archive that holds row `seq`, if one does."""
    return next((one for one in records(connection) if one.first <= seq <= one.last), None)


def archived_seq(connection: Connection, key: str) -> tuple[int] | None:
    """The number of the archived event with this unique key, if there is one. Raises
    SqliteError."""
    if not connection.execute(_HAS_KEYS).fetchone():
        return None
    query = "SELECT seq FROM archived_keys WHERE key = ?"
    found: tuple[int] | None = connection.execute(query, (key,)).fetchone()
    return found


def write(folder: Path, rows: Iterable[Raw], *, first: int, last: int, before: bytes) -> Archived:
    """Write rows `first` to `last` as an archive that is on disk, under its name, when this
    returns; an unfinished one never stands under its name.

    Raises JournalCorrupt, with nothing left behind, where a row is missing or does not verify;
    WorldFailed where the disk refuses.
    """
    name = f"events-{first:012d}-{last:012d}.jsonl.zst"
    new = folder / f"{name}.new"
    try:
        if not folder.exists():
            folder.mkdir(mode=0o700)
            fsync(folder.parent)
        try:
            digest = _write(new, rows, first, last, before)
            new.rename(folder / name)
        finally:
            new.unlink(missing_ok=True)
        fsync(folder)
        sha256, size_bytes = _checksum(folder / name)
    except OSError as error:
        raise WorldFailed(
            f"The archive {folder / name} cannot be written: {error}.",
            hint="Nothing was taken out of the journal. Make room on the disk, then try again.",
        ) from error
    return Archived(
        file=name,
        first=first,
        last=last,
        before=before.hex(),
        hash=digest.hex(),
        sha256=sha256,
        size_bytes=size_bytes,
    )


def _write(path: Path, rows: Iterable[Raw], first: int, last: int, before: bytes) -> bytes:
    whole = hashlib.sha256()
    digest, seq = before, first - 1
    head = _Head(archive=FORMAT, first=first, last=last, before=before.hex())
    descriptor = os.open(path, os.O_CREAT | os.O_TRUNC | os.O_WRONLY | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        compressor = zstandard.ZstdCompressor(level=LEVEL, write_checksum=True)
        with compressor.stream_writer(file, closefd=False) as stream:

            def put(line: bytes) -> None:
                whole.update(line)
                stream.write(line)

            put(msgspec.json.encode(head) + b"\n")
            for row in rows:
                seq += 1
                if row[0] != seq or not follows(digest, row[:7], row[7]):
                    message = f"Event {seq} is missing or does not verify; nothing was archived."
                    raise JournalCorrupt(message, "Run `oya-vcs journal verify`.")
                digest = row[7]
                put(line_of(row))
            if seq != last:
                message = f"Event {seq + 1} is missing; nothing was archived."
                raise JournalCorrupt(message, "Run `oya-vcs journal verify`.")
            foot = _Foot(end=last, hash=digest.hex(), sha256=whole.hexdigest())
            stream.write(msgspec.json.encode(foot) + b"\n")
        file.flush()
        os.fsync(descriptor)
        if hasattr(os, "posix_fadvise"):  # what is read back should come from the disk
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    return digest


def check(folder: Path, record: Archived) -> None:
    """Prove that the archive is there, is the recorded one, and holds every row of its range in
    an unbroken chain. Raises JournalCorrupt, which names the range and the mend."""
    check_file(folder, record)
    digest, seq = bytes.fromhex(record.before), record.first - 1
    for row in rows_of(folder, record):
        seq += 1
        if row[0] != seq or not follows(digest, row[:7], row[7]):
            raise _damaged(folder, record, f"does not verify at event {seq}")
        digest = row[7]
    if digest != record.digest:
        raise _damaged(folder, record, "ends with another event than recorded")


def check_file(folder: Path, record: Archived) -> None:
    """Prove that the file is the recorded one, byte for byte; `check` without the rows."""
    try:
        sha256, _ = _checksum(folder / record.file)
    except FileNotFoundError:
        raise _damaged(folder, record, "is missing") from None
    except OSError as error:
        raise _damaged(folder, record, f"cannot be read: {error}") from error
    if sha256 != record.sha256:
        raise _damaged(folder, record, _difference(folder, record))


def rows_of(folder: Path, record: Archived) -> Iterator[Raw]:
    """The rows of an archive in order, a few at a time; its own checksum is checked at the end,
    the chain is not. Raises JournalCorrupt, also in the middle."""
    whole = hashlib.sha256()
    seq, ended = record.first - 1, False
    try:
        lines = _lines(folder / record.file)
        line = next(lines, b"")
        head = msgspec.json.decode(line, type=_Head)
        if (head.archive, head.first, head.last) != (FORMAT, record.first, record.last):
            raise _damaged(folder, record, _instead(head))
        whole.update(line)
        for line in lines:
            if seq == record.last:
                foot = msgspec.json.decode(line, type=_Foot)
                ended = (foot.hash, foot.sha256) == (record.hash, whole.hexdigest())
                break
            whole.update(line)
            seq += 1
            yield row_of(line)
    except FileNotFoundError:
        raise _damaged(folder, record, "is missing") from None
    except (OSError, ValueError, zstandard.ZstdError) as error:
        raise _damaged(folder, record, f"cannot be read after event {seq}: {error}") from error
    if not ended:
        raise _damaged(folder, record, f"is cut off or changed, at event {seq} or before")


def _lines(path: Path) -> Iterator[bytes]:
    """The lines of a compressed file, each with its line break."""
    with (
        path.open("rb") as file,
        zstandard.ZstdDecompressor().stream_reader(file, read_size=_READ_BYTES) as stream,
    ):
        yield from io.BufferedReader(stream, _READ_BYTES)


def _checksum(path: Path) -> tuple[str, int]:
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256")
        return found.hexdigest(), file.tell()


def _difference(folder: Path, record: Archived) -> str:
    """How a file differs whose checksum is not the recorded one."""
    with suppress(OSError, ValueError, zstandard.ZstdError):
        head = msgspec.json.decode(next(_lines(folder / record.file), b""), type=_Head)
        if (head.first, head.last) != (record.first, record.last):
            return _instead(head)
    return "was changed: it does not have the checksum on record"


def _instead(head: _Head) -> str:
    return f"holds events {head.first} to {head.last} instead: archives were swapped or renamed"


def _damaged(folder: Path, record: Archived, how: str) -> JournalCorrupt:
    return JournalCorrupt(
        f"The archive {folder / record.file} with events {record.first} to {record.last} {how}.",
        f"Put {record.file} back from a backup of the home (its SHA-256 is {record.sha256}); the"
        " events after it are not touched, and a daemon can go on from a checkpoint meanwhile.",
    )


def fsync(path: Path) -> None:
    """Return when the file, or the folder's list of names, is on disk. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
