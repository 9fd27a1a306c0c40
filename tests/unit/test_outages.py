"""A disk that refuses the journal and comes back, under the whole tree in memory."""

from __future__ import annotations

import pytest

from oya_vcs.core import events as e
from oya_vcs.errors import JournalCorrupt, JournalStopped, Stopped, WorldFailed
from tests.daemons import REPO, spec
from tests.trees import House, nodes

BEADS = [spec("a"), spec("b", "a"), spec("c"), spec("d", "b", "c")]


def landed(house: House) -> list[str]:
    """The beads that landed, in order, each as often as it did."""
    return [event.bead for event in house.recorded() if isinstance(event, e.Landed)]


async def test_the_tree_goes_on_from_the_record_when_the_disk_is_well() -> None:
    """The stop is said once, each new complaint of the disk once, and the return; what was on disk
    is there, workers were stopped at no attempt's cost, and every bead lands once."""
    house = House()
    house.ill = ["It is full.", "It is full.", "It is gone."]
    async with house.daemon() as daemon:
        await daemon.submit(BEADS)
        await house.clock.until(lambda: house.performer.running)
        house.journals[-1].fill()
        world = await daemon.rest()
        tree = nodes(daemon.tree())
    assert {bead.state for bead in world.beads.values()} == {"landed"}
    assert sorted(landed(house)) == list("abcd")
    assert set(house.outside.landings.values()) == {1}
    assert all(bead.failures == 0 for bead in world.beads.values())
    assert (len(house.journals), house.looks) == (2, 4)
    assert house.said[0].startswith("No room. Work is stopped.")
    assert house.said[1:3] == ["Not yet: It is full.", "Not yet: It is gone."]
    assert house.said[3].startswith("The disk is well again")
    assert len(house.said) == 4
    assert tree["record"].restarts == tree["control"].restarts == tree["edges"].restarts == 1
    assert tree["record/journal"].error == "No room."


async def test_a_submission_that_the_disk_cut_off_is_made_anew() -> None:
    """Nothing is submitted twice, whether it was on disk or not."""
    house = House()
    async with house.daemon() as daemon:
        house.journals[-1].fill()
        assert await daemon.submit(BEADS) == 4
        assert await daemon.submit(BEADS) == 0
        await daemon.rest()
    assert sorted(landed(house)) == list("abcd")
    assert sum("Work is stopped" in one for one in house.said) == 1


async def test_outages_are_never_too_many() -> None:
    """Ten in a row end nothing: the disk is the world's, not the daemon's fault."""
    house = House()
    async with house.daemon() as daemon:
        for number in range(10):
            journals = len(house.journals)
            house.journals[-1].fill()
            assert await daemon.submit([spec(f"n{number}")]) == 1
            assert len(house.journals) == journals + 1
        await daemon.rest()
    assert len(set(landed(house))) == 10


async def test_damage_found_on_the_way_back_ends_the_daemon() -> None:
    """A record that does not verify when the disk is back is never written to."""
    house = House()

    async def broken() -> None:
        raise JournalCorrupt("Event 7 does not verify.")

    house.ask = broken  # type: ignore[method-assign]

    async def run() -> None:
        async with house.daemon() as daemon:
            house.journals[-1].fill()
            await daemon.submit(BEADS)

    with pytest.raises(JournalCorrupt, match="Event 7"):
        await run()
    assert len(house.journals) == 1


async def test_damage_found_while_it_runs_ends_the_daemon_at_once() -> None:
    """No restart mends the record: nothing is tried, and whoever waits hears of the damage."""
    house = House()

    async def run() -> None:
        async with house.daemon() as daemon:
            await daemon.submit(BEADS)
            house.engines[-1].end(JournalCorrupt("Event 7 does not verify."))
            await daemon.rest()

    with pytest.raises(JournalCorrupt, match="Event 7"):
        await run()
    assert len(house.engines) == 1


async def test_a_disk_that_is_not_well_at_the_start_is_not_waited_for() -> None:
    """Whoever starts the daemon is there to see it: the error is theirs."""
    house = House()

    async def refuse() -> None:
        raise WorldFailed("It cannot be made.")

    house.open_journal = refuse  # type: ignore[method-assign,assignment]
    with pytest.raises(WorldFailed, match="cannot be made"):
        await house.work([])


async def test_the_waiting_can_be_ended() -> None:
    """A daemon that waits for its disk stops when told, at once, and whoever waits at its door
    hears so."""
    house = House()
    house.ill = ["It is full."] * 1_000
    async with house.daemon() as daemon:
        house.journals[-1].fill()
        with pytest.raises(JournalStopped):
            await house.engines[-1].offer(e.Ticked(), e.QueueResumed(repo=REPO))
        await house.clock.until(lambda: house.looks > 2)
        before = house.clock.now_ms()
    assert house.clock.now_ms() - before < 10_000
    with pytest.raises(Stopped):
        await daemon.submit(BEADS)
