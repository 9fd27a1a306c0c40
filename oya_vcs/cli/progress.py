"""Live progress of a run: a table on a terminal, one line a change otherwise. Goes to stderr, never
to stdout.

A `ports.Feed`: it hears of what is on disk already, and reads the world; it decides nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import Self

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from oya_vcs.adapters.clock import SystemClock
from oya_vcs.cli.output import Output, duration, printable
from oya_vcs.core.beads import TERMINAL, Bead, State
from oya_vcs.core.events import BeadReworked
from oya_vcs.core.explain import explain, first_line
from oya_vcs.core.ids import BeadId
from oya_vcs.core.world import World
from oya_vcs.ports import Recorded

COLOURS = {
    State.LANDED: "green",
    State.FAILED: "red",
    State.CANCELLED: "red",
    State.RUNNING: "cyan",
    State.TESTING: "yellow",
    State.QUEUED: "yellow",
    State.BACKING_OFF: "magenta",
    State.REWORKING: "magenta",
}
"""Shown beside the state's name, never instead of it."""

ROWS_KEPT = 4
"""Lines of the terminal that the table leaves free."""

_clock = SystemClock()


class Progress:
    """Shows `watched` beads while the block runs. Give it the world with `show`, then let it
    listen."""

    def __init__(self, watched: Sequence[BeadId], output: Output) -> None:
        self._output = output
        self._watched = tuple(watched)
        self._world = World()
        self._shown: dict[BeadId, tuple[State, int]] = {}
        self._started_ms = _clock.now_ms()
        self._console = Console(stderr=True)
        self._live: Live | None = None
        if self._console.is_terminal:
            self._live = Live(
                console=self._console,
                get_renderable=self._table,
                refresh_per_second=8,
                transient=True,
                redirect_stdout=False,
                redirect_stderr=False,
            )

    def __enter__(self) -> Self:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        if self._live is not None:
            self._live.stop()

    def show(self, world: World) -> None:
        """Show this world from now on."""
        self._world = world
        for bead in self._beads():
            self._shown[bead.id] = (bead.state, bead.attempt)

    def say(self, text: str) -> None:
        """Print a sentence that is no bead's, above the table where there is one."""
        if self._live is not None:
            self._live.console.print(text, markup=False, highlight=False)
        else:
            spent = duration(_clock.now_ms() - self._started_ms)
            self._output.say(f"{spent:>9}  {text}")

    def publish(self, rows: Sequence[Recorded]) -> None:
        """Print a line for each bead whose state the rows changed; the table redraws by itself."""
        if self._live is not None:
            return
        for row in rows:
            if isinstance(row.event, BeadReworked):
                why = (
                    f"Sent back to a worker ({row.event.reason}): {first_line(row.event.feedback)}"
                )
                self._line(State.REWORKING, row.event.bead, why)
        for bead_id in dict.fromkeys(row.event.subject for row in rows):
            bead = self._world.beads.get(BeadId(bead_id))
            if bead is None or self._shown.get(bead.id) == (bead.state, bead.attempt):
                continue
            self._shown[bead.id] = (bead.state, bead.attempt)
            self._line(bead.state, bead.id, explain(self._world, bead))

    def _line(self, state: State, bead: BeadId, why: str) -> None:
        spent = duration(_clock.now_ms() - self._started_ms)
        self._output.say(f"{spent:>9}  {state:<11}  {bead}  {why}")

    def _beads(self) -> list[Bead]:
        return [self._world.beads[one] for one in self._watched if one in self._world.beads]

    def _table(self) -> Group:
        beads = self._beads()
        landed = sum(bead.state is State.LANDED for bead in beads)
        failed = sum(bead.state is State.FAILED for bead in beads)
        spent = duration(_clock.now_ms() - self._started_ms)
        head = Text(f"{landed} of {len(self._watched)} landed, {failed} failed, {spent}")
        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
        for title, wrap in (("bead", False), ("state", False), ("for", False), ("", True)):
            table.add_column(title, no_wrap=True, overflow="ellipsis" if wrap else "fold")
        room = max(3, self._console.height - ROWS_KEPT)
        lively = sorted(beads, key=lambda bead: (_weight(bead), bead.id))
        for bead in lively[:room]:
            table.add_row(*_row(self._world, bead))
        rest = len(lively) - room
        tail = Text(f"and {rest} more" if rest > 0 else "", style="dim")
        return Group(head, table, tail)


def _weight(bead: Bead) -> int:
    """What people look for first: what is worked on, then failures, then what waits, then what is
    done."""
    if bead.state is State.LANDED:
        return 3
    if bead.state in TERMINAL:
        return 1
    return 2 if bead.state in (State.PENDING, State.READY) else 0


def _row(world: World, bead: Bead) -> tuple[Text, Text, Text, Text]:
    spent = duration(max(0, _clock.now_ms() - bead.since_ms))
    return (
        Text(bead.id),
        Text(bead.state, style=COLOURS.get(bead.state, "")),
        Text("" if bead.state is State.LANDED else spent),
        Text(printable(explain(world, bead)), style="dim"),
    )
