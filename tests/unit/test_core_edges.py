"""Intake, sentences, refusals and broken invariants of the core, one by one."""

from __future__ import annotations

import pytest

from oya_vcs.adapters.clock import ManualClock
from oya_vcs.adapters.memory import Files, Work, new_outside
from oya_vcs.adapters.memory_journal import MemoryJournal
from oya_vcs.core import effects as f
from oya_vcs.core import events as e
from oya_vcs.core.beads import State
from oya_vcs.core.explain import explain
from oya_vcs.core.fold import apply
from oya_vcs.core.ids import BeadId, ChangeId, CommitId, Key, RepoId, TreeId, WorkspaceName, bead_id
from oya_vcs.core.intake import take_in
from oya_vcs.core.policy import Policy
from oya_vcs.core.schedule import choose
from oya_vcs.core.slots import backoff_ms
from oya_vcs.core.spec import BeadSpec
from oya_vcs.core.texts import subject_line
from oya_vcs.core.world import Keep, World, unfinished
from oya_vcs.errors import Bug, InputInvalid
from oya_vcs.runtime.engine import Engine
from tests.daemons import REPO, Daemon, spec

POLICY = Policy(repo=REPO, slots=2, attempts_max=3, backoff_ms=1_000)
COMMIT = CommitId("c" * 40)
TREE = TreeId("d" * 40)


def _world(*specs: BeadSpec) -> World:
    world = World()
    apply(world, e.RepoRegistered(repo=REPO, path="/p", target="main"), 1)
    for one in specs:
        event = take_in(world, REPO, one).event
        assert event is not None
        apply(world, event, 2)
    return world


def _claim(world: World, name: str, slot: int = 0) -> WorkspaceName:
    workspace = WorkspaceName(f"{name}-w")
    claimed = e.AttemptClaimed(bead=BeadId(name), attempt=1, slot=slot, workspace=workspace)
    apply(world, claimed, 3)
    return workspace


def _to_queue(world: World, name: str) -> ChangeId:
    """Take a bead through its attempt into the merge queue, effect by effect."""
    bead, change = BeadId(name), ChangeId(f"{name}.1")
    workspace = _claim(world, name, slot=len(world.repos[REPO].slots))
    steps: list[tuple[f.Effect, e.Event]] = [
        (
            f.RunWorker(
                repo=REPO,
                bead=bead,
                attempt=1,
                workspace=workspace,
                path="/w",
                spec=world.bead(bead).spec,
                feedback="",
            ),
            e.WorkerFinished(
                key=Key(f"run-{name}"), bead=bead, attempt=1, reason=None, exit_code=0, detail=""
            ),
        ),
        (
            f.OpenChange(repo=REPO, bead=bead, attempt=1, change=change, head=COMMIT, title="t"),
            e.ChangeOpened(
                key=Key(f"open-{name}"), bead=bead, attempt=1, change=change, head=COMMIT
            ),
        ),
    ]
    for effect, outcome in steps:
        apply(world, e.Requested(key=outcome.key, effect=effect), 3)  # type: ignore[attr-defined]
        apply(world, outcome, 3)
    apply(world, e.ChangeQueued(bead=bead, change=change, head=COMMIT), 3)
    return change


def test_a_new_bead_is_added_and_the_same_again_changes_nothing() -> None:
    """The execution key of the input decides."""
    world = _world(spec("a"))
    assert take_in(world, REPO, spec("a")).event is None


def test_new_content_reopens_a_resting_bead_and_is_refused_for_one_at_work() -> None:
    """RESTING beads are revised; one at work is not; a landed one never."""
    world = _world(spec("a"), spec("b"))
    revised = take_in(world, REPO, spec("a", description="more"))
    assert isinstance(revised.event, e.BeadRevised)
    assert "new content" in revised.note
    apply(world, revised.event, 4)
    assert world.bead(BeadId("a")).spec.description == "more"
    assert list(world.repos[REPO].ready) == ["b", "a"]
    _claim(world, "b")
    busy = take_in(world, REPO, spec("b", description="more"))
    assert busy.event is None
    assert "submit it again" in busy.note


async def test_new_content_of_a_landed_bead_is_ignored_with_a_note() -> None:
    """What has landed stays as it is."""
    world = await Daemon(new_outside({"x": "1"})).run_to_rest([spec("a")])
    late = take_in(world, REPO, spec("a", description="more"))
    assert late.event is None
    assert "landed already" in late.note


def test_an_id_of_another_repository_is_refused() -> None:
    """Ids are unique in a home; the message says the mend."""
    world = _world(spec("a"))
    with pytest.raises(InputInvalid, match="belongs to"):
        take_in(world, RepoId("other"), spec("a"))


