"""jj and git killed at any moment of an effect, the effect's own state lost with them."""

from __future__ import annotations

import asyncio
import random
import time
from pathlib import Path

import pytest

from oya_vcs.adapters.jj import JjRepository
from oya_vcs.core import effects as f
from oya_vcs.core import events as e
from oya_vcs.core.ids import BeadId
from oya_vcs.errors import WorldFailed
from oya_vcs.ports import Probe
from tests.integration.attempts import Attempt, Untouched, no_report
from tests.integration.conftest import UserRepo

SETTLED_S = 20.0


async def killed(attempt: Attempt, effect: f.Effect, delay_s: float) -> bool:
    """Begin the effect and cancel it after the delay, which is SIGKILL for what it has running;
    whether it was not done by then."""
    task = asyncio.ensure_future(attempt.performer.do(f.effect_key(effect), effect, no_report))
    done, _ = await asyncio.wait([task], timeout=delay_s)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    return not done


async def settled(attempt: Attempt, effect: f.Effect) -> e.Event:
    """What the outbox does after a restart: probe, do where absent, again where it may pass."""
    deadline = time.monotonic() + SETTLED_S
    key = f.effect_key(effect)
    while True:
        try:
            found = await attempt.performer.probe(key, effect)
            if found is Probe.ABSENT:
                found = await attempt.performer.do(key, effect, no_report)
        except WorldFailed as error:
            if not error.retryable or time.monotonic() > deadline:
                raise
            await asyncio.sleep(0.05)
        else:
            assert not isinstance(found, Probe)
            return found


async def length_s(user: UserRepo, repository: JjRepository, home: Path) -> float:
    """How long an effect takes here, when nobody kills it: kills fall into all of it."""
    took = []
    for bead in (BeadId("first"), BeadId("second")):
        attempt = Attempt(user, repository, home, bead=bead)
        began = time.monotonic()
        await attempt.create()
        took.append(time.monotonic() - began)
        await attempt.remove(None)
    return min(took)


@pytest.mark.parametrize("seed", range(5))
async def test_killed_effects_are_finished(
    user_repo: UserRepo, repository: JjRepository, tmp_path: Path, seed: int
) -> None:
    """Whatever a killed making, collecting or removing left, probing and doing it again ends well:
    every file kept, no workspace left behind, repository and user's workspace sound."""
    chance = random.Random(seed)
    attempt = Attempt(user_repo, repository, tmp_path / "oya-home")
    before = Untouched.of(user_repo)
    effect_s = await length_s(user_repo, repository, tmp_path / "oya-home")
    creation = attempt.creation()
    kills = [await killed(attempt, creation, chance.uniform(0, effect_s / 2))]
    made = await settled(attempt, creation)
    assert isinstance(made, e.WorkspaceCreated)
    assert attempt.entries().count(attempt.entry) == 1

    (attempt.path / "new").write_text("work\n")
    collection = attempt.collection(made.base)
    kills += [await killed(attempt, collection, chance.uniform(0, effect_s))]
    result = await settled(attempt, collection)
    assert isinstance(result, e.ResultCollected)
    assert attempt.files_of(result.commit)["new"] == b"work\n"

    (attempt.path / "later").write_text("unsaved\n")
    removal = attempt.removal(result.commit)
    kills += [await killed(attempt, removal, chance.uniform(0, effect_s))]
    removed = await settled(attempt, removal)
    assert isinstance(removed, e.WorkspaceRemoved)
    assert removed.pinned is not None
    assert attempt.files_of(removed.pinned)["later"] == b"unsaved\n"

    assert any(kills), "the delays missed every effect"
    assert attempt.entry not in attempt.entries()
    assert not attempt.path.exists()
    assert not list(attempt.trash.iterdir())
    _require_sound(user_repo)
    assert Untouched.of(user_repo) == before


def _require_sound(user: UserRepo) -> None:
    """jj reads its op log, and git finds every object whole."""
    user.peek("op", "log")
    user.git("fsck", "--full", "--no-progress")
