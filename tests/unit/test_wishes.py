"""What people ask of beads: cancel, pause, resume, retry; told on an outside world in memory."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from oya_vcs.adapters.memory import ENDLESS, Files, Work, new_outside
from oya_vcs.core import effects as f
from oya_vcs.core import events as e
from oya_vcs.core.beads import PAUSABLE, TERMINAL, Bead, State, move
from oya_vcs.core.explain import explain
from oya_vcs.core.ids import BeadId, Key, RepoId
from oya_vcs.core.spec import spec_key
from oya_vcs.core.wishes import Verb, Wish, judge
from oya_vcs.core.world import Keep, World
from oya_vcs.errors import Bug, InputInvalid, NotFound
from oya_vcs.journal.replay import digest, replay
from oya_vcs.runtime.wishes import Told, grant, wish_of
from tests.daemons import REPO, Daemon, Kill, spec, states, writes_own_file
from tests.living import Life, life

ONE, TWO = BeadId("one"), BeadId("two")
IN_QUEUE = {State.SUBMITTED, State.QUEUED, State.TESTING}


def is_in(state: State, name: BeadId = ONE) -> Callable[[World], bool]:
    """Whether the bead is in that state."""
    return lambda world: name in world.beads and world.bead(name).state is state


async def ask(alive: Life, verb: Verb, *beads: BeadId) -> list[Told]:
    """What uma is told."""
    wish = Wish(verb=verb, beads=beads or (ONE,), who="uma", why="so it is")
    return await grant(alive.engine, wish)


def endless(effect: f.RunWorker, files: Files) -> Work:
    """A worker whose first attempt at `one` writes a file and does not end."""
    work = writes_own_file(effect, files)
    return Work(work.files, ends=effect.bead != ONE or effect.attempt > 1)


def slow_world() -> Daemon:
    """A daemon with one slot and an endless first attempt."""
    return Daemon(new_outside({"a": "1"}), worker=endless, slots=1)


# --- What may be asked, state by state ---------------------------------------------------------

MAY: dict[Verb, dict[str, set[State]]] = {
    Verb.CANCEL: {
        "fact": set(State) - TERMINAL,
        "so already": {State.CANCELLED},
        "refused": {State.LANDED, State.FAILED},
    },
    Verb.PAUSE: {
        "fact": set(PAUSABLE),
        "so already": {State.PAUSED},
        "refused": set(TERMINAL) | IN_QUEUE,
    },
    Verb.RESUME: {
        "fact": {State.PAUSED},
        "so already": set(State) - TERMINAL - {State.PAUSED},
        "refused": set(TERMINAL),
    },
    Verb.RETRY: {
        "fact": {State.FAILED, State.CANCELLED},
        "so already": set(),
        "refused": set(State) - {State.FAILED, State.CANCELLED},
    },
}


def bead_in(state: State, *, cancelling: bool = False) -> Bead:
    """A bead in a state; a paused one was pending."""
    return Bead(
        repo=RepoId("r"),
        spec=spec("one"),
        key=spec_key(spec("one")),
        state=state,
        since_ms=1,
        paused_in=State.PENDING if state is State.PAUSED else None,
        cancelling=cancelling,
    )


@pytest.mark.parametrize("verb", Verb)
@pytest.mark.parametrize("state", State)
def test_every_wish_in_every_state_has_an_answer(verb: Verb, state: State) -> None:
    """A fact that the table of states takes, nothing to do, or a sentence that names the bead: in
    each state exactly one of them."""
    (found,) = [answer for answer, states in MAY[verb].items() if state in states]
    bead = bead_in(state)
    (verdict,) = judge(World(beads={ONE: bead}), Wish(verb=verb, beads=(ONE,)))
    assert (verdict.event is not None) is (found == "fact")
    assert bool(verdict.refusal) is (found == "refused")
    if verdict.refusal:
        assert verdict.refusal.startswith("Bead one ")
        assert verdict.refusal.endswith(".")
    if verdict.event is not None:
        move(bead, verdict.event, 2)


@pytest.mark.parametrize("verb", Verb)
def test_a_bead_that_is_being_cancelled_takes_no_other_wish(verb: Verb) -> None:
    """To cancel it again changes nothing; all else is refused with the reason."""
    world = World(beads={ONE: bead_in(State.RUNNING, cancelling=True)})
    (verdict,) = judge(world, Wish(verb=verb, beads=(ONE,)))
    assert verdict.event is None
    assert ("being cancelled" in verdict.refusal) is (verb is not Verb.CANCEL)


def test_a_bead_is_named_once_and_an_unknown_one_spoils_the_whole_wish() -> None:
    """The same id twice is one bead; where one is not known nothing is judged."""
    world = World(beads={ONE: bead_in(State.READY)})
    assert len(judge(world, Wish(verb=Verb.PAUSE, beads=(ONE, ONE)))) == 1
    with pytest.raises(NotFound, match="no bead 'two'"):
        judge(world, Wish(verb=Verb.PAUSE, beads=(ONE, TWO)))


def test_a_pause_in_a_pause_is_a_bug_and_what_was_under_way_moves_behind_it() -> None:
    """The core never decides one; the state behind a pause follows the table as always."""
    bead = bead_in(State.CLAIMED)
    move(bead, e.BeadPaused(bead=ONE), 2)
    assert (bead.state, bead.paused_in, bead.since_ms) == (State.PAUSED, State.CLAIMED, 2)
    with pytest.raises(Bug):
        move(bead, e.BeadPaused(bead=ONE), 3)
    finished = e.WorkerFinished(
        key=Key("k"), bead=ONE, attempt=1, reason=None, exit_code=0, detail=""
    )
    move(bead, finished, 3)
    assert (bead.state, bead.paused_in, bead.since_ms) == (State.PAUSED, State.CHECKING, 2)
    failed = e.BeadFailed(bead=ONE, reason=e.Reason.WORKER_FAILED, detail="No.")
    move(bead, failed, 4)
    assert (bead.state, bead.paused_in) == (State.FAILED, None)


@pytest.mark.parametrize(
    "fields",
    [{}, {"beads": []}, {"beads": "one"}, {"beads": [1]}, {"beads": ["one"], "why": 3}],
)
def test_a_request_that_is_no_wish_is_refused(fields: dict[str, object]) -> None:
    """With a sentence, and nothing happens."""
    with pytest.raises(InputInvalid):
        wish_of(Verb.CANCEL, fields)
    whole = wish_of(Verb.CANCEL, {"beads": ["one"], "who": "uma", "why": "so"})
    assert whole == Wish(verb=Verb.CANCEL, beads=(ONE,), who="uma", why="so")


# --- Cancel --------------------------------------------------------------------------------------


async def test_what_waits_is_cancelled_at_once_and_its_dependents_say_why() -> None:
    """Ready and pending beads end in the step of the wish; nothing of them ever runs."""
    daemon = slow_world()
    async with life(daemon, spec("one"), spec("two"), spec("after", "two")) as alive:
        await alive.until(is_in(State.RUNNING))
        (told,) = await ask(alive, Verb.CANCEL, TWO)
        assert (told.state, told.changed, told.refused) == (State.CANCELLED, True, False)
        assert told.said == (
            "two: Cancelled by uma (so it is). `oya-vcs bead retry two` opens it again."
        )
        (again,) = await ask(alive, Verb.CANCEL, TWO)
        assert (again.state, again.changed) == (State.CANCELLED, False)
        after = alive.engine.world.bead(BeadId("after"))
        assert explain(alive.engine.world, after) == "Waits for two (cancelled) to land."
        await ask(alive, Verb.CANCEL, ONE, BeadId("after"))
        world = await alive.rest()
    assert states(world) == dict.fromkeys(["one", "two", "after"], "cancelled")
    assert world.bead(TWO).attempt == 0
    assert digest(replay(daemon.journal.read())) == digest(world)


async def test_a_bead_that_backs_off_is_cancelled_and_never_comes_back() -> None:
    """Its timer goes with it."""
    daemon = Daemon(
        new_outside({"a": "1"}),
        worker=lambda _effect, _files: Work(reason=e.Reason.WORKER_FAILED, detail="No."),
    )
    async with life(daemon, spec("one")) as alive:
        await alive.until(is_in(State.BACKING_OFF))
        await ask(alive, Verb.CANCEL)
        world = await alive.rest()
    assert states(world) == {"one": "cancelled"}
    assert world.bead(ONE).attempt == 1


async def test_a_running_bead_is_cancelled_when_its_worker_is_gone() -> None:
    """Until then it says what happens; then its slot is free, and what it wrote is kept."""
    daemon = slow_world()
    async with life(daemon, spec("one"), spec("two")) as alive:
        await alive.until(lambda _: any("one.txt" in w for w in daemon.outside.workspaces.values()))
        (told,) = await ask(alive, Verb.CANCEL)
        assert told.changed
        world = await alive.rest()
    assert states(world) == {"one": "cancelled", "two": "landed"}
    bead = world.bead(ONE)
    assert (bead.reason, bead.detail) == (e.Reason.CANCELLED, "Cancelled by uma (so it is).")
    assert bead.failures == 0
    told_by = [type(row.event) for row in daemon.journal.read() if row.event.subject == ONE]
    assert told_by[-4:] == [e.CancelRequested, e.StopRequested, e.WorkerFinished, e.BeadCancelled]
    (kept,) = [one for one in world.workspaces.values() if one.bead == ONE]
    assert (kept.keep, kept.detail) == (Keep.KEPT, bead.detail)
    assert "one.txt" in daemon.outside.workspaces[kept.name]
    assert daemon.outside.started.total() == 2


@pytest.mark.parametrize("state", [State.CLAIMED, State.CHECKING, State.QUEUED])
async def test_a_step_that_ends_by_itself_is_let_end_and_is_the_last_one(state: State) -> None:
    """A workspace being made, a result being collected, a candidate being built."""
    daemon = Daemon(new_outside({"a": "1"}))
    async with life(daemon, spec("one")) as alive:
        await alive.until(is_in(state))
        (told,) = await ask(alive, Verb.CANCEL)
        assert told.changed
        world = await alive.rest()
    assert states(world) == {"one": "cancelled"}
    assert len(daemon.outside.tips) == 1
    assert not world.open
    assert not world.repos[REPO].slots
    assert daemon.outside.started.total() == (0 if state is State.CLAIMED else 1)


async def test_a_bead_under_test_leaves_the_queue_and_the_next_one_lands() -> None:
    """Its checks are stopped; its change is over, for that reason."""
    daemon = Daemon(
        new_outside({"a": "1"}), check=lambda files: ENDLESS if "one.txt" in files else ""
    )
    async with life(daemon, spec("one"), spec("two")) as alive:
        await alive.until(is_in(State.TESTING))
        await ask(alive, Verb.CANCEL)
        world = await alive.rest()
    assert states(world) == {"one": "cancelled", "two": "landed"}
    (change,) = [one for one in world.changes.values() if one.bead == ONE]
    assert change.reason is e.Reason.CANCELLED
    assert "one.txt" not in daemon.outside.commits[daemon.outside.tips[-1]].files


def landing(world: World) -> bool:
    """Whether a landing is under way."""
    return any(isinstance(effect, f.Land) for effect in world.open.values())


async def test_a_landing_under_way_is_not_stopped_and_the_answer_says_so() -> None:
    """It lands, and counts as landed."""
    daemon = Daemon(new_outside({"a": "1"}))
    async with life(daemon, spec("one")) as alive:
        await alive.until(landing)
        wish = asyncio.create_task(ask(alive, Verb.CANCEL))
        await alive.until(lambda world: world.bead(ONE).cancelling)
        said = explain(alive.engine.world, alive.engine.world.bead(ONE))
        await wish
        world = await alive.rest()
    assert said == (
        "To be cancelled by uma (so it is), but it is landing, which is not stopped: it lands now,"
        " or is cancelled if it cannot."
    )
    assert states(world) == {"one": "landed"}
    assert daemon.outside.landings == {"one": 1}


async def test_a_landing_that_cannot_be_ends_the_bead_that_was_to_be_cancelled() -> None:
    """The target had moved: no new candidate is built for it."""
    daemon = Daemon(new_outside({"a": "1"}))
    outside = daemon.outside
    async with life(daemon, spec("one")) as alive:
        await alive.until(landing)
        assert outside.target is not None
        files = {**outside.commits[outside.target].files, "theirs": "x"}
        outside.move_target(outside.commit(files, (outside.target,), "theirs"))
        await ask(alive, Verb.CANCEL)
        world = await alive.rest()
    assert states(world) == {"one": "cancelled"}
    assert len(outside.tips) == 2


async def test_a_cancelled_bead_is_opened_again_and_lands() -> None:
    """`retry` gives it new attempts, with no trace of the wish; its dependents follow."""
    daemon = slow_world()
    async with life(daemon, spec("one"), spec("after", "one")) as alive:
        await alive.until(is_in(State.RUNNING))
        await ask(alive, Verb.CANCEL)
        await alive.until(is_in(State.CANCELLED))
        (told,) = await ask(alive, Verb.RETRY)
        assert told.changed
        world = await alive.rest()
    assert states(world) == {"one": "landed", "after": "landed"}
    assert (world.bead(ONE).attempt, world.bead(ONE).asked) == (2, "")


async def test_whenever_the_daemon_dies_after_the_wish_the_bead_is_cancelled() -> None:
    """Killed at every boundary from the wish on, in every stage of a bead: the next life ends it,
    starts nothing for it, and lands it at most where it was landing."""
    for state in (State.CLAIMED, State.RUNNING, State.CHECKING, State.QUEUED, State.TESTING):
        for at in range(1, 12):
            daemon = Daemon(new_outside({"a": "1"}))
            kill = Kill()
            async with life(daemon, spec("one"), spec("after", "one"), kill=kill) as alive:
                await alive.until(is_in(state))
                kill.at = kill.seen + at
                await ask(alive, Verb.CANCEL)
                await alive.rest()
            runs = daemon.outside.started.copy()
            world = await daemon.run_to_rest()
            assert states(world)["one"] in ("cancelled", "landed"), (state, at)
            if states(world)["one"] == "cancelled":
                assert daemon.outside.started == runs
                assert states(world)["after"] == "pending"
                assert not world.open
            assert digest(replay(daemon.journal.read())) == digest(world)


# --- Pause and resume ----------------------------------------------------------------------------


async def test_a_paused_bead_is_not_started_until_it_is_resumed() -> None:
    """Others pass it; nothing of it runs; resumed, it lands."""
    daemon = slow_world()
    async with life(daemon, spec("one"), spec("two"), spec("three")) as alive:
        await alive.until(is_in(State.RUNNING))
        (told,) = await ask(alive, Verb.PAUSE, TWO)
        assert told.said == (
            "two: Paused by uma (so it is). `oya-vcs bead resume two` lets it go on."
        )
        assert [one.changed for one in await ask(alive, Verb.PAUSE, TWO)] == [False]
        await ask(alive, Verb.CANCEL)
        await alive.until(is_in(State.LANDED, BeadId("three")))
        assert alive.engine.world.bead(TWO).attempt == 0
        (told,) = await ask(alive, Verb.RESUME, TWO)
        assert told.changed
        world = await alive.rest()
    assert states(world) == {"one": "cancelled", "two": "landed", "three": "landed"}


async def test_a_paused_bead_waits_for_its_needs_behind_the_pause() -> None:
    """What it needs lands meanwhile; it is pending no more when it is resumed, in another life."""
    daemon = Daemon(new_outside({"a": "1"}))
    async with life(daemon, spec("one"), spec("two", "one")) as alive:
        await alive.until(is_in(State.PENDING, TWO))
        await ask(alive, Verb.PAUSE, TWO)
        assert states(await alive.rest()) == {"one": "landed", "two": "paused"}
    world = await daemon.run_to_rest(facts=[e.BeadResumed(bead=TWO)])
    assert states(world) == {"one": "landed", "two": "landed"}


async def test_a_worker_that_stands_still_keeps_its_slot_and_goes_on() -> None:
    """Nobody gets its slot; it is one attempt, before and after."""
    daemon = slow_world()
    async with life(daemon, spec("one"), spec("two")) as alive:
        await alive.until(is_in(State.RUNNING))
        (told,) = await ask(alive, Verb.PAUSE)
        assert "Attempt 1 stands still in slot 0 (pid 1)." in told.said
        assert alive.engine.world.repos[REPO].slots == {0: ONE}
        (told,) = await ask(alive, Verb.RESUME)
        assert told.state is State.RUNNING
        assert told.said.startswith("one: Attempt 1 runs in slot 0 (pid 1).")
        await ask(alive, Verb.PAUSE)
        await ask(alive, Verb.CANCEL)
        world = await alive.rest()
    assert states(world) == {"one": "cancelled", "two": "landed"}


async def test_a_bead_that_is_paused_before_its_worker_begins_gives_its_slot_back() -> None:
    """Whatever step of its beginning it was in: no attempt counts, and resumed it lands."""
    for effects in ({f.CreateWorkspace}, {f.RunWorker}):
        daemon = Daemon(new_outside({"a": "1"}), slots=1, attempts_max=1)
        async with life(daemon, spec("one"), spec("two")) as alive:
            await alive.until(
                lambda world, effects=effects: (  # type: ignore[misc]
                    {type(effect) for effect in world.open.values()} == effects
                    and world.bead(ONE).state is State.CLAIMED
                )
            )
            await ask(alive, Verb.PAUSE)
            await alive.until(is_in(State.LANDED, TWO))
            assert alive.engine.world.bead(ONE).state is State.PAUSED
            assert daemon.outside.landings == {"two": 1}
            await ask(alive, Verb.RESUME)
            world = await alive.rest()
        assert states(world) == {"one": "landed", "two": "landed"}
        assert world.bead(ONE).failures == 0


async def test_a_result_that_comes_during_a_pause_is_collected_and_waits() -> None:
    """No edit is lost, and no change is opened before it is resumed."""
    daemon = Daemon(new_outside({"a": "1"}))
    async with life(daemon, spec("one")) as alive:
        await alive.until(is_in(State.CHECKING))
        await ask(alive, Verb.PAUSE)
        world = await alive.rest()
    assert states(world) == {"one": "paused"}
    assert world.bead(ONE).commit is not None
    assert world.changes == {}
    async with life(daemon) as alive:
        await alive.until(is_in(State.PAUSED))
        await ask(alive, Verb.RESUME)
        assert states(await alive.rest()) == {"one": "landed"}
    assert daemon.outside.started.total() == 1


async def test_a_paused_worker_that_died_with_its_daemon_stays_paused() -> None:
    """The next life starts nothing; resumed, a new attempt lands, and none was counted."""
    daemon = Daemon(new_outside({"a": "1"}), worker=endless, slots=1, attempts_max=1)
    async with life(daemon, spec("one")) as alive:
        await alive.until(is_in(State.RUNNING))
        await ask(alive, Verb.PAUSE)
    world = await daemon.run_to_rest()
    assert states(world) == {"one": "paused"}
    assert not world.repos[REPO].slots
    assert not world.timers
    world = await daemon.run_to_rest(facts=[e.BeadResumed(bead=ONE)])
    assert states(world) == {"one": "landed"}
    assert (world.bead(ONE).attempt, world.bead(ONE).failures) == (2, 0)


async def test_a_failure_ends_a_pause_only_with_the_last_attempt() -> None:
    """A worker that failed as the pause came: the bead stays paused while it has attempts, else it
    has failed."""
    for attempts_max, state in ((2, "paused"), (1, "failed")):
        daemon = Daemon(new_outside({"a": "1"}), worker=endless, attempts_max=attempts_max)
        async with life(daemon, spec("one")) as alive:
            await alive.until(is_in(State.RUNNING))
            await ask(alive, Verb.PAUSE)
            ((key, effect),) = alive.engine.world.open.items()
        assert isinstance(effect, f.RunWorker)
        ended = e.WorkerFinished(
            key=key,
            bead=ONE,
            attempt=1,
            reason=e.Reason.WORKER_FAILED,
            exit_code=3,
            detail="It exited with status 3.",
        )
        daemon.outside.outcomes[key] = ended
        world = await daemon.run_to_rest()
        assert states(world) == {"one": state}
        assert world.bead(ONE).failures == 1


def test_without_a_daemon_the_sentences_name_the_next_run() -> None:
    """What nobody does now is not said to be happening."""
    bead = bead_in(State.RUNNING, cancelling=True)
    world = World(beads={ONE: bead})
    assert explain(world, bead, live=False) == (
        "To be cancelled; the next `oya-vcs run` ends what is left of it."
    )
    bead = bead_in(State.PAUSED)
    assert explain(world, bead, live=False) == (
        "Paused. `oya-vcs bead resume one` lets the next `oya-vcs run` go on with it."
    )
