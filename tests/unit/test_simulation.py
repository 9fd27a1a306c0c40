"""The whole daemon by seeds: every rule holds; and each of a handful of planted bugs is found."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from random import Random
from typing import Any

import pytest

from oya_vcs.adapters.memory import MemoryPerformer
from oya_vcs.cli import main
from oya_vcs.core import schedule
from oya_vcs.core.decide import attempts
from oya_vcs.core.merge import MergeRules
from oya_vcs.errors import JournalStopped
from oya_vcs.ports import Probe
from oya_vcs.runtime.outbox import Outbox
from oya_vcs.simulation.disk import Disk, SimulatedJournal
from oya_vcs.simulation.loop import VirtualLoop
from oya_vcs.simulation.plan import Plan, Task, Wrong, drawn
from oya_vcs.simulation.search import smallest, tried
from oya_vcs.simulation.story import play

Patch = pytest.MonkeyPatch


def test_every_rule_holds() -> None:
    """Whatever goes wrong, in whatever order: nothing acknowledged is lost, only tested trees land,
    each bead at most once, no worker is started twice, slots balance, nothing hangs, and the record
    gives the state."""
    tally = tried(range(100))
    assert tally.broken == {}
    assert tally.lives > tally.seeds * 2, "hardly a daemon died"


@pytest.mark.chaos
@pytest.mark.parametrize("part", range(20))
def test_every_rule_holds_by_ten_thousand_seeds(part: int, record_property: Any) -> None:
    """As above, by 500 seeds each."""
    tally = tried(range(1_000 + 500 * part, 1_500 + 500 * part))
    record_property("lives of a simulated daemon", tally.lives)
    assert tally.broken == {}


def _acknowledged_early(patch: Patch) -> None:
    write = SimulatedJournal._write

    def early(self: SimulatedJournal) -> None:
        write(self)
        syncing = list(self._syncing)
        self._acknowledge()
        self._syncing = syncing

    def synced(self: SimulatedJournal) -> None:
        try:
            self._disk.sync()
        except JournalStopped as error:
            self._end = error
            return
        self._syncing = []
        self._begin()

    patch.setattr(SimulatedJournal, "_write", early)
    patch.setattr(SimulatedJournal, "_synced", synced)


def _probe_skipped(patch: Patch) -> None:
    async def nothing(*_: object, **__: object) -> Probe:
        return Probe.ABSENT

    patch.setattr(MemoryPerformer, "probe", nothing)


def _outbox_forgotten(patch: Patch) -> None:
    patch.setattr(Outbox, "recover", lambda *_, **__: None)


def _landed_untested(patch: Patch) -> None:
    async def well(self: Any, key: Any, effect: Any) -> Any:
        return self._checked(key, effect, None, "")

    patch.setattr(MemoryPerformer, "_test", well)


def _checkpoint_ahead(patch: Patch) -> None:
    keep = Disk.keep
    patch.setattr(Disk, "keep", lambda self, seq, image: keep(self, seq + 1, image))


def _clock_trusted(patch: Patch) -> None:
    def rested(world: Any, _policy: Any, now_ms: int) -> bool:
        return bool(world.timers) and world.timers[0][0] <= now_ms

    patch.setattr(schedule, "has_rested", rested)
    patch.setattr(attempts, "has_rested", rested)


PLANTED: list[tuple[Callable[[Patch], None], str]] = [
    (_acknowledged_early, "an acknowledged event is lost"),
    (_probe_skipped, "no effect is doubled"),
    (_outbox_forgotten, "something hangs"),
    (_landed_untested, "only tested trees land"),
    (_checkpoint_ahead, "replay gives the state"),
    (_clock_trusted, "something hangs"),
]


@pytest.mark.parametrize(("plant", "rule"), PLANTED, ids=lambda one: getattr(one, "__name__", ""))
def test_a_planted_bug_is_found(
    plant: Callable[[Patch], None], rule: str, monkeypatch: Patch
) -> None:
    """The simulation can fail: a known bug breaks its rule within 60 seeds."""
    plant(monkeypatch)
    assert rule in (tried([seed]).broken.get(seed) for seed in range(60))


def test_a_failing_story_becomes_small(monkeypatch: Patch) -> None:
    """What is told of a failing seed breaks the same rule, with little that goes wrong and few
    beads, and is the same story each time."""
    _probe_skipped(monkeypatch)
    seed = next(iter(tried(range(20)).broken))
    plan, verdict = smallest(drawn(seed))
    assert verdict.rule == tried([seed]).broken[seed]
    assert len(plan.wrongs) <= 2
    assert len(plan.tasks) <= 2
    assert play(plan).digest == verdict.digest


def test_a_seed_tells_the_same_story_in_every_process() -> None:
    """Neither the hashes of strings nor what was played before changes a story."""
    program = (
        "from oya_vcs.simulation.plan import drawn; from oya_vcs.simulation.story import play;"
        "print(*[play(drawn(seed)).digest for seed in range(5)])"
    )
    environ = {**os.environ, "PYTHONHASHSEED": "7"}
    done = subprocess.run(
        [sys.executable, "-c", program], env=environ, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == [play(drawn(seed)).digest for seed in range(5)]


def test_time_is_a_number() -> None:
    """An hour of sleep is over at once, and those who wait for the same moment come in the order
    that the dice give."""

    def order(seed: int) -> list[int]:
        woken: list[int] = []

        loop = VirtualLoop(Random(seed))
        for number in range(6):
            loop.call_later(3_600, woken.append, number)
        while loop.step():
            pass
        assert loop.time() == 3_600
        return woken

    assert order(1) == order(1)
    assert len({tuple(order(seed)) for seed in range(5)}) > 1


def test_the_command_tells_one_story(capsys: pytest.CaptureFixture[str]) -> None:
    """`oya-vcs simulate --seeds 1` says what was planned and what happened."""
    assert main(["simulate", "--seeds", "1", "--seed", "5", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)["data"]
    assert said["plan"] == drawn(5).lines()
    assert said["digest"] == play(drawn(5)).digest
    assert said["broken"] == {}


def test_the_command_fails_with_the_smallest_story(
    capsys: pytest.CaptureFixture[str], monkeypatch: Patch
) -> None:
    """A seed that breaks a rule ends it with exit code 1, what broke, and how to see it again."""
    _probe_skipped(monkeypatch)
    assert main(["simulate", "--seeds", "20"]) == 1
    said = capsys.readouterr().out
    assert "Broken: no effect is doubled" in said
    assert "Once more: oya-vcs simulate --seed" in said


def test_only_what_can_be_played_is(capsys: pytest.CaptureFixture[str]) -> None:
    """Nonsense is refused with the mend."""
    assert main(["simulate", "--seeds", "0"]) == 2
    assert "Give --seeds from 1" in capsys.readouterr().err


@pytest.mark.parametrize(("conduct", "event"), [("hang", 6), ("fail", 7)])
def test_a_clock_that_is_set_back_by_an_hour_costs_no_hour(conduct: str, event: int) -> None:
    """A worker that stands still is found, and a back-off ends, as if it had not been."""
    plan = Plan(
        seed=1,
        slots=1,
        merge=MergeRules(),
        extras=False,
        tasks=(Task("b0", conducts=(conduct,)),),
        wrongs=(Wrong("hour", event=event, turns=40, much=2),),
    )
    verdict = play(plan)
    assert any("hour" in line for line in verdict.trace)
    assert (verdict.rule, verdict.how) == ("", "")
    assert any("Landed" in line for line in verdict.trace)
