"""Which bead gets which slot: tokens, stickiness, preferences, slots that rest, and the words that
say so."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest

from oya_vcs.core import effects as f
from oya_vcs.core import events as e
from oya_vcs.core.beads import Bead, State
from oya_vcs.core.decide import advance, react
from oya_vcs.core.explain import explain
from oya_vcs.core.fold import apply
from oya_vcs.core.ids import BeadId
from oya_vcs.core.intake import take_in
from oya_vcs.core.line import PATIENCE
from oya_vcs.core.policy import Policy, Rules
from oya_vcs.core.queues import Strategy
from oya_vcs.core.reasons import Reason
from oya_vcs.core.schedule import choose, is_due, overdue
from oya_vcs.core.slots import Pool, pool_of
from oya_vcs.core.spec import BeadSpec
from oya_vcs.core.texts import clock_text
from oya_vcs.core.world import Repo, World
from oya_vcs.journal import snapshot
from tests.daemons import REPO, spec

START = 1_700_000_000_000


class Room:
    """A world under a policy, and a hand that moves it on. Times are milliseconds from `START`."""

    def __init__(
        self, *beads: BeadSpec, slots: int = 2, attempts_max: int = 3, **rules: object
    ) -> None:
        self.policy = Policy(
            repo=REPO,
            slots=slots,
            attempts_max=attempts_max,
            backoff_ms=1_000,
            rules=Rules(**rules),  # type: ignore[arg-type]
        )
        self.world = World()
        self.at_ms = START
        self.told: list[e.Event] = []
        self.apply(
            e.RepoRegistered(
                repo=REPO, path="/p", target="main", slots=slots, rules=self.policy.rules
            )
        )
        self.add(*beads)

    @property
    def repo(self) -> Repo:
        return self.world.repos[REPO]

    @property
    def pool(self) -> Pool:
        return pool_of(self.repo, self.policy.slots, self.at_ms)

    def bead(self, name: str) -> Bead:
        return self.world.bead(BeadId(name))

    def apply(self, *events: e.Event) -> None:
        for event in events:
            apply(self.world, event, self.at_ms)
            self.told.append(event)

    def add(self, *beads: BeadSpec) -> None:
        for one in beads:
            event = take_in(self.world, REPO, one).event
            assert event is not None
            self.apply(event)

    def advance(self, ms: int = 0) -> str:
        """Let time pass and policy decide; what it started, as `bead@slot`."""
        self.at_ms += ms
        started = []
        while self.world.timers and self.world.timers[0][0] <= self.at_ms:
            self.apply(e.BeadReadied(bead=self.world.timers[0][1]))
        for decision in advance(self.world, self.at_ms, self.policy):
            self.apply(decision)
            if isinstance(decision, e.AttemptClaimed):
                started.append(f"{decision.bead}@{decision.slot}")
        return " ".join(started)

    def why(self, name: str) -> str:
        return explain(self.world, self.bead(name))

    def refuse(self, name: str) -> None:
        """The world refuses the bead's workspace, and it comes back at once."""
        bead = self.bead(name)
        key = next(key for key, one in self.world.open.items() if one.bead == bead.id)
        refused = e.EffectFailed(
            key=key, bead=bead.id, kind="CreateWorkspace", workspace=None, message="No room."
        )
        self.apply(refused)
        for decision in react(self.world, refused, self.at_ms, self.policy):
            self.apply(decision)

    def end(self, name: str, reason: Reason | None = Reason.WORKER_FAILED) -> None:
        """The bead's attempt ends: it comes back after 500 ms, or (None) is done with its slot."""
        bead = self.bead(name)
        key = next(key for key, one in self.world.open.items() if one.bead == bead.id)
        del self.world.open[key]
        if reason is not None:
            until = self.at_ms + 500
            self.apply(
                e.BeadBackedOff(
                    bead=bead.id, until_ms=until, reason=reason, detail="No.", counted=True
                )
            )
            return
        assert bead.workspace is not None
        run = f.RunWorker(
            repo=REPO,
            bead=bead.id,
            attempt=bead.attempt,
            workspace=bead.workspace,
            path="/w",
            spec=bead.spec,
            feedback="",
        )
        self.apply(
            e.Requested(key=key, effect=run),
            e.WorkerFinished(
                key=key, bead=bead.id, attempt=bead.attempt, reason=None, exit_code=0, detail=""
            ),
        )


