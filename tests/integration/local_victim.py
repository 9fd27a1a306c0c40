"""A process that builds, checks and lands a stack of changes, and kills itself on the way, as told
in argv."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from dataclasses import asdict
from pathlib import Path

from oya_vcs.adapters.clock import SystemClock
from oya_vcs.adapters.jj import Programs, open_remote, open_repository
from oya_vcs.adapters.local import LocalForge
from oya_vcs.adapters.process import ReaperRunner
from oya_vcs.core import effects as f
from oya_vcs.core import events as e
from oya_vcs.core.effects import effect_key
from oya_vcs.core.ids import BeadId, ChangeId, CommitId, RepoId
from oya_vcs.ports import Remote, Repository
from tests.integration.local_changes import MADE_AT_MS, Watched, WatchedRemote, no_report

EVENTS = {kind.__name__: kind for kind in e.EVENTS}
CHECKS = {"one": "test -f new-0.txt", "two": "git status --porcelain"}


def forge(repository: Repository, home: Path, remote: Remote | None) -> LocalForge:
    """The forge that the victim and its successor share."""
    return LocalForge(
        repository,
        ReaperRunner(home / "runs", SystemClock()),
        target="main",
        checks_at=lambda text: CHECKS,
        checkouts=home / "checkouts",
        logs=home / "logs",
        check_ms_max=20_000,
        environ={"PATH": os.environ["PATH"]},
        checks_slots=2,
        checks_parallel=2,
        remote=remote,
    )


async def settle(local: LocalForge, record: Path, effect: f.Effect) -> e.Event:
    """Carry an effect out as the outbox would: settled once it is recorded, probed if it was begun
    by another."""
    key = effect_key(effect)
    settled, begun = record / f"{key}.settled", record / f"{key}.begun"
    if settled.exists():
        kept = json.loads(settled.read_text())
        return EVENTS[kept.pop("event")](**kept)
    found = await local.probe(key, effect) if begun.exists() else None
    begun.touch()
    event = found if isinstance(found, e.Event) else await local.do(key, effect, no_report)
    part = record / f"{key}.part"
    kept = {"event": type(event).__name__, **asdict(event)}  # type: ignore[call-overload]
    part.write_text(json.dumps(kept))
    part.rename(settled)
    return event


async def carry(local: LocalForge, record: Path, heads: list[CommitId]) -> list[e.Event]:
    """Build the changes on one another, check them at once, land them in order and let go of what
    is left; returns what became of the landings."""
    built: list[e.CandidateBuilt] = []
    for number, head in enumerate(heads):
        build = f.BuildCandidate(
            repo=RepoId("r"),
            bead=BeadId(f"b{number}"),
            change=ChangeId(f"c{number}"),
            head=head,
            round=1,
            message="Land\n",
            made_at_ms=MADE_AT_MS,
            onto=built[-1].commit if built else None,
        )
        event = await settle(local, record, build)
        assert isinstance(event, e.CandidateBuilt), event
        built.append(event)
    todo = [
        f.RunChecks(
            repo=RepoId("r"), bead=one.bead, change=one.change, round=1, candidate=one.commit
        )
        for one in built
    ]
    for checked in await asyncio.gather(*(settle(local, record, one) for one in todo)):
        assert isinstance(checked, e.ChecksFinished), checked
        assert checked.reason is None, checked
    landings: list[e.Event] = []
    for one in built:
        land = f.Land(
            repo=RepoId("r"),
            bead=one.bead,
            change=one.change,
            round=1,
            base=one.base,
            commit=one.commit,
            tree=one.tree,
        )
        landings.append(await settle(local, record, land))
        drop = f.DropCandidates(repo=RepoId("r"), bead=one.bead, change=one.change, round=1)
        await settle(local, record, drop)
    return landings


async def die(orders: dict[str, str]) -> None:
    """Begin, and be killed at the moment that was ordered."""
    home = Path(orders["home"])
    programs = Programs(
        jj=Path(orders["jj"]),
        git=Path(orders["git"]),
        path=os.environ["PATH"],
        home=Path(orders["jj_home"]),
        user=json.loads(orders["user"]),
    )
    repository = await open_repository(
        Path(orders["root"]), workspaces=Path(orders["workspaces"]), programs=programs
    )

    def kill() -> None:
        if orders["all"]:
            os.killpg(0, signal.SIGKILL)
        os.kill(os.getpid(), signal.SIGKILL)

    async def before(number: int) -> None:
        if number == int(orders["call"]):
            delay_s = int(orders["delay_us"]) / 1_000_000
            asyncio.get_running_loop().call_later(delay_s, kill)

    watched = Watched(repository, before=before)
    remote: Remote | None = None
    if orders["remote"]:
        found = await open_remote(repository, "origin", os.environ)
        remote = WatchedRemote(found, watched)
    heads = [CommitId(head) for head in orders["heads"].split()]
    await carry(forge(watched, home, remote), home, heads)
    sys.stdout.write(f"{len(watched.calls)}\n")


if __name__ == "__main__":
    asyncio.run(die(json.loads(sys.argv[1])))
