"""What a bead and a day may use, and when nobody tries any more; by the real core, on a clock that
the test moves."""

from __future__ import annotations

from dataclasses import asdict, fields, replace

import pytest

from oya_vcs.adapters.memory import Work, new_outside
from oya_vcs.bootstrap.plan import budget_of
from oya_vcs.config import BudgetConfig
from oya_vcs.core import effects as f
from oya_vcs.core import events as e
from oya_vcs.core.beads import Bead
from oya_vcs.core.budget import may_use
from oya_vcs.core.decide import is_due
from oya_vcs.core.explain import explain
from oya_vcs.core.ids import BeadId, Key
from oya_vcs.core.intake import take_in
from oya_vcs.core.policy import Rules
from oya_vcs.core.usage import DAY_MS, Budget, Usage
from tests.daemons import Daemon, spec, states
from tests.merging import Scene

FAILED, DONE = e.Reason.WORKER_FAILED, None


def tokens(number: int, *, metered: bool = False) -> Usage:
    """So many, half of them read."""
    half = number // 2
    return Usage(tokens_in=half, tokens_out=number - half, metered=metered)


class Room(Scene):
    """A repository with a budget, whose workers do as the test says."""

    def __init__(self, *, slots: int = 2, attempts_max: int = 10, **budget: int) -> None:
        super().__init__(attempts_max=attempts_max)
        rules = Rules(budget=Budget(**budget))
        self.here.policy = replace(self.here.policy, slots=slots, rules=rules)
        registered = e.RepoRegistered(
            repo=self.repo, path="/memory", target="main", slots=slots, rules=rules
        )
        self.take(registered)

    def add(self, *names: str) -> None:
        """Beads, worked on as far as slots and budget allow."""
        for name in names:
            event = take_in(self.world, self.repo, spec(name)).event
            assert event is not None
            self.take(event)
        self.start()

    def start(self) -> None:
        """Every worker that is asked for begins."""
        self.settle(f.RunWorker, f.BuildCandidate)
        for key, effect in self.pending.items():
            if isinstance(effect, f.RunWorker) and not self.bead(effect.bead).began_ms:
                self.take(
                    e.WorkerSpawned(
                        run=key, bead=effect.bead, attempt=effect.attempt, pid=1, started=1
                    )
                )

    def pass_ms(self, ms: int) -> bool:
        """Time passes; whether that alone was a reason for a step."""
        self.now_ms += ms
        due = is_due(self.world, self.here.policy, self.now_ms)
        self.take(e.Ticked())
        self.start()
        return due

    def bead(self, name: str) -> Bead:
        """A bead."""
        return self.world.bead(BeadId(name))

    def working(self) -> list[str]:
        """The beads that workers work on and that are not told to stop."""
        return [
            effect.bead
            for key, effect in self.pending.items()
            if isinstance(effect, f.RunWorker) and key not in self.world.stops
        ]

    def run_of(self, name: str) -> tuple[Key, f.RunWorker]:
        """The worker of a bead."""
        return next(
            (key, effect)
            for key, effect in self.pending.items()
            if isinstance(effect, f.RunWorker) and effect.bead == name
        )

    def uses(self, name: str, usage: Usage) -> None:
        """The worker of a bead says what it used so far."""
        key, effect = self.run_of(name)
        self.take(e.UsageCounted(run=key, bead=effect.bead, attempt=effect.attempt, usage=usage))

    def ends(self, name: str, reason: e.Reason | None, usage: Usage | None = None) -> None:
        """The worker of a bead ends; what follows is done, and its time of waiting passes."""
        key, effect = self.run_of(name)
        reason = self.world.stops.get(key, reason)
        if reason is None:
            self.here.outside.workspaces[effect.workspace] = {f"{name}.txt": "done"}
        ended = e.WorkerFinished(
            key=key,
            bead=effect.bead,
            attempt=effect.attempt,
            reason=reason,
            exit_code=0 if reason is None else 1,
            detail="It said no." if reason else "",
            usage=usage,
        )
        self.carry_out(key, ended)
        self.start()

    def closing(self) -> None:
        """What the record gives is the state."""
        self.crash()


def test_attempts_at_a_bead_share_its_tokens() -> None:
    """What failed used them, too; when they are spent there is no other attempt, and the bead says
    why. A person who wants it tried again gives it as many again."""
    room = Room(bead_tokens=100)
    room.add("a")
    room.ends("a", FAILED, tokens(60))
    room.pass_ms(2_000)
    assert room.working() == ["a"]
    room.ends("a", FAILED, tokens(50))
    bead = room.bead("a")
    assert (bead.state, bead.reason) == ("failed", e.Reason.BUDGET_SPENT)
    assert bead.detail == ("Its tokens are spent: 110 of 100 (budget.bead_tokens_max). It said no.")
    room.take(e.BeadRetried(bead=bead.id))
    room.start()
    assert room.working() == ["a"]
    room.ends("a", DONE, tokens(99))
    assert bead.commit is not None
    room.closing()