def test_a_revised_back_off_is_not_readied_twice() -> None:
    """The timer of the old content goes with it."""
    world = _world(spec("a"))
    _claim(world, "a")
    apply(
        world,
        e.BeadBackedOff(
            bead=BeadId("a"),
            until_ms=99,
            reason=e.Reason.WORKER_FAILED,
            detail="No.\nmore",
            counted=True,
        ),
        5,
    )
    assert explain(world, world.bead(BeadId("a"))) == "Will be tried again after attempt 1: No."
    revised = take_in(world, REPO, spec("a", description="more")).event
    assert revised is not None
    apply(world, revised, 6)
    assert world.timers == []
    assert world.bead(BeadId("a")).state is State.READY


def _world_of_sentences() -> World:
    world = _world(spec("a"), spec("b"), spec("c", "a"))
    _claim(world, "a")
    return world


def test_sentences_on_the_way() -> None:
    """Claimed, running, checking, submitted, queued, testing, landed, failed."""
    world = _world_of_sentences()
    bead = world.bead(BeadId("a"))
    assert explain(world, world.bead(BeadId("b"))) == "Waits for a free worker slot (1 busy)."
    assert "being made (slot 0)" in explain(world, bead)
    spawned = e.WorkerSpawned(run=Key("r"), bead=bead.id, attempt=1, pid=42, started=1)
    apply(world, spawned, 4)
    assert "slot 0 (pid 42)" in explain(world, bead)
    bead.state = State.CHECKING
    assert "being collected" in explain(world, bead)
    bead.state, bead.change = State.SUBMITTED, ChangeId("a.1")
    assert "a.1 is open" in explain(world, bead)
    bead.state, bead.detail = State.CANCELLED, "Cancelled by uma (too slow)."
    said = "Cancelled by uma (too slow). `oya-vcs bead retry a` opens it again."
    assert explain(world, bead) == said
    bead.state = State.TESTING
    assert explain(world, bead) == "Its candidate is being tested."
    bead.state, bead.reason, bead.detail = State.FAILED, e.Reason.WALL_TIME, "Too long.\nx"
    workspace = world.workspaces[WorkspaceName("a-w")]
    workspace.keep, workspace.path = Keep.KEPT, "/kept/here"
    assert explain(world, bead) == (
        "Failed (wall_time): Too long. Its last workspace is kept at /kept/here."
    )


def test_sentences_in_the_queue() -> None:
    """Place, candidate, and why a queue is paused."""
    world = _world(spec("a"), spec("b"))
    first, second = _to_queue(world, "a"), _to_queue(world, "b")
    one, two = world.bead(BeadId("a")), world.bead(BeadId("b"))
    assert explain(world, one) == "Waits in the merge queue at place 1."
    assert explain(world, two) == "Waits in the merge queue at place 2."
    build = f.BuildCandidate(
        repo=REPO,
        bead=one.id,
        change=first,
        head=COMMIT,
        round=1,
        message="m",
        made_at_ms=1,
    )
    apply(world, e.Requested(key=Key("k"), effect=build), 5)
    assert explain(world, one) == "Its candidate is being built on the target."
    assert world.repos[REPO].queue.place(first) == 1
    assert world.repos[REPO].queue.place(second) == 2
    assert world.repos[REPO].queue.place(ChangeId("none")) == 0
    built = e.CandidateBuilt(
        key=Key("k"), bead=one.id, change=first, base=COMMIT, commit=COMMIT, tree=TREE
    )
    apply(world, built, 6)
    assert "cccccccccccc on cccccccccccc" in explain(world, one)


def test_a_landed_bead_ends_the_sentence() -> None:
    """Landed names the commit."""
    world = _world(spec("a"))
    bead = world.bead(BeadId("a"))
    bead.state, bead.landed = State.LANDED, COMMIT
    assert explain(world, bead) == f"Landed as {COMMIT}."
    assert unfinished(world) == []


def test_events_that_cannot_happen_are_bugs() -> None:
    """No silent transition, no outcome of a closed effect, no double claim, no unknown bead."""
    world = _world(spec("a"), spec("b"))
    with pytest.raises(Bug, match="in state ready"):
        apply(world, e.BeadReadied(bead=BeadId("a")), 3)
    with pytest.raises(Bug, match="not open"):
        apply(
            world,
            e.WorkspaceRemoved(
                key=Key("k"), bead=BeadId("a"), workspace=WorkspaceName("w"), pinned=None
            ),
            3,
        )
    _claim(world, "a")
    with pytest.raises(Bug, match="which a holds"):
        _claim(world, "b")
    with pytest.raises(Bug, match="never added"):
        world.bead(BeadId("nobody"))


