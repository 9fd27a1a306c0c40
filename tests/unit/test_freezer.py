"""Who stands still, from what is on record."""

from __future__ import annotations

from oya_vcs.adapters.memory import Files, Work, new_outside
from oya_vcs.adapters.process.freezing import Frost
from oya_vcs.core import effects as f
from oya_vcs.core.beads import State
from oya_vcs.core.ids import BeadId, Key
from oya_vcs.core.wishes import Verb, Wish
from oya_vcs.core.world import World
from oya_vcs.runtime.freezing import Freezer
from oya_vcs.runtime.wishes import grant
from tests.clocks import settle
from tests.daemons import Daemon, spec, states
from tests.living import life

ONE = BeadId("one")
NOBODY = 2**31 - 1
"""No process has this id."""


def _endless(_effect: f.RunWorker, _files: Files) -> Work:
    return Work({}, ends=False)


def _runs(world: World) -> bool:
    return ONE in world.beads and world.bead(ONE).state is State.RUNNING


async def _stands_still(frost: Frost, key: Key) -> bool:
    """Whether a run under the key would have to wait."""
    with frost.over(key, NOBODY):
        return await frost.holds(key)


async def test_nothing_is_kept_of_a_run_that_was_cancelled_in_its_pause() -> None:
    """Its bead is never resumed: what its outcome does not take away would stay for as long as the
    daemon lives."""
    daemon = Daemon(new_outside({"a": "1"}), worker=_endless)
    frost = Frost(daemon.clock)

    async def freeze(key: Key, frozen: bool) -> None:
        await frost.set(key, frozen=frozen)

    async with life(daemon, spec("one")) as alive:
        engine = alive.engine
        engine.listen(Freezer(lambda: engine.world, freeze))
        await alive.until(_runs)
        open_ = engine.world.open.items()
        (key,) = (key for key, effect in open_ if isinstance(effect, f.RunWorker))
        await grant(engine, Wish(verb=Verb.PAUSE, beads=(ONE,), who="uma", why=""))
        await settle()
        assert await _stands_still(frost, key)
        await grant(engine, Wish(verb=Verb.CANCEL, beads=(ONE,), who="uma", why=""))
        assert states(await alive.rest()) == {"one": "cancelled"}
        await settle()
        assert not await _stands_still(frost, key)