def test_a_worker_that_uses_too_much_is_stopped_in_the_middle() -> None:
    """By what it says while it works; others go on."""
    room = Room(bead_cents=50)
    room.add("a", "b")
    room.uses("a", Usage(cost_micros=499_999))
    room.uses("b", Usage(cost_micros=499_999))
    assert room.working() == ["a", "b"]
    room.uses("a", Usage(cost_micros=500_000))
    assert room.working() == ["b"]
    assert set(room.world.stops.values()) == {e.Reason.BUDGET_SPENT}
    room.ends("a", None)
    assert (room.bead("a").state, room.bead("a").reason) == ("failed", e.Reason.BUDGET_SPENT)
    assert "$0.50 of $0.50 (budget.bead_cents_max)" in room.bead("a").detail
    room.closing()


def test_work_takes_only_so_long() -> None:
    """All attempts together, and only while a worker works: each is told what is left, waits and
    pauses do not count, and when nothing is left there is no other."""
    room = Room(bead_ms=60_000)
    room.add("a")
    assert room.run_of("a")[1].left_ms == 60_000
    room.pass_ms(20_000)
    room.ends("a", FAILED)
    room.pass_ms(500_000)
    assert room.run_of("a")[1].left_ms == 40_000
    room.pass_ms(30_000)
    room.take(e.BeadPaused(bead=BeadId("a"), who="uma", why=""))
    room.pass_ms(500_000)
    room.take(e.BeadResumed(bead=BeadId("a"), who="uma"))
    room.pass_ms(9_999)
    room.ends("a", FAILED)
    room.pass_ms(500_000)
    assert room.run_of("a")[1].left_ms == 1
    room.pass_ms(5)
    room.ends("a", e.Reason.WALL_TIME)
    assert (room.bead("a").state, room.bead("a").reason) == ("failed", e.Reason.BUDGET_SPENT)
    assert room.bead("a").detail.startswith("Its time is spent: 1 min of work")
    assert room.bead("a").worked_ms == 60_004
    room.closing()


def test_the_time_in_which_no_daemon_was_there_is_nobodys() -> None:
    """A worker that died with its daemon did not work until the next one came: neither is it over
    its time before anybody asked what became of it, nor is that counted afterwards."""
    room = Room(bead_ms=60_000, bead_tokens=100)
    room.add("a")
    room.pass_ms(10_000)
    room.crash()
    room.pass_ms(36_000_000)
    assert room.working() == ["a"]
    room.ends("a", e.Reason.INTERRUPTED)
    room.pass_ms(1)
    assert room.run_of("a")[1].left_ms == 60_000
    room.closing()


def test_a_result_that_came_in_time_stands() -> None:
    """Who finishes with the last token has finished."""
    room = Room(bead_tokens=100)
    room.add("a")
    room.ends("a", DONE, tokens(100))
    assert room.bead("a").commit is not None
    room.closing()


def test_a_bead_that_comes_back_from_the_queue_has_what_is_left() -> None:
    """A rework that nothing is left for does not begin."""
    room = Room(bead_tokens=100)
    room.add("a")
    room.ends("a", DONE, tokens(100))
    room.settle()
    room.fails("a")
    room.settle()
    room.pass_ms(120_000)
    room.settle()
    assert (room.bead("a").state, room.bead("a").reason) == ("failed", e.Reason.BUDGET_SPENT)
    assert "100 of 100" in room.bead("a").detail
    room.closing()


@pytest.mark.parametrize(
    ("budget", "usage", "words"),
    [
        ({"day_tokens": 100}, tokens(100), "The tokens of this day are spent, 100"),
        ({"day_cents": 1}, Usage(cost_micros=10_000), "The money of this day is spent, $0.01"),
        ({"day_ms": 60_000}, None, "The time of this day is spent, 1 min"),
    ],
)
def test_when_a_day_is_spent_nothing_begins_before_the_next(
    budget: dict[str, int], usage: Usage | None, words: str
) -> None:
    """What runs goes on; who waits says for what; at midnight (UTC) it goes on by itself."""
    room = Room(slots=1, **budget)
    room.now_ms = room.now_ms // DAY_MS * DAY_MS + DAY_MS + 8 * 3_600_000
    room.add("a", "b")
    room.pass_ms(60_000)
    room.ends("a", FAILED, usage)
    assert room.working() == []
    said = explain(room.world, room.bead("b"))
    assert said.startswith(words)
    assert "nothing begins before 00:00:00 UTC" in said
    room.pass_ms(5_000)
    room.now_ms = room.now_ms // DAY_MS * DAY_MS + DAY_MS - 1
    assert not room.pass_ms(0)
    assert room.working() == []
    assert room.pass_ms(1)
    assert len(room.working()) == 1
    room.closing()


