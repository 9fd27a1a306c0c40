"""The policy on a virtual clock: its speed is what theory says, and its cost does not grow."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pytest

from oya_vcs.bench.planning import line_of
from oya_vcs.bench.queueing import Setting, simulate
from oya_vcs.core.ids import ChangeId, CommitId
from oya_vcs.core.merge import Change, MergeRules
from oya_vcs.core.merge.adaptive import batch, break_even_ppm, learnt, worth_ppm
from oya_vcs.core.merge.moves import Build
from oya_vcs.core.merge.plan import next_move
from oya_vcs.core.merge.theory import batch_rate, serial_rate, window_rate

CHANGES = 3_000


@pytest.mark.parametrize("failing", [0.0, 0.1, 0.3])
@pytest.mark.parametrize(
    ("rules", "theory"),
    [
        (MergeRules(), serial_rate),
        (MergeRules(window_max=4), lambda passing: window_rate(passing, 4)),
        (MergeRules(window_max=8), lambda passing: window_rate(passing, 8)),
        (MergeRules(batch_max=4), lambda passing: batch_rate(passing, 4)),
        (MergeRules(batch_max=8), lambda passing: batch_rate(passing, 8)),
    ],
    ids=["serial", "window-4", "window-8", "batch-4", "batch-8"],
)
def test_the_rate_is_within_5_percent_of_the_closed_form(
    rules: MergeRules, theory: object, failing: float
) -> None:
    """Of the share of bad changes that the dice gave; the good ones all land."""
    result = simulate(Setting(rules=rules, changes=CHANGES, failing=failing, seed=7))
    passing = result.landed / CHANGES
    assert callable(theory)
    assert result.rate == pytest.approx(theory(passing), rel=0.05)
    assert result.wronged == 0


def test_forty_green_changes_land_in_six_test_times_with_eight_at_once() -> None:
    """(40 / 8 + 1) tests and 10 %; the default, which batches, is faster."""
    for rules in (MergeRules(window_max=8), MergeRules(window_max=8, batch_max=8, adaptive=True)):
        result = simulate(Setting(rules=rules, changes=40, slots=8))
        assert result.landed == 40
        assert result.widest <= 8
        assert result.end_ms <= (40 / 8 + 1) * 600_000 * 1.1


def test_the_same_seed_gives_the_same_run() -> None:
    """Every figure of it."""
    setting = Setting(
        rules=MergeRules(window_max=4, batch_max=4, adaptive=True, flaky_depth=1),
        changes=200,
        failing=0.2,
        flaky=0.05,
        per_test=3.0,
    )
    assert simulate(setting) == simulate(setting)


def test_flukes_cost_good_changes_and_a_flaky_depth_saves_them() -> None:
    """With 10 % of flukes and none bad, depth 2 sends back far fewer."""
    without, with_depth = (
        simulate(Setting(rules=MergeRules(window_max=6, flaky_depth=d), changes=600, flaky=0.1))
        for d in (0, 2)
    )
    assert without.wronged > 40
    assert with_depth.wronged < without.wronged / 4


def test_the_default_is_faster_than_one_after_the_other_at_every_rate_of_failure() -> None:
    """And than the window alone while few fail."""
    for failing in (0.0, 0.02, 0.1, 0.3):
        setting = Setting(
            rules=MergeRules(window_max=8, batch_max=8, adaptive=True), changes=800, failing=failing
        )
        result = simulate(setting)
        assert result.rate > serial_rate(1 - failing)
        if failing <= 0.02:
            assert result.rate > window_rate(1 - failing, 8)


def test_the_break_even_table() -> None:
    """MERGE_QUEUE: 23.8 % for 4, 20.4 % for 8, 18.5 % for 16; in a window it is stricter."""
    assert [round(break_even_ppm(size) / 10_000, 1) for size in (4, 8, 16)] == [23.8, 20.4, 18.5]
    assert worth_ppm(4, 1) == break_even_ppm(4)
    assert worth_ppm(8, 8) == 15_625
    rules = MergeRules(window_max=1, batch_max=8, adaptive=True)
    assert [batch(rules, ppm, 100) for ppm in (0, 130_000, 240_000, 300_000)] == [8, 4, 2, 1]
    assert batch(rules, 0, 1) == 1
    assert batch(MergeRules(batch_max=8), 900_000, 1) == 8


def test_what_is_learnt_of_failures_is_their_share() -> None:
    """An eighth fails: after many it is near an eighth, whatever it began with."""
    ppm = 900_000
    for number in range(4_000):
        ppm = learnt(ppm, failed=number % 8 == 0)
    assert 90_000 < ppm < 160_000


class Counting(Mapping[ChangeId, Change]):
    """The changes, and how often one was looked at."""

    def __init__(self, changes: dict[ChangeId, Change]) -> None:
        self.looked = 0
        self._changes = changes

    def __getitem__(self, key: ChangeId) -> Change:
        self.looked += 1
        return self._changes[key]

    def __iter__(self) -> Iterator[ChangeId]:
        raise AssertionError("a plan goes through all changes")

    def __len__(self) -> int:
        raise AssertionError("a plan counts all changes")


def looked_at(queued: int) -> int:
    """How many changes a plan looks at with a full window and so many in line."""
    queue, changes, rules = line_of(queued)
    counting = Counting(changes)
    assert next_move(queue, counting, rules, 5) == Build(ChangeId("c7"), CommitId("x6"))
    return counting.looked


def test_a_plan_looks_at_the_window_and_never_at_the_queue() -> None:
    """With 10,000 in line it looks at as many changes as with 10."""
    assert looked_at(10_000) == looked_at(10) < 80