def test_the_order_is_the_strategys() -> None:
    """One slot; the beads start in the order that the configuration names."""
    beads = [
        spec("a", priority=3, tenant="x"),
        spec("b", priority=1, tenant="x"),
        spec("c", priority=2, tenant="y"),
    ]
    for strategy, order in (
        (Strategy.FIFO, "a b c"),
        (Strategy.LIFO, "c b a"),
        (Strategy.PRIORITY, "b c a"),
        (Strategy.ROUND_ROBIN, "a c b"),
    ):
        room = Room(*beads, slots=1, strategy=strategy)
        started = []
        while went := room.advance():
            started.append(went.removesuffix("@0"))
            room.end(started[-1], None)
        assert " ".join(started) == order


def test_another_strategy_takes_up_what_is_ready() -> None:
    """The configuration changes, the world stays: each ready bead is in line once, in the new
    order; and so after a checkpoint."""
    room = Room(spec("a", priority=3), spec("b", priority=1), spec("c", priority=2), slots=1)
    assert room.advance() == "a@0"
    room.end("a", None)
    priority = replace(room.policy, rules=Rules(strategy=Strategy.PRIORITY))
    for world in (room.world, snapshot.decode(snapshot.encode(room.world))):
        choice = choose(world, priority, room.at_ms)
        assert choice is not None
        assert (choice.bead, choice.why) == (
            "b",
            "most urgent of 2 ready, priority 1, by its age 1.0",
        )
    choice = choose(room.world, room.policy, room.at_ms)
    assert choice is not None
    assert choice.bead == "b"
    assert choice.why == "first of 2 ready"


def test_a_tenant_without_tokens_waits_alone() -> None:
    """Two at once and one a second: the third of x waits and says until when; y does not."""
    beads = [spec(f"x{n}", tenant="x") for n in range(3)] + [spec("y0", tenant="y")]
    room = Room(*beads, slots=9, tokens_max=2, tokens_per_s=1)
    assert room.advance() == "x0@0 x1@1 y0@2"
    assert room.why("x2") == f"Waits for tokens of tenant x until {clock_text(START + 1_000)}."
    assert not is_due(room.world, room.policy, START + 999)
    assert room.advance(999) == ""
    assert is_due(room.world, room.policy, START + 1_000)
    idle = replace(room.policy, idle=True)
    assert not is_due(room.world, idle, START + 1_000)
    assert room.advance(1) == "x2@3"
    tokens = [one.tokens for one in room.told if isinstance(one, e.AttemptClaimed)]
    assert tokens == [1_000, 0, 1_000, 0]


def test_tokens_are_remembered_and_the_rate_is_the_newest() -> None:
    """A daemon that starts again knows what was left; another rate counts from then on."""
    room = Room(*(spec(f"b{n}") for n in range(4)), slots=9, tokens_max=2, tokens_per_s=1)
    assert room.advance() == "b0@0 b1@1"
    again = snapshot.decode(snapshot.encode(room.world))
    assert choose(again, room.policy, START) is None
    faster = replace(room.policy, rules=replace(room.policy.rules, tokens_per_s=100))
    assert choose(again, faster, START + 9) is None
    assert choose(again, faster, START + 10) is not None
    unlimited = replace(room.policy, rules=replace(room.policy.rules, tokens_max=0))
    assert choose(again, unlimited, START) is not None


def test_a_clock_that_is_put_back_stops_no_tenant() -> None:
    """A claim from the future counts as long ago, at once; one from a little later is waited for,
    no longer than a bucket takes to fill."""
    room = Room(*(spec(f"b{n}") for n in range(4)), slots=9, tokens_max=2, tokens_per_s=1)
    room.advance()
    assert choose(room.world, room.policy, START) is None
    assert choose(room.world, room.policy, START - 1_000) is None
    assert choose(room.world, room.policy, START - 3_600_000) is not None


