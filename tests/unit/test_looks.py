"""Looks of gates that people wait for, over gates in memory."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from oya_vcs.core.events import ChecksFinished, Reason
from oya_vcs.core.ids import BeadId, ChangeId, CommitId, Key, RepoId
from oya_vcs.core.policy import Policy
from oya_vcs.errors import InputInvalid, NoDaemon, WorldFailed
from oya_vcs.ports import Sight
from oya_vcs.runtime import looks
from oya_vcs.runtime.looks import Looks
from oya_vcs.runtime.roster import Eyes, Roster, Served

ROOT = Path("/r")
GOOD, BAD = CommitId("a" * 40), CommitId("b" * 40)


class Keeper:
    """Gates that block one commit, and wait while they are told to."""

    def __init__(self) -> None:
        self.seen: list[CommitId] = []
        self.go = asyncio.Event()
        self.stopped = asyncio.Event()
        self.go.set()

    async def look(
        self, gate: str, key: Key, bead: BeadId, change: ChangeId, commit: CommitId
    ) -> ChecksFinished | None:
        self.seen.append(commit)
        try:
            await self.go.wait()
        except asyncio.CancelledError:
            self.stopped.set()
            raise
        if commit == GOOD:
            return None
        return ChecksFinished(
            key=key,
            bead=bead,
            change=change,
            candidate=commit,
            reason=Reason.CHECK_FAILED,
            check="hooks.pre_push",
            detail="No secrets.",
        )


async def nothing(_keys: Sequence[Key]) -> Mapping[Key, Sight]:
    """No run."""
    return {}


async def none() -> frozenset[str]:
    """No workspace."""
    return frozenset()


def over(keeper: Keeper | None) -> Looks:
    """A daemon that works on the repository at /r."""
    policy = Policy(repo=RepoId("r-1"), slots=1, attempts_max=1, backoff_ms=1)
    eyes = Eyes(runs=nothing, folders=none, listed=none)  # type: ignore[arg-type]
    served = Served(
        root=ROOT,
        target="main",
        policy=policy,
        performers=(),
        eyes=eyes,
        lease_ms=0,
        look=None if keeper is None else keeper.look,
    )
    return Looks(Roster(served), lambda path: path)


def asking(*commits: str, run: str = "1", path: str = "/r") -> dict[str, object]:
    """A request."""
    return {"run": run, "gate": "pre_push", "path": path, "commits": list(commits)}


async def test_each_commit_is_looked_at_up_to_the_first_that_is_blocked() -> None:
    """With the words of the gate, and the commit that they are about."""
    keeper = Keeper()
    here = over(keeper)
    assert await here.ask(asking(GOOD)) == {"ended": True, "ok": True, "said": ""}
    said = await here.ask(asking(GOOD, BAD, GOOD, run="2"))
    assert said == {"ended": True, "ok": False, "said": f"At {BAD[:12]}: No secrets."}
    assert keeper.seen == [GOOD, GOOD, BAD]
    assert await over(None).ask(asking(BAD)) == {"ended": True, "ok": True, "said": ""}


async def test_a_look_takes_as_long_as_it_takes_and_is_begun_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An answer comes within its time; asked again under its name it goes on."""
    monkeypatch.setattr(looks, "ANSWER_S", 0.0)
    keeper = Keeper()
    keeper.go.clear()
    here = over(keeper)
    for _ in range(3):
        assert await here.ask(asking(GOOD)) == {"ended": False}
    keeper.go.set()
    monkeypatch.setattr(looks, "ANSWER_S", 60.0)
    assert await here.ask(asking(GOOD)) == {"ended": True, "ok": True, "said": ""}
    assert keeper.seen == [GOOD]


async def test_a_look_that_nobody_waits_for_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever pushed is gone: what runs for them ends."""
    monkeypatch.setattr(looks, "ANSWER_S", 0.0)
    monkeypatch.setattr(looks, "ABANDONED_S", 0.0)
    keeper = Keeper()
    keeper.go.clear()
    assert await over(keeper).ask(asking(GOOD)) == {"ended": False}
    await asyncio.wait_for(keeper.stopped.wait(), 60)


async def test_where_nobody_can_look_it_is_said() -> None:
    """A repository that is not worked on, one that stands aside, a request of another form."""
    here = over(Keeper())
    with pytest.raises(NoDaemon, match="does not work on /other"):
        await here.ask(asking(GOOD, path="/other"))
    here.roster.set_aside(RepoId("r-1"), "It is gone.")
    with pytest.raises(NoDaemon, match="It is gone"):
        await here.ask(asking(GOOD))
    for wrong in (asking("short"), asking(GOOD) | {"run": 1}, asking(*[GOOD] * 51), {}):
        with pytest.raises(InputInvalid):
            await here.ask(wrong)


async def test_what_the_world_refuses_is_told() -> None:
    """A look that came to nothing lets nothing pass."""

    class Broken(Keeper):
        async def look(
            self, gate: str, key: Key, bead: BeadId, change: ChangeId, commit: CommitId
        ) -> ChecksFinished | None:
            raise WorldFailed("The disk is full.")

    with pytest.raises(WorldFailed, match="full"):
        await over(Broken()).ask(asking(GOOD))