def test_what_was_metered_outweighs_an_agents_word() -> None:
    """Whichever comes last; and a count of another attempt is nobody's."""
    room = Room(slots=1)
    room.add("a")
    room.uses("a", tokens(10))
    room.uses("a", tokens(70, metered=True))
    room.uses("a", tokens(20))
    assert room.bead("a").using.tokens == 70
    room.ends("a", FAILED, tokens(5))
    assert room.bead("a").using.tokens == 70
    assert room.world.repos[room.repo].spent.tokens == 70
    room.pass_ms(5_000)
    assert (room.bead("a").used.tokens, room.bead("a").using.tokens) == (70, 0)
    room.closing()


def test_after_failures_in_a_row_nobody_tries_for_a_while_and_then_one_does() -> None:
    """Whatever beads they were of. A trial that fails waits anew; one that says nothing of others
    is followed by another; one that succeeds lets all begin."""
    room = Room(slots=2, failures_max=3, cool_ms=60_000)
    room.add("a", "b", "c", "d")
    room.ends("a", FAILED)
    room.ends("b", FAILED)
    assert sorted(room.working()) == ["c", "d"]
    room.ends("c", FAILED)
    assert room.working() == ["d"]
    assert (
        "3 attempts failed in a row, the last because of worker_failed of c"
        in explain(room.world, room.bead("a"))
        or room.bead("a").state == "backing_off"
    )
    room.pass_ms(59_000)
    assert room.working() == ["d"]
    room.ends("d", e.Reason.INTERRUPTED)
    assert room.working() == []
    room.pass_ms(1_000)
    [trial] = room.working()
    assert f"{trial} is tried first" in explain(
        room.world, next(room.bead(one) for one in "abcd" if one != trial)
    )
    room.ends(trial, FAILED)
    assert room.working() == []
    room.pass_ms(60_000)
    [trial] = room.working()
    room.ends(trial, e.Reason.INTERRUPTED)
    [trial] = room.working()
    room.ends(trial, DONE)
    assert len(room.working()) == 2
    assert room.world.repos[room.repo].streak.failures == 0
    room.closing()


async def test_a_day_of_failures_costs_few_attempts() -> None:
    """Forty beads and a provider that is down for an hour: without a limit all of them fail for
    good; with it a few attempts are lost, and all land."""

    def run(failures_max: int) -> Daemon:
        def worker(effect: f.RunWorker, _files: object) -> Work:
            if daemon.clock.now_ms() < down_until:
                return Work(reason=FAILED, detail="The provider is down.")
            return Work({f"{effect.bead}.txt": "done"})

        daemon = Daemon(new_outside({"a": "1"}), worker=worker, slots=4)
        down_until = daemon.clock.now_ms() + 3_600_000
        daemon.rules = Rules(budget=Budget(failures_max=failures_max, cool_ms=600_000))
        return daemon

    beads = [spec(f"b{number}") for number in range(40)]
    without = run(0)
    assert set(states(await without.run_to_rest(beads)).values()) == {"failed"}
    daemon = run(5)
    world = await daemon.run_to_rest(beads)
    assert set(states(world).values()) == {"landed"}
    rows = [row.event for row in daemon.journal.read()]
    lost = [one for one in rows if isinstance(one, e.WorkerFinished) and one.reason is FAILED]
    assert len(lost) <= 5 + 3 + 7


def test_every_key_of_the_configuration_is_a_limit() -> None:
    """None is lost, or another, on its way to the core; by default there is none."""
    names = [one.name for one in fields(BudgetConfig)]
    given = BudgetConfig(**{name: number for number, name in enumerate(names, 1)})
    limits = asdict(budget_of(given))
    assert {name.removesuffix("_max"): value for name, value in asdict(given).items()} == {
        name.removesuffix("_max"): value for name, value in limits.items()
    }
    assert budget_of(BudgetConfig()) == Budget()


def test_the_gateway_is_told_when_enough_is_enough() -> None:
    """By what the attempt used now, though less of it is on record; an attempt that is over, and
    one that nobody knows, may use nothing."""
    room = Room(bead_tokens=100, day_tokens=150)
    room.add("a", "b")
    _, effect = room.run_of("a")
    budget = room.here.policy.rules.budget

    def asked(used: Usage, of: f.RunWorker = effect) -> str:
        return may_use(room.world, of, used, budget, room.now_ms)

    assert asked(tokens(99)) == ""
    assert "100 of 100" in asked(tokens(100))
    room.uses("b", tokens(60))
    assert asked(tokens(89)) == ""
    assert "tokens of this day" in asked(tokens(90))
    room.uses("a", tokens(80))
    assert asked(tokens(89)) == ""
    assert "tokens of this day" in asked(tokens(90))
    for other in (replace(effect, attempt=2), replace(effect, bead=BeadId("x"))):
        assert asked(Usage(), other) == "Its attempt is over."