def test_soft_takes_its_slot_before_its_turn_and_any_other_where_it_is_taken() -> None:
    """When its slot is free it is next; when its turn comes first it goes where there is room."""
    beads = [spec("a", sticky="soft"), spec("b"), spec("c"), spec("d"), spec("e")]
    room = Room(*beads)
    assert room.advance() == "a@0 b@1"
    room.end("a")
    assert room.advance() == "c@0"
    assert room.advance(500) == ""
    assert room.why("a").endswith("(2 of 2 busy); slot 0 again, where it is free.")
    room.end("c", None)
    assert room.advance() == "a@0"
    assert room.bead("a").chosen == "its slot is free; slot 0 again"
    room.end("a")
    assert room.advance() == "d@0"
    room.end("b", None)
    assert room.advance() == "e@1"
    room.advance(500)
    room.end("e", None)
    assert room.advance() == "a@1"
    assert room.why("a").endswith("Chosen: first of 1 ready; slot 0 is not free.")


def test_soft_does_not_jump_before_the_more_urgent() -> None:
    """By priority, a free slot is no reason to pass a bead that is more urgent."""
    room = Room(
        spec("a", sticky="soft", priority=3), slots=1, strategy=Strategy.PRIORITY, attempts_max=9
    )
    assert room.advance() == "a@0"
    room.end("a")
    room.add(spec("urgent", priority=0))
    room.at_ms += 500
    assert room.advance() == "urgent@0"
    room.end("urgent", None)
    assert room.advance(500) == "a@0"
    room.end("a")
    room.add(spec("same", priority=3))
    assert room.advance(500) == "a@0"


def test_hard_waits_for_its_slot_and_then_its_attempt_has_failed() -> None:
    """30 seconds by default, a counted failure with its reason, and the feedback of the last
    worker stays; out of attempts the bead has failed."""
    room = Room(spec("a", sticky="hard"), spec("b"), spec("c"))
    assert room.advance() == "a@0 b@1"
    room.end("a")
    assert room.advance() == "c@0"
    room.end("b", None)
    assert room.advance(500) == ""
    until = clock_text(START + 30_500)
    assert room.why("a") == (
        f"Sticky to slot 0 (c has it) until {until}; then the attempt has failed."
    )
    assert overdue(room.world, room.policy, START + 30_499) is None
    assert not is_due(room.world, room.policy, START + 30_499)
    assert is_due(room.world, room.policy, START + 30_500)
    room.advance(30_000)
    bead = room.bead("a")
    assert (bead.state, bead.reason, bead.failures) == (State.BACKING_OFF, Reason.SLOT_BUSY, 2)
    assert bead.detail == "Slot 0, which it insists on, was not free for 30 s."
    assert bead.feedback == "No."
    room.advance(60_000)
    assert bead.state is State.READY
    room.advance(30_000)
    assert (bead.state, bead.attempt, len(room.repo.ready)) == (State.FAILED, 1, 0)


def test_hard_gets_its_slot_as_soon_as_it_is_free() -> None:
    """Before whoever waits longer, also when it was ready while no daemon ran."""
    room = Room(spec("a", sticky="hard"), spec("b"), spec("c"), spec("d"), slots=1)
    room.advance()
    room.end("a")
    assert room.advance() == "b@0"
    room.advance(500)
    room.end("b", None)
    assert room.advance(90_000) == "a@0"


def test_a_slot_that_is_no_more_is_not_waited_for() -> None:
    """Where there are fewer slots than before, a bead that insisted on one of them takes any."""
    room = Room(spec("a"), spec("b", sticky="hard"), spec("c"))
    assert room.advance() == "a@0 b@1"
    room.end("b")
    room.end("a", None)
    room.policy = replace(room.policy, slots=1)
    assert room.advance(500) == "c@0"
    room.end("c", None)
    assert room.advance() == "b@0"


@pytest.mark.parametrize("strategy", Strategy)
@pytest.mark.parametrize("arrive", [False, True], ids=["at once", "all along"])
def test_hit_rate_on_retries(strategy: Strategy, *, arrive: bool) -> None:
    """REQUIREMENTS C4: of the soft retries under a full load more than 80 % get their slot back,
    whatever the strategy and the share of beads that come back, whether all beads are there from
    the beginning or others come as some land, and however long each attempt takes."""
    for every in (2, 3, 10):
        told = _retries(strategy, every, arrive=arrive)
        hits = sum(told)
        assert len(told) >= 20
        assert hits / len(told) > 0.8, f"{hits} of {len(told)} of every {every}"