def test_choose_gives_the_old_slot_when_it_is_free_and_nothing_when_full() -> None:
    """Soft stickiness: the slot of the last attempt, else the lowest; never above the limit."""
    world = _world(spec("a"), spec("b"), spec("c"))
    world.bead(BeadId("a")).slot = 1
    choice = choose(world, POLICY, 9)
    assert choice is not None
    assert (choice.bead, choice.slot) == ("a", 1)
    _claim(world, "a", slot=1)
    second = choose(world, POLICY, 9)
    assert second is not None
    assert (second.bead, second.slot) == ("b", 0)
    _claim(world, "b", slot=0)
    assert choose(world, POLICY, 9) is None
    nowhere = Policy(repo=RepoId("none"), slots=1, attempts_max=1, backoff_ms=1)
    assert choose(world, nowhere, 9) is None


def test_back_off_doubles_to_its_ceiling() -> None:
    """1, 2, 4 … seconds and never above the ceiling, however often."""
    assert [backoff_ms(1_000, n, 5_000) for n in (0, 1, 2, 3, 99)] == [
        1_000,
        2_000,
        4_000,
        5_000,
        5_000,
    ]


@pytest.mark.parametrize(
    ("text", "good"),
    [
        ("a", True),
        ("bd-1.2_x", True),
        ("", False),
        ("-a", False),
        ("a/b", False),
        ("a..b", False),
        ("a.lock", False),
        ("a.", False),
        ("é", False),
        ("x" * 101, False),
    ],
)
def test_bead_ids_are_safe_as_names_of_folders_and_refs(text: str, *, good: bool) -> None:
    """What git, jj or a file system would refuse or read as something else is no id."""
    assert (bead_id(text) is not None) == good


def test_a_subject_line_is_one_short_printable_line() -> None:
    """Titles are people's text: line breaks, control characters and length are tamed."""
    assert subject_line(spec("a")) == "Do a"
    odd = BeadSpec(id=BeadId("a"), title="two\nlines\x1b[31m" + "x" * 100)
    line = subject_line(odd)
    assert len(line) <= 72
    assert line.isprintable()
    assert subject_line(BeadSpec(id=BeadId("a"), title=" \n ")) == "a"


@pytest.mark.parametrize("kind", [f.CreateWorkspace, f.RunWorker, f.CollectResult, f.OpenChange])
async def test_an_attempt_whose_effect_fails_is_tried_again(kind: type[f.Effect]) -> None:
    """The world's refusal counts as a failed attempt, with its words, and the next one goes on."""
    daemon = Daemon(new_outside({"x": "1"}))
    daemon.refuse(kind, times=1)
    world = await daemon.run_to_rest([spec("a")])
    bead = world.bead(BeadId("a"))
    assert (bead.state, bead.attempt, bead.failures) == (State.LANDED, 2, 1)


@pytest.mark.parametrize("kind", [f.BuildCandidate, f.RunChecks, f.Land])
async def test_a_change_that_the_world_refuses_is_held_and_lands_in_the_next_run(
    kind: type[f.Effect],
) -> None:
    """One poisoned item never stops the others (MERGE_QUEUE promise 10), and no work is done
    twice for a fault that was not its own."""
    daemon = Daemon(new_outside({"x": "1"}))
    daemon.refuse(kind, times=1)
    world = await daemon.run_to_rest([spec("a"), spec("b")])
    held, landed = world.bead(BeadId("a")), world.bead(BeadId("b"))
    assert (held.state, landed.state) == (State.QUEUED, State.LANDED)
    assert explain(world, held) == "Held in the merge queue until the next run: Refused."
    world = await daemon.run_to_rest(facts=[e.QueueResumed(repo=REPO)])
    again = world.bead(BeadId("a"))
    assert (again.state, again.attempt) == (State.LANDED, 1)


async def test_a_missing_worker_is_not_tried_again() -> None:
    """Waiting puts no program on the machine: the bead fails at its first attempt."""
    daemon = Daemon(
        new_outside({"x": "1"}),
        worker=lambda effect, files: Work(reason=e.Reason.WORKER_MISSING, detail="Not there."),
    )
    bead = (await daemon.run_to_rest([spec("a")])).bead(BeadId("a"))
    assert (bead.state, bead.attempt, bead.failures) == (State.FAILED, 1, 1)


