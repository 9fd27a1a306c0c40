"""Proving the record: every row, the chain over all of them, the high-water mark, the file itself.

`verify` reports and never raises for damage: each finding is a `Problem` with the sequence number
it is at. After a broken row it goes on with what the file says, so that one edit gives one problem.
Archives are walked first, in the same chain: one that is missing, changed or in another's place is
named with the range of events it should hold.

What can be promised: a changed, moved, added or missing row is found, a cut tail too, unless
*everything* (rows, hashes and mark) was rewritten to fit, or the whole file was put back to an
earlier state. Those two leave a sound journal; only a copy of a hash kept elsewhere can tell, and
checkpoints are such copies: what they remember is found again, or its loss is named. A write-ahead
log that is deleted or damaged while no daemon runs takes the rows with it that were not yet folded
(those of the last moments before a crash): that, too, looks like an earlier state.

This module changes nothing and does not know what an event means.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from oya_vcs.errors import JournalCorrupt
from oya_vcs.journal.archive import (
    Archived,
    archived_seq,
    check_file,
    folder_of,
    records,
    rows_of,
)
from oya_vcs.journal.chain import GENESIS, computed, follows
from oya_vcs.journal.codec import decode
from oya_vcs.journal.driver import Connection, SqliteError, blame, blamed, open_read_only
from oya_vcs.journal.lines import Raw
from oya_vcs.journal.reader import require
from oya_vcs.journal.schema import COLUMNS, HighWater, high_water

PROBLEMS_MAX = 1_000
"""Findings after which verify stops looking: a file in that state is replaced, not mended."""

PAGE_ROWS = 1_000

_RESTORE = "Put back a copy of the home that verifies; keep this file for examination."
_UPGRADE = "Upgrade oya-vcs to the version that wrote this journal."
_WITNESS = (
    "Put back a copy of the home that verifies. Only if its checkpoints/ came from another home, or"
    " this journal was put back on purpose: move that folder away."
)
_TYPES = (
    "SELECT seq FROM events WHERE typeof(at_ms) != 'integer' OR typeof(version) != 'integer'"
    " OR typeof(type) != 'text' OR typeof(subject) != 'text' OR typeof(data) != 'text'"
    " OR typeof(key) NOT IN ('text', 'null') OR typeof(hash) != 'blob' ORDER BY seq LIMIT 100"
)


_COUNTS = "SELECT type, count(*), min(at_ms), max(at_ms) FROM events GROUP BY type"
_SUBJECTS = "SELECT DISTINCT subject FROM events"


@dataclass(frozen=True, slots=True)
class Problem:
    """One finding: the sequence number it is at (0: the whole file), what is wrong, the mend."""

    seq: int
    what: str
    mend: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """What `verify` saw. `last_seq` and `last_hash` (hexadecimal) are of the last row read;
    `archived` of the `rows` are in archives."""

    rows: int
    archived: int
    last_seq: int
    last_hash: str
    problems: tuple[Problem, ...]

    @property
    def ok(self) -> bool:
        """Whether the record is whole."""
        return not self.problems


@dataclass(frozen=True, slots=True, kw_only=True)
class Stats:
    """The journal in numbers, archives included: `archived` of the `rows` are in `archive_bytes`
    bytes of archives. `file_bytes` counts the database and its log; times are Unix time."""

    rows: int
    archived: int
    file_bytes: int
    archive_bytes: int
    by_type: Mapping[str, int]
    subjects: int
    first_at_ms: int | None
    last_at_ms: int | None


class _Walk:
    """Goes over the rows in order and collects what is wrong with them."""

    def __init__(self, remembered: Iterable[tuple[int, bytes]]) -> None:
        self._remembered = dict(remembered)
        self.rows = 0
        self.archived = 0
        self.seq = 0
        self.digest = GENESIS
        self.problems: dict[int, Problem] = {}
        self._befores: tuple[bytes, ...] = (GENESIS,)
        """What the row before may hash to: as stored, and as computed; none after a gap."""

    def found(self, seq: int, what: str, mend: str = _RESTORE) -> None:
        """Keep the first problem of each sequence number."""
        self.problems.setdefault(seq, Problem(seq, what, mend))

    def take(self, raw: Raw) -> None:
        """Look at the next row."""
        row, digest = raw[:7], raw[7]
        seq = raw[0]
        self.rows += 1
        if seq <= self.seq:
            self.found(seq, f"Event {seq} does not belong here: numbers begin at 1, and come once.")
            return
        if seq != self.seq + 1:
            span = f"Event {seq - 1} is" if seq == self.seq + 2 else f"Events to {seq - 1} are"
            self.found(self.seq + 1, f"{span} missing from event {self.seq + 1} on.")
            self._befores = ()
        before, self._befores = self._befores, (digest,)
        self.seq, self.digest = seq, digest
        if before and not any(follows(each, row, digest) for each in before):
            self.found(seq, f"Event {seq} does not match its hash: it was changed, or moved.")
            # Where only the hash was damaged, the next row follows the one it should be.
            self._befores = (digest, *filter(None, (computed(each, row) for each in before)))
            return
        if self._remembered.get(seq, digest) != digest:
            what = f"Event {seq} is not the one that a checkpoint remembers: it, or one before it,"
            self.found(seq, f"{what} was replaced together with all hashes after.", _WITNESS)
        self._decode(raw)

    def skip(self, archive: Archived) -> None:
        """Go on behind an archive that cannot be read, as if it held what is on record."""
        self.seq, self.digest = archive.last, archive.digest
        self._befores = (archive.digest,)

    def finish(self, mark: HighWater) -> None:
        """Compare the end with the high-water mark."""
        if self.seq < mark.seq:
            first = self.seq + 1
            self.found(first, f"The end is cut off: events {first} to {mark.seq} are missing.")
        elif self.seq > mark.seq:
            first = mark.seq + 1
            self.found(first, f"Event {first} and later were not written by oya-vcs.")
        elif self.digest != mark.digest:
            self.found(self.seq, f"Event {self.seq} is not the one that was committed last.")
        last = max(self._remembered, default=0)
        if self.seq < last:
            first = self.seq + 1
            what = f"The end is cut off: a checkpoint remembers event {last}, and events {first} to"
            self.found(first, f"{what} {last} are missing.", _WITNESS)

    def _decode(self, raw: Raw) -> None:
        try:
            decode(raw[2].decode(errors="replace"), raw[3], raw[6])
        except JournalCorrupt as error:
            self.found(raw[0], error.message, error.hint or _UPGRADE)


def verify(
    path: Path,
    progress: Callable[[int, int], None] | None = None,
    *,
    remembered: Iterable[tuple[int, bytes]] = (),
) -> Verification:
    """Check the whole journal, also while the daemon writes. `progress` hears rows done and in all.

    `remembered` are seq and hash of rows that are known to have been on disk before the call
    (`checkpoint.marks`): what finds a history that was cut or rewritten as a whole.

    Raises NotFound where there is no journal, and nothing for damage of any kind. Blocks; reads
    every page of the file twice.
    """
    require(path)
    walk = _Walk(remembered)
    try:
        with closing(open_read_only(path)) as connection:
            connection.execute("BEGIN")
            _walk_file(connection, path, walk, progress)
    except SqliteError as error:
        damage = blamed(error, f"verifying {path} after event {walk.seq}")
        walk.found(walk.seq + 1 if walk.rows else 0, damage.message, damage.hint)
    except JournalCorrupt as error:
        walk.found(0, error.message, error.hint)
    problems = tuple(walk.problems[seq] for seq in sorted(walk.problems))
    return Verification(
        rows=walk.rows,
        archived=walk.archived,
        last_seq=walk.seq,
        last_hash=walk.digest.hex(),
        problems=problems,
    )


def _walk_file(
    connection: Connection,
    path: Path,
    walk: _Walk,
    progress: Callable[[int, int], None] | None,
) -> None:
    mark = high_water(connection, path)
    for archive in records(connection):
        _walk_archive(connection, path, walk, archive)
        if progress is not None:
            progress(walk.rows, mark.seq)
    walk.archived = walk.rows
    pages = connection.execute(f"SELECT {COLUMNS} FROM events ORDER BY seq")  # noqa: S608
    while (page := pages.fetchmany(PAGE_ROWS)) and len(walk.problems) < PROBLEMS_MAX:
        for raw in page:
            walk.take(raw)
        if progress is not None:
            progress(walk.rows, mark.seq)
    if len(walk.problems) < PROBLEMS_MAX:
        walk.finish(mark)
    for (seq,) in connection.execute(_TYPES).fetchall():
        walk.found(seq, f"Event {seq} has a column of the wrong type.")
    said = [line for (line,) in connection.execute("PRAGMA integrity_check(20)").fetchall()]
    if said != [b"ok"]:
        lines = "; ".join(line.decode(errors="replace") for line in said)
        walk.found(0, f"SQLite's integrity check of the file says: {lines}.")


def _walk_archive(connection: Connection, path: Path, walk: _Walk, archive: Archived) -> None:
    if archive.first != walk.seq + 1 or bytes.fromhex(archive.before) != walk.digest:
        walk.found(archive.first, f"The record of {archive.where} does not follow what is before.")
    folder = folder_of(path)
    try:
        check_file(folder, archive)
        for raw in rows_of(folder, archive):
            walk.take(raw)
            key = raw[5]
            if key is not None and archived_seq(connection, key.decode()) != (raw[0],):
                what = f"The unique key of event {raw[0]} is missing from archived_keys."
                walk.found(raw[0], what)
    except JournalCorrupt as error:
        walk.found(archive.first, error.message, error.hint)
    if (walk.seq, walk.digest) != (archive.last, archive.digest):
        walk.found(archive.first, f"{archive.where} do not end with the event on record.")
        walk.skip(archive)


def stats(path: Path) -> Stats:
    """The journal in numbers. Raises NotFound, WorldFailed or JournalCorrupt. Blocks; one scan."""
    require(path)
    by_type: Counter[str] = Counter()
    subjects: set[bytes] = set()
    times: list[int] = []
    try:
        with closing(open_read_only(path)) as connection:
            connection.execute("BEGIN")
            high_water(connection, path)
            archives = records(connection)
            for archive in archives:
                for raw in rows_of(folder_of(path), archive):
                    by_type[raw[2].decode()] += 1
                    subjects.add(raw[4])
                    times = [min([raw[1], *times]), max([raw[1], *times])]
            for name, count, low, high in connection.execute(_COUNTS):
                by_type[name.decode(errors="replace")] += count
                times += [low, high]
            subjects.update(one for (one,) in connection.execute(_SUBJECTS))
    except SqliteError as error:
        blame(error, f"counting the events of {path}")
    log = path.with_name(f"{path.name}-wal")
    return Stats(
        rows=by_type.total(),
        archived=sum(one.last - one.first + 1 for one in archives),
        file_bytes=sum(each.stat().st_size for each in (path, log) if each.exists()),
        archive_bytes=sum(one.size_bytes for one in archives),
        by_type=dict(by_type.most_common()),
        subjects=len(subjects - {b""}),
        first_at_ms=min(times, default=None),
        last_at_ms=max(times, default=None),
    )
