"""What a real journal is made of: the events of beads that land, fail, conflict and come back.

`record` runs beads through the real core, engine and outbox over a world in memory, once. `Story`
then gives as many events as are wanted by telling the same again under other names: other beads,
other execution keys, later times. Every retelling can follow the one before it, so that the whole
can be folded. This module measures nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from oya_vcs.adapters.clock import ManualClock
from oya_vcs.adapters.memory import Files, MemoryPerformer, Work, new_outside
from oya_vcs.adapters.memory_journal import MemoryJournal
from oya_vcs.core import effects as f
from oya_vcs.core import events as e
from oya_vcs.core.ids import BeadId, RepoId
from oya_vcs.core.policy import Policy
from oya_vcs.core.reasons import Reason
from oya_vcs.core.spec import BeadSpec, spec_key
from oya_vcs.core.world import World
from oya_vcs.journal.codec import Encoded, decode, encode
from oya_vcs.ports import Recorded
from oya_vcs.runtime.engine import Engine
from oya_vcs.runtime.outbox import Outbox, of_one

REPO = RepoId("bench")
BEADS = 250
"""Beads of one telling; about 21 events each."""
SLOTS = 8

_NAME = "s000000-"
_UUID = re.compile(r"[0-9a-f]{8}(?=-[0-9a-f]{4}-5[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12})")
_SPREAD = 0x9E3779B1
"""2^32 divided by the golden ratio (Knuth): retold keys are as scattered as the first ones."""

_DESCRIPTION = (
    "The parser takes a line at a time and gives a list of records. Lines that cannot be read are"
    " reported with their number and what was expected there, and reading goes on behind them. "
)
_OUTPUT = "tests/test_lines.py::test_a_cut_line_is_reported FAILED: 17 != 18\n" * 12

Dated = tuple[int, Encoded]
"""Unix time in milliseconds, and the row."""


class Story:
    """Events of one recorded run, retold without end."""

    def __init__(self, rows: list[Recorded]) -> None:
        """`rows` as `record` gives them: the first registers the repository and is told once."""
        self._first = (rows[0].at_ms, encode(rows[0].event))
        self._keys: set[str] = set()
        self._rows = [(row.at_ms, *self._template(encode(row.event))) for row in rows[1:]]
        self._span_ms = rows[-1].at_ms - rows[0].at_ms + 1_000

    @property
    def rows_a_telling(self) -> int:
        """Rows that `BEADS` beads take from their first event to their last."""
        return len(self._rows)

    def rows(self, count: int, *, first: int = 0) -> Iterator[Dated]:
        """`count` rows from the telling number `first` on; with 0 the repository is registered."""
        left = count
        if first == 0 and left:
            left -= 1
            yield self._first
        telling = first
        while left > 0:
            for row in self._told(telling)[:left]:
                left -= 1
                yield row
            telling += 1

    def events(self, count: int, *, first: int = 0) -> list[e.Event]:
        """The same as events."""
        return [decode(row[0], row[1], row[4]) for _, row in self.rows(count, first=first)]

    def _told(self, telling: int) -> list[Dated]:
        turn = telling * _SPREAD & 0xFFFFFFFF
        names: dict[bytes, object] = {
            key.encode(): b"%08x" % (int(key, 16) ^ turn) for key in self._keys
        }
        names[b"n"] = telling
        shift_ms = telling * self._span_ms
        return [
            (
                at_ms + shift_ms,
                (
                    name,
                    version,
                    (subject % names).decode(),
                    None if key is None else (key % names).decode(),
                    data % names,
                ),
            )
            for at_ms, name, version, subject, key, data in self._rows
        ]

    def _template(self, row: Encoded) -> tuple[str, int, bytes, bytes | None, bytes]:
        name, version, subject, key, data = row
        return (
            name,
            version,
            self._holes(subject),
            None if key is None else self._holes(key),
            self._holes(data.decode()),
        )

    def _holes(self, text: str) -> bytes:
        """The text as a format: a hole for each bead's number and each execution key's head."""
        text = text.replace("%", "%%")
        for key in _UUID.findall(text):
            self._keys.add(key)
        text = _UUID.sub(lambda found: f"%({found[0]})s", text)
        return text.replace(_NAME, "s%(n)06d-").encode()


async def record(beads: int = BEADS) -> Story:
    """A run of `beads` beads to its end: a quarter wait for another one; of ten attempts one fails,
    of twenty results one conflicts, of twenty-five candidates one fails its check."""
    journal, clock = MemoryJournal(), ManualClock()
    policy = Policy(repo=REPO, slots=SLOTS, attempts_max=3, backoff_ms=1_000)
    engine = Engine(world=World(), journal=journal, clock=clock, policy=policy)
    outside = new_outside({"shared.txt": "0"})
    outbox = Outbox(
        performers=of_one(REPO, [MemoryPerformer(outside, worker=_work, check=_check)]),
        executor=engine.executor,
        offer=engine.offer,
        clock=clock,
    )
    engine.listen(outbox)
    await engine.offer(e.RepoRegistered(repo=REPO, path="/bench", target="main"))
    for number in range(beads):
        spec = _spec(number)
        await engine.offer(e.BeadAdded(repo=REPO, bead=spec.id, key=spec_key(spec), spec=spec))
    while not all(bead.landed or bead.state == "failed" for bead in engine.world.beads.values()):
        await _pass(engine, clock)
    await outbox.drain()
    return Story(list(journal.read()))


async def _pass(engine: Engine, clock: ManualClock) -> None:
    await clock.sleep(100)
    await engine.offer(e.Ticked())


def _spec(number: int) -> BeadSpec:
    needs = (_id(number - 3),) if number % 4 == 3 else ()
    return BeadSpec(
        id=_id(number),
        title=f"Read the lines of part {number} and report what is wrong in them",
        description=_DESCRIPTION * (1 + number % 3),
        acceptance="Its tests pass; a cut last line is reported and loses nothing before it.",
        needs=needs,
        labels=("parser",) if number % 2 else (),
    )


def _id(number: int) -> BeadId:
    return BeadId(f"{_NAME}{number}")


def _work(effect: f.RunWorker, files: Files) -> Work:
    number = int(effect.bead.removeprefix(_NAME))
    if number % 10 == 9 and effect.attempt == 1:
        return Work(reason=Reason.WORKER_FAILED, detail=f"Exit status 1.\n{_OUTPUT}")
    written = {f"{effect.bead}.txt": f"by attempt {effect.attempt}"}
    if number % 20 < 2 and effect.attempt == 1:  # two of them meet in one file
        written["shared.txt"] = effect.bead
    if number % 25 == 5 and effect.attempt == 1:
        written["broken.txt"] = "yes"
    return Work(written)


def _check(files: Files) -> str:
    return _OUTPUT if "broken.txt" in files else ""