async def test_a_broken_step_stops_the_engine() -> None:
    """A mistake of ours in the middle of a step may leave half a state: nothing is taken after
    it."""
    journal = MemoryJournal()
    engine = Engine(world=World(), journal=journal, clock=ManualClock(), policy=POLICY)
    event = e.BeadAdded(repo=REPO, bead=BeadId("a"), key=Key("k"), spec=spec("a"))
    with pytest.raises(Bug, match="BeadAdded"):
        await engine.offer(event)
    with pytest.raises(Bug, match="BeadAdded"):
        await engine.offer(e.RepoRegistered(repo=REPO, path="/p", target="main"))
    with pytest.raises(Bug, match="BeadAdded"):
        await engine.settled()
    assert list(journal.read()) == []


async def test_a_workspace_that_cannot_be_removed_is_kept_and_can_be_discarded_later() -> None:
    """Nothing hangs on it, the record says why, and a person may try again."""
    daemon = Daemon(new_outside({"x": "1"}))
    daemon.refuse(f.RemoveWorkspace, times=1)
    world = await daemon.run_to_rest([spec("a")])
    (kept,) = world.workspaces.values()
    assert (kept.keep, kept.detail) == (Keep.KEPT, "Refused.")
    discarded = e.WorkspaceDiscarded(bead=kept.bead, workspace=kept.name)
    world = await daemon.run_to_rest(facts=[discarded])
    assert world.workspaces[kept.name].keep is Keep.REMOVED
    world = await daemon.run_to_rest(facts=[discarded])
    assert not world.open


async def test_no_checks_is_a_refusal_never_a_pass() -> None:
    """MERGE_QUEUE promise 4: no gates configured fails the bead at once, and lands nothing."""
    daemon = Daemon(new_outside({"x": "1"}))
    daemon.no_checks = True
    world = await daemon.run_to_rest([spec("a")])
    bead = world.bead(BeadId("a"))
    assert (bead.state, bead.reason, bead.attempt) == (State.FAILED, e.Reason.NO_CHECKS, 1)
    assert len(daemon.outside.tips) == 1


async def test_a_result_that_is_in_the_target_already_counts_as_landed() -> None:
    """Promise 13: neither hung nor failed; the bead names the commit that holds it."""
    daemon = Daemon(new_outside({"x": "1"}))
    outside = daemon.outside

    def check(files: Files) -> str:
        """While the checks run, a person merges the result by hand."""
        (result,) = (commit for commit, one in outside.commits.items() if "Oya-Bead" in one.message)
        if result not in outside.tips:
            outside.move_target(result)
        return ""

    daemon.check = check
    world = await daemon.run_to_rest([spec("a")])
    bead = world.bead(BeadId("a"))
    assert (bead.state, bead.landed) == (State.LANDED, outside.target)
    assert explain(world, bead) == f"The target held it already at {outside.target}."
    assert [change.reason for change in world.changes.values()] == [e.Reason.ALREADY_LANDED]
    assert len(outside.tips) == 2


async def test_a_memory_journal_that_fails_stops_the_engine_and_nothing_is_acknowledged() -> None:
    """After a failed append the engine takes no more; the next life reads the record."""
    daemon = Daemon(new_outside({"x": "1"}))

    def worker(effect: f.RunWorker, files: Files) -> Work:
        daemon.journal.fail()
        return Work({"a.txt": "x"})

    daemon.worker = worker
    with pytest.raises(Exception, match="disk is full"):
        await daemon.run_to_rest([spec("a")])
    assert not any(isinstance(row.event, e.WorkerFinished) for row in daemon.journal.read())


async def test_what_somebody_else_put_on_the_target_is_landed_only_if_it_passes() -> None:
    """A worker that moves the target itself gains nothing: the checks run there, too."""
    outside = new_outside({"x": "1"})

    def worker(effect: f.RunWorker, files: Files) -> Work:
        assert outside.target is not None
        return Work({"bad.txt": "x"})

    def mover(files: Files) -> str:
        return "bad.txt must not be there" if "bad.txt" in files else ""

    daemon = Daemon(outside, worker=worker, check=mover, attempts_max=1)

    async def moved() -> World:
        def check(files: Files) -> str:
            results = [c for c, one in outside.commits.items() if "Oya-Bead" in one.message]
            if outside.target not in results:
                outside.move_target(results[0])
                return ""
            return mover(files)

        daemon.check = check
        return await daemon.run_to_rest([spec("a")])

    bead = (await moved()).bead(BeadId("a"))
    assert (bead.state, bead.reason) == (State.FAILED, e.Reason.CHECK_FAILED)