def _retries(strategy: Strategy, every: int, *, arrive: bool) -> list[bool]:
    """Whether each retry got its slot back, of 200 beads of four tenants and five priorities for 8
    slots, of which one in `every` fails once."""
    dice = Random(every)
    todo = [
        spec(f"b{n}", sticky="soft", tenant=f"t{n % 4}", priority=dice.randrange(5))
        for n in range(200)
    ]
    room = Room(slots=8, attempts_max=9, strategy=strategy)
    running: list[tuple[int, str]] = []
    slot_of: dict[str, str] = {}
    told: list[bool] = []
    later = todo[24:] if arrive else []
    room.add(*(todo[:24] if arrive else todo))
    done = 0
    while done < len(todo):
        for claim in room.advance(100).split():
            name, _, slot = claim.partition("@")
            if name in slot_of:
                told.append(slot_of[name] == slot)
            slot_of[name] = slot
            running.append((room.at_ms + int(dice.expovariate(1 / 5_000)), name))
        if not running:
            continue
        running.sort()
        ends_ms, name = running.pop(0)
        room.at_ms = max(room.at_ms, ends_ms)
        fails = int(name[1:]) % every == 0 and room.bead(name).failures == 0
        room.end(name, Reason.WORKER_FAILED if fails else None)
        done += not fails
        if later:
            room.add(later.pop(0))
    return told


@pytest.mark.parametrize("strategy", Strategy)
def test_soft_lets_others_go_first_so_often_and_no_more(strategy: Strategy) -> None:
    """However many others come, and though its slot is never free: after so many attempts of
    others it takes the next slot that is free. So it is when a new daemon begins meanwhile."""
    room = Room(spec("a", sticky="soft"), spec("b"), slots=2, strategy=strategy)
    first = dict(one.split("@")[::-1] for one in room.advance().split())
    assert set(first.values()) == {"a", "b"}
    own = str(room.bead("a").slot)
    other = "1" if own == "0" else "0"
    room.end("a")
    room.add(*(spec(f"early{n}") for n in range(2)))
    assert room.advance() == f"early{1 if strategy is Strategy.LIFO else 0}@{own}"
    assert room.advance(500) == ""
    holder = first[other]
    passed = 0
    while True:
        if strategy is Strategy.LIFO or passed == 0:
            room.add(*(spec(f"c{passed}.{n}") for n in range(1 if passed else 19)))
        room.end(holder, None)
        if passed == 3:
            room.world = snapshot.decode(snapshot.encode(room.world))
        went, _, slot = room.advance().partition("@")
        assert slot == other
        if went == "a":
            break
        passed, holder = passed + 1, went
    assert passed == PATIENCE * 2
    assert f"slot {own} is not free" in room.bead("a").chosen


def test_a_preferred_bead_goes_first_and_is_never_waited_for() -> None:
    """Where both are ready the preferred one goes first, whatever the strategy; one that is not
    ready, or whose tenant has no token, or a circle of wishes, holds up nobody."""
    for strategy in Strategy:
        a, b = spec("a", prefers=(BeadId("b"),)), spec("b", priority=4)
        room = Room(a, b, slots=1, strategy=strategy)
        assert room.advance() == "b@0"
        room.end("b", None)
        assert room.advance() == "a@0"
    gated = Room(spec("a", prefers=(BeadId("c"), BeadId("no"))), spec("b"), spec("c", "b"), slots=1)
    assert gated.advance() == "a@0"
    circle = Room(spec("a", prefers=(BeadId("b"),)), spec("b", prefers=(BeadId("a"),)), slots=1)
    assert circle.advance() == "b@0"
    assert circle.bead("b").chosen == "a lets it go first"
    poor = Room(spec("p", tenant="poor"), spec("a", prefers=(BeadId("b"),)), slots=2, tokens_max=1)
    assert poor.advance() == "p@0 a@1"
    poor.add(spec("b", tenant="poor"), spec("c", tenant="rich", prefers=(BeadId("b"),)))
    poor.end("p", None)
    assert poor.advance() == "c@0"


