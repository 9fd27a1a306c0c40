"""The way in to the engine of now: what is handed in here outlives an engine that dies of it, or
meanwhile.

It is the engine's mailbox, so to speak (`runtime/actor.py` has the others): the engine takes facts
itself and works at many at once, so that they share an fsync, and what was in the middle when it
died is its sender's again. `offer` delivers it once more to the next engine; that changes nothing
where the first one had recorded it, for a fact about an effect counts once. `ask` gives a person's
request back with the error.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from oya_vcs.core.events import Event
from oya_vcs.core.supervision import Fault, fault_of
from oya_vcs.errors import OyaError
from oya_vcs.runtime.engine import Engine
from oya_vcs.runtime.seat import Seat

Answer = TypeVar("Answer")


@dataclass(slots=True, kw_only=True)
class Life:
    """What the daemon is between two starts of its engine: that engine. `resumed` effects of what
    is worked on were open when it began."""

    engine: Engine
    resumed: int


class Door(Seat[Life]):
    """Open while an engine takes facts and what it decides is carried out."""

    async def through(self, act: Callable[[Life], Awaitable[Answer]]) -> Answer:
        """What `act` returns. It is begun anew in the next life wherever one ends under it: it must
        look at the record for what it has done before. Raises all that ends no engine, and what the
        door was closed with."""
        return await self._through(act, despite=frozenset(Fault))

    async def ask(self, act: Callable[[Life], Awaitable[Answer]]) -> Answer:
        """As `through`; but where the engine broke under it, whoever asks is told, for it may have
        broken of that. Only a restart and an outage of the disk are waited for."""
        return await self._through(act, despite=frozenset({Fault.OUTAGE, Fault.MOVED}))

    async def offer(self, *facts: Event, delivery: str = "") -> None:
        """`Engine.offer`, in whatever life takes them."""
        await self.through(lambda life: life.engine.offer(*facts, delivery=delivery))

    async def _through(
        self, act: Callable[[Life], Awaitable[Answer]], despite: frozenset[Fault]
    ) -> Answer:
        while True:
            life = await self.holder()
            if life.engine.failure is not None:  # of another's doing; it leaves in a moment
                await self.gone(life)
                continue
            try:
                return await act(life)
            except OyaError as error:
                if life.engine.failure is None:
                    raise
                if fault_of(error) not in despite:
                    raise
            await self.gone(life)
