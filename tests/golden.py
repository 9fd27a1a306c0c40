"""Makes a golden journal: `python -m tests.golden NAME` writes `fixtures/journals/NAME.*`.

A story with everything in it that goes well and wrong, told by the real core and engine over the
outside world in memory, on a clock that stands still until somebody waits: the same code tells the
same story. Written are its rows as `journal export` would, the state they add up to, and a
checkpoint of it. A file that is there is never overwritten: what an old version wrote is what it
wrote (CONTRIBUTING.md).
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from oya_vcs.adapters.memory import Files, Work, new_outside
from oya_vcs.core import effects as f
from oya_vcs.core import events as e
from oya_vcs.core.following import following
from oya_vcs.core.ids import BeadId, CommitId, OperationId, WorkspaceName
from oya_vcs.core.intake import take_in
from oya_vcs.core.operations import (
    Head,
    Movement,
    MovementKind,
    OperationSeen,
    OperationsPassed,
    Passing,
    Subject,
)
from oya_vcs.core.pulls import Level, PullState
from oya_vcs.core.submissions import Submission, submit
from oya_vcs.core.usage import Usage
from oya_vcs.journal import checkpoint, replay, snapshot
from oya_vcs.journal.chain import GENESIS, link
from oya_vcs.journal.codec import encode
from oya_vcs.journal.lines import Raw, line_of
from oya_vcs.ports import Recorded
from tests.daemons import REPO, Daemon, Kill, spec
from tests.merge_dice import Dice
from tests.merging import Scene
from tests.pulling import Hub

FOLDER = Path(__file__).resolve().parent.parent / "fixtures" / "journals"


FIRST = [
    spec("both-1"),
    spec("both-2"),
    spec("bad", priority=0, labels=("risky", "q")),
    spec("weak", files=("weak.txt",)),
    spec("after", "weak", "both-2"),
    spec("idle", description='Say "nothing" \\ do nothing.'),
    spec("look", allow_empty=True),
    spec("later", tenant="other"),
]


async def story() -> Daemon:
    """Lives of a daemon: conflict and rework, failing checks, deferral, refusal, an interrupted
    worker, a retry, a revision, a target that is gone, one that moves, and a removal that fails."""
    daemon = Daemon(new_outside({"shared": "start", "a": "1"}), attempts_max=2)
    outside = daemon.outside
    calls: list[str] = []

    def worker(effect: f.RunWorker, files: Files) -> Work:
        calls.append(effect.bead)
        tries = calls.count(effect.bead)
        if effect.bead.startswith("both"):
            return Work({"shared": files["shared"] + f" {effect.bead}"})
        if effect.bead == "later" and tries == 1:
            return Work(reason=e.Reason.WORKER_DEFERRED, detail="Not now.")
        if effect.bead == "weak" and tries <= 2:
            return Work(reason=e.Reason.WORKER_FAILED, detail="I cannot do this.\nReally.")
        if effect.bead == "idle":
            return Work()
        return Work({f"{effect.bead}.txt": f"ünïcode by attempt {effect.attempt}\n"})

    def check(files: Files) -> str:
        if "last.txt" in files and "theirs" not in files:
            lands_by_hand(daemon, {"theirs": "x"})
        looked = [name for name, one in outside.commits.items() if "Oya-Bead: look" in one.message]
        if looked and "look.txt" not in files:
            lands_by_hand(daemon, outside.commits[looked[0]].files, looked[0])
        return "bad.txt must not be there" if "bad.txt" in files else ""

    daemon.worker, daemon.check = worker, check
    await daemon.run_to_rest(FIRST, Kill(8))
    for key, effect in replay.replay(daemon.journal.read()).open.items():
        if isinstance(effect, f.RunWorker):  # one had begun, and died in the middle of its work
            outside.outcomes.pop(key, None)
    await daemon.run_to_rest(FIRST, Kill(3))
    await daemon.run_to_rest(FIRST)
    await append(daemon, e.BeadRetried(bead=BeadId("weak")))
    await daemon.run_to_rest([spec("idle", allow_empty=True)])
    target, outside.target = outside.target, None
    await daemon.run_to_rest([spec("last")])
    outside.target = target
    await append(daemon, e.Received(delivery="person:1"), e.QueueResumed(repo=REPO))
    await block(daemon)
    await append(daemon, e.QueueResumed(repo=REPO))
    daemon.refuse(f.RunChecks, times=1)
    await daemon.run_to_rest([spec("held")])
    await append(daemon, e.QueueResumed(repo=REPO))
    await daemon.run_to_rest()
    kept = [row.event for row in daemon.journal.read() if isinstance(row.event, e.AttemptClaimed)]
    bad = next(event for event in kept if event.bead == "bad")
    await append(daemon, e.WorkspaceDiscarded(bead=bad.bead, workspace=bad.workspace))
    await daemon.run_to_rest([spec("open-end"), spec("waits", "open-end")], Kill(7))
    return daemon


def lands_by_hand(daemon: Daemon, files: Files, *others: CommitId) -> None:
    """A person moves the target, to a merge with other commits."""
    outside = daemon.outside
    assert outside.target is not None
    on = (outside.target, *others)
    outside.move_target(outside.commit({**outside.commits[on[0]].files, **files}, on, "By hand"))


async def block(daemon: Daemon) -> None:
    """A life in which the target is gone when the candidate is to be built."""
    outside = daemon.outside
    before, worker = outside.target, daemon.worker

    def takes_the_target(effect: f.RunWorker, files: Files) -> Work:
        outside.target = None
        return worker(effect, files)

    daemon.worker = takes_the_target
    await daemon.run_to_rest()
    daemon.worker, outside.target = worker, before


async def append(daemon: Daemon, *events: e.Event) -> None:
    """What a person did between two lives."""
    await daemon.journal.append(daemon.clock.now_ms(), events)


def raw_rows(rows: list[Recorded]) -> list[Raw]:
    """The rows as the journal would hold them."""
    raws: list[Raw] = []
    digest = GENESIS
    for row in rows:
        name, version, subject, key, data = encode(row.event)
        cells = (
            row.seq,
            row.at_ms,
            name.encode(),
            version,
            subject.encode(),
            None if key is None else key.encode(),
            data,
        )
        digest = link(digest, cells)
        raws.append((*cells, digest))
    return raws


def asked() -> list[Recorded]:
    """What people ask of beads: to pause and go on, to cancel in every state; workspaces that are
    prepared, given up and swept; checks that have begun."""
    scene = Scene(attempts_max=2)
    here = scene.here
    here.policy = replace(here.policy, setup=True)
    one, two, three, four = (BeadId(name) for name in ("one", "two", "three", "four"))
    scene.submit("one")
    checks = next(key for key, effect in scene.pending.items() if isinstance(effect, f.RunChecks))
    checked = scene.pending[checks]
    assert isinstance(checked, f.RunChecks)
    begun = e.ChecksStarted(bead=one, change=checked.change, candidate=checked.candidate)
    scene.take(begun, e.Received(delivery="person:2", content="digest"))
    for name in (two, three, four):
        event = take_in(scene.world, scene.repo, spec(name)).event
        assert event is not None
        scene.take(event)
    scene.settle(f.RunWorker, f.RunChecks)
    scene.take(e.BeadPaused(bead=two, who="uma", why="It is late."))
    scene.take(e.BeadResumed(bead=two, who="uma"))
    scene.take(e.CancelRequested(bead=three, who="uma", why="Not needed."))
    for key, effect in tuple(scene.pending.items()):
        if isinstance(effect, f.RunWorker) and key in scene.world.stops:
            ended = e.WorkerFinished(
                key=key,
                bead=effect.bead,
                attempt=effect.attempt,
                reason=scene.world.stops[key],
                exit_code=None,
                detail="The worker was stopped before its end.",
            )
            scene.carry_out(key, ended)
    gone = next(one.name for one in scene.world.workspaces.values() if one.bead == three)
    scene.take(e.WorkspaceDiscarded(bead=three, workspace=gone))
    scene.settle(f.RunWorker)
    swept = e.WorkspaceSwept(
        repo=scene.repo, workspace=WorkspaceName("b0-a1-0"), why="Nobody knows it.", pinned=None
    )
    scene.take(swept)
    scene.take(e.BeadRetried(bead=three))
    return scene.rows


def pulled() -> list[Recorded]:
    """Pull requests: comments, labels, reviews and trials; approved, held, pushed to, closed,
    landed; one of a bead, and one that is in the middle of it all."""
    hub = Hub(ann=Level.WRITE, bob=Level.READ, tom=Level.TRIAGE)
    for number in (1, 2, 3, 4):
        hub.opens("bob", number, body=f"Topic {number}: ünïcode, @bob, Closes #9.")
    hub.says("tom", 1, "@oya try\n@oya lgtm")
    hub.says("ann", 1, "@oya delegate=tom\n@oya r+ p=1")
    hub.labels("ann", 2, "oya:queue", "oya:priority/0")
    hub.pushes("bob", 2)
    hub.says("bob", 2, "@oya r+")
    hub.says("tom", 3, "@oya r+")
    hub.says("ann", 3, "@oya squash\n@oya r=ann,tom\n@oya hold")
    hub.passes("pr-1")
    hub.says("ann", 3, "@oya release")
    hub.fails("pr-3")
    hub.says("ann", 3, "@oya retry")
    hub.reviews("bob", 3, "The name is wrong.")
    hub.says("ann", 3, "@oya rework think again")
    hub.says("ann", 4, "@oya r+")
    hub.edits("bob", 4, state=PullState.CLOSED)
    hub.submit("own")
    number = hub.pull_number("own")
    hub.edits("ann", number, title="By hand", draft=True)
    hub.edits("ann", number, draft=False)
    hub.says("ann", number, "@oya r+\n@oya status")
    hub.passes("own")
    hub.opens("bob", 8)
    hub.take(hub.writes("ann", 8, "@oya r+"))
    hub.take(hub.writes("bob", 8, "@oya r-"))
    return hub.rows


async def submitted() -> Daemon:
    """A person's own commits: one that fails and is mended, one that a newer one replaces while it
    waits."""
    outside = new_outside({"a": "1"})
    bad = "bad.txt must not be there"
    daemon = Daemon(outside, check=lambda files: bad if "bad.txt" in files else "")

    async def submits(path: str, name: str, *facts: e.Event) -> None:
        world = await daemon.run_to_rest()
        tip = outside.tips[-1]
        files = {**outside.commits[tip].files, path: "x"}
        wanted = Submission(
            repo=REPO,
            name=name,
            head=outside.commit(files, (tip,), path),
            title=f"Ünïcode {path}",
            body="Because.",
            who="uma",
        )
        await daemon.run_to_rest(facts=[*submit(world, wanted).facts, *facts])

    await submits("bad.txt", "qpvuntsmwqpt")
    await submits("good.txt", "qpvuntsmwqpt", e.QueuePaused(repo=REPO, by="uma", reason="Wait."))
    await submits("old.txt", "kkmpptxzrspx")
    await submits("new.txt", "kkmpptxzrspx", e.QueueResumed(repo=REPO, unpaused=True))
    return daemon


def watched() -> list[Recorded]:
    """What others do in jj: a bookmark that comes to stand between two commits, and is set; a
    target that is moved; operations that are not told one by one."""
    scene = Scene()
    scene.submit("one")
    tip = scene.world.repos[scene.repo].queue.tip
    assert tip is not None
    commits = [CommitId(digit * 40) for digit in "123"]
    heads = [Head(OperationId(digit * 128), digit * 16) for digit in "abcde"]

    def passed(why: Passing, at: int, *moved: Movement) -> None:
        since = scene.world.repos[scene.repo].seen
        known = (heads[at],)
        event = OperationsPassed(
            repo=scene.repo, why=why, movements=moved, since=since, heads=known
        )
        scene.take(event)

    def seen(at: int, *moved: Movement) -> None:
        event = OperationSeen(
            repo=scene.repo,
            operation=heads[at].operation,
            by="uma@here",
            description="ünïcode",
            ended_ms=1_700_000_000_000,
            movements=moved,
            beyond=7,
            since=scene.world.repos[scene.repo].seen,
            heads=(heads[at],),
        )
        scene.take(*following(scene.world, scene.repo, [event]))

    def bookmark(name: str, *after: CommitId, before: CommitId) -> Movement:
        return Movement(
            kind=MovementKind.BOOKMARK_MOVED,
            subject=Subject.BOOKMARK,
            name=name,
            before=(before,),
            after=after,
            conflicted=len(after) > 1,
        )

    passed(Passing.FIRST, 0)
    seen(1, bookmark("torn", *commits[:2], before=commits[2]))
    seen(2, bookmark("main", commits[0], before=tip))
    passed(Passing.ABANDONED, 3, bookmark("other", *commits[1:], before=commits[0]))
    seen(4, bookmark("torn", commits[2], before=commits[0]))
    return scene.rows


async def judged() -> Daemon:
    """An agent that says what it used before its daemon dies; a result that does not stand up to
    the verify command, and is made again."""

    def bend(event: e.Event) -> e.Event:
        if isinstance(event, e.ResultVerified) and event.attempt < 3:
            return replace(event, reason=e.Reason.VERIFY_FAILED, detail="make: *** [verify]")
        return event

    daemon = Daemon(new_outside({"a": "1"}), verify=True, bend=bend)
    beads, boundary = [spec("one"), spec("two", "one")], 0
    while True:
        boundary += 1
        world = await daemon.run_to_rest(beads, Kill(boundary))
        works = world.open.items()
        runs = [(run, work) for run, work in works if isinstance(work, f.RunWorker)]
        if runs:
            break
    used = Usage(tokens_in=900, tokens_out=100, cost_micros=7, metered=True)
    for run, work in runs:
        told = e.UsageCounted(run=run, bead=work.bead, attempt=work.attempt, usage=used)
        await append(daemon, told)
    await daemon.run_to_rest()
    return daemon


STORIES: Mapping[str, Callable[[], list[Recorded]]] = {
    "golden-1": lambda: list(asyncio.run(story()).journal.read()),
    "golden-2": lambda: Dice(894).run().rows,
    "golden-3": lambda: Dice(137).run().rows,
    "golden-4": asked,
    "golden-5": pulled,
    "golden-submitted": lambda: list(asyncio.run(submitted()).journal.read()),
    "golden-watched": watched,
    "golden-judged": lambda: list(asyncio.run(judged()).journal.read()),
}
"""Each was told once, by the program of its time; the two of dice have most of what can happen in a
merge queue (`tests/merge_dice.py`)."""


def main(name: str) -> None:
    """Write the files of a new golden journal."""
    rows = STORIES[name]()
    world = replay.replay(rows)
    raws = raw_rows(rows)
    FOLDER.mkdir(exist_ok=True)
    with (FOLDER / f"{name}.jsonl").open("xb") as lines:
        lines.writelines(map(line_of, raws))
    with (FOLDER / f"{name}.state.json").open("x") as state:
        found = {"digest": replay.digest(world), "state": replay.plain(world)}
        json.dump(found, state, indent=1, ensure_ascii=False)
        state.write("\n")
    cut = len(rows) // 2
    half = replay.replay(rows[:cut])
    taken = checkpoint.save(FOLDER, half, cut, raws[cut - 1][7])
    taken.rename(FOLDER / f"{name}.format-{snapshot.FORMAT}.checkpoint")
    kinds = {type(row.event).__name__ for row in rows}
    missing = sorted({kind.__name__ for kind in e.EVENTS} - kinds)
    sys.stdout.write(f"{len(rows)} events; kinds of event that are not told: {missing}\n")


if __name__ == "__main__":
    main(sys.argv[1])