def test_a_slot_in_which_the_world_refused_rests() -> None:
    """1 s, then 2 s, and so on to 60 s: unhealthy for so long, and well again once a worker ended
    in it. What waits says so."""
    room = Room(spec("a"), spec("b"), slots=1, attempts_max=99)
    started = room.advance()
    for rest_ms in (1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000):
        name = started.removesuffix("@0")
        other = "b" if name == "a" else "a"
        assert room.pool == Pool(total=1, idle=0, claimed=1, unhealthy=0)
        room.refuse(name)
        assert room.pool == Pool(total=1, idle=0, claimed=0, unhealthy=1)
        assert room.why(other) == (
            "Waits for a free worker slot (0 of 1 busy, 1 at rest after the world refused)."
        )
        assert room.advance(rest_ms - 1) == ""
        started = room.advance(1)
        assert started
    room.end(started.removesuffix("@0"), None)
    assert room.pool == Pool(total=1, idle=1, claimed=0, unhealthy=0)


def test_another_slot_is_taken_while_one_rests() -> None:
    """A slot at rest holds up nobody who can have another one."""
    room = Room(spec("a"), spec("b"), spec("c"))
    assert room.advance() == "a@0 b@1"
    room.refuse("a")
    room.end("b", None)
    assert room.advance() == "c@1"
    assert room.pool == Pool(total=2, idle=0, claimed=1, unhealthy=1)


def test_slots_beyond_a_lower_number_are_counted_while_they_are_claimed() -> None:
    """The account adds up when a new daemon has fewer slots."""
    room = Room(spec("a"), spec("b"), spec("c"), slots=3)
    assert room.advance() == "a@0 b@1 c@2"
    assert pool_of(room.repo, 1, room.at_ms) == Pool(total=3, idle=0, claimed=3, unhealthy=0)
    room.end("a", None)
    assert pool_of(room.repo, 1, room.at_ms) == Pool(total=3, idle=1, claimed=2, unhealthy=0)


def test_what_is_not_on_record_is_not_said() -> None:
    """A journal of an older version names no rules: the sentence is the plain one."""
    room = Room(spec("a"), spec("b"), slots=1)
    room.advance()
    assert room.why("a").endswith("Chosen: first of 2 ready.")
    assert room.why("b") == "Waits for a free worker slot (1 of 1 busy)."
    room.repo.rules = None
    assert room.why("b") == "Waits for a free worker slot (1 busy)."


def test_by_priority_what_waits_says_what_it_weighs() -> None:
    """Its priority, and what its age has made of it."""
    room = Room(spec("a"), spec("b"), slots=1, strategy=Strategy.PRIORITY, age_ms=1_000)
    room.advance()
    room.at_ms += 2_500
    room.apply(e.QueueResumed(repo=REPO))
    assert room.why("b") == (
        "Waits for a free worker slot (1 of 1 busy); priority 2, by its age -0.5."
    )


@pytest.mark.parametrize(
    ("at_ms", "text"),
    [(0, "00:00:00 UTC"), (86_399_000, "23:59:59 UTC"), (1, "00:00:01 UTC")],
)
def test_a_time_of_day(at_ms: int, text: str) -> None:
    """Rounded up: at that time it is so."""
    assert clock_text(at_ms) == text


def test_a_clock_that_is_set_back_makes_nobody_wait_longer() -> None:
    """A back-off, or a slot's rest, that seems to be longer than any may be, is over."""
    room = Room(spec("a"))
    assert room.advance() == "a@0"
    room.end("a")
    assert not is_due(room.world, room.policy, START + 499)
    an_hour_ago = START - 3_600_000
    assert is_due(room.world, room.policy, an_hour_ago)
    ticked = react(room.world, e.Ticked(), an_hour_ago, room.policy)
    assert next(iter(ticked)) == e.BeadReadied(bead=BeadId("a"))


def test_a_slot_does_not_rest_for_as_long_as_the_clock_was_set_back() -> None:
    """A rest that seems to be longer than the longest is over; a true one is not."""
    room = Room(spec("a"), spec("b"), slots=1)
    assert room.advance() == "a@0"
    room.refuse("a")
    assert pool_of(room.repo, 1, START + 1).unhealthy == 1
    assert pool_of(room.repo, 1, START - 3_600_000).unhealthy == 0
