"""Checks at once: of several candidates, and of one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from oya_vcs.adapters.jj import JjRepository
from oya_vcs.adapters.local.capacity import BYTES_A_CHECK, checks_that_fit
from oya_vcs.core import effects as f
from oya_vcs.core import events as e
from oya_vcs.core.effects import effect_key
from oya_vcs.core.ids import BeadId, ChangeId, Key, RepoId
from oya_vcs.ports import Finished, Order, Probe, Spawned
from tests.integration.conftest import UserRepo
from tests.integration.local_changes import Changes, no_report, processes_in

WAIT_S = 60


@pytest.fixture(params=["colocated"])
def repo_kind(request: pytest.FixtureRequest) -> str:
    """One kind is enough where checks read objects alone."""
    return str(request.param)


@pytest.fixture
def changes(user_repo: UserRepo, repository: JjRepository, tmp_path: Path) -> Changes:
    """Changes to the user's repository, and a home of our own."""
    return Changes(user=user_repo, repository=repository, home=tmp_path / "oya")


async def checking(changes: Changes, number: int) -> tuple[Key, f.RunChecks]:
    """The effect of checking the candidate of a change of its own."""
    built = await changes.built(changes.head({f"new-{number}": "new\n"}))
    effect = f.RunChecks(
        repo=RepoId("r"),
        bead=BeadId(f"b{number}"),
        change=ChangeId(f"c{number}"),
        round=1,
        candidate=built.commit,
    )
    return effect_key(effect), effect


async def until(reached: Callable[[], bool]) -> None:
    """Wait until it is so."""
    async with asyncio.timeout(WAIT_S):
        while not reached():  # noqa: ASYNC110 (a file that a process writes)
            await asyncio.sleep(0.01)


def lines(file: Path) -> list[str]:
    """What processes have written so far."""
    return file.read_text().split() if file.exists() else []


MEET = 'echo x >> {0}; until [ "$(wc -l < {0})" -ge {1} ]; do sleep 0.02; done'
"""Ends only when as many of them run at once."""


async def test_candidates_are_checked_at_once(changes: Changes, tmp_path: Path) -> None:
    """With three slots, checks of three candidates that wait for one another all pass, each in
    files of its own candidate."""
    script = MEET.format(tmp_path / "here", 3) + '; test "$(ls | grep -c new-)" = 1'
    forge = changes.forge({"meet": script}, slots=3)
    todo = [await checking(changes, number) for number in range(3)]
    events = await asyncio.gather(*(forge.do(*one, no_report) for one in todo))
    for (_, effect), event in zip(todo, events, strict=True):
        assert isinstance(event, e.ChecksFinished)
        assert (event.candidate, event.reason) == (effect.candidate, None), event.detail
    folders = changes.home / "checkouts" / changes.repository.id
    assert sorted(path.name for path in folders.iterdir()) == ["1", "2", "3"]


async def test_no_more_run_than_there_are_slots(changes: Changes) -> None:
    """Five candidates with two checks each, two slots, any number of lanes: never three at once;
    those who wait get their turn in the order of asking; a checkout is used again, not another
    made."""
    for parallel in (1, 3):
        runner = Held()
        forge = changes.forge({"a": "x", "b": "y"}, runner=runner, slots=2, parallel=parallel)
        todo = [await checking(changes, number) for number in range(5)]
        doing = [asyncio.create_task(forge.do(*one, no_report)) for one in todo]
        await until(lambda runner=runner: len(runner.running) == 2)  # type: ignore[misc]
        for _ in range(10):
            await until(lambda runner=runner: bool(runner.running))  # type: ignore[misc]
            runner.end()
            assert runner.most <= 2
        await asyncio.gather(*doing)
        assert runner.most == 2
        folders = changes.home / "checkouts" / changes.repository.id
        assert sorted(path.name for path in folders.iterdir()) == ["1", "2"]


async def test_one_slot_is_used_warm(changes: Changes) -> None:
    """Checks one after the other share one checkout though there are many slots."""
    forge = changes.forge({"a": "true"}, slots=9)
    for number in range(3):
        await forge.do(*await checking(changes, number), no_report)
    folders = changes.home / "checkouts" / changes.repository.id
    assert [path.name for path in folders.iterdir()] == ["1"]


async def test_checks_of_one_candidate_at_once(changes: Changes, tmp_path: Path) -> None:
    """Two lanes: two checks that wait for one another pass, in checkouts of their own, and what one
    writes the other does not see."""
    meet = f'echo x > mine; {MEET.format(tmp_path / "here", 2)}; test "$(cat mine)" = x'
    checks = {"left": f"{meet} && test ! -e right", "right": f"touch right; {meet}"}
    key, effect = await checking(changes, 1)
    event = await changes.forge(checks, slots=2, parallel=2).do(key, effect, no_report)
    assert isinstance(event, e.ChecksFinished)
    assert event.reason is None, event.detail
    assert await changes.forge(checks).probe(key, effect) == event


async def test_the_first_failure_decides_and_stops_the_rest(
    changes: Changes, tmp_path: Path
) -> None:
    """Of three at once, two of which would never end, the third fails: at once it is the result,
    the others are gone with all they started, and a fourth never begins."""
    here = tmp_path / "here"
    hang = f"echo $OYA_CHECK >> {here}; setsid sleep 1000 & sleep 1000"
    fail = f"until [ $(wc -l < {here}) -ge 2 ]; do sleep 0.02; done; echo 'it broke'; exit 1"
    checks = {"a": hang, "b": hang, "c": fail, "d": f"echo d >> {here}"}
    key, effect = await checking(changes, 1)
    forge = changes.forge(checks, slots=3, parallel=3, check_ms_max=WAIT_S * 1000)
    async with asyncio.timeout(WAIT_S):
        event = await forge.do(key, effect, no_report)
    assert isinstance(event, e.ChecksFinished)
    assert (event.reason, event.check) == (e.Reason.CHECK_FAILED, "c")
    assert "it broke" in event.detail
    assert sorted(lines(here)) == ["a", "b"]
    assert processes_in(changes.home) == []
    assert await changes.forge(checks).probe(key, effect) == event
    assert await changes.forge(checks).do(key, effect, no_report) == event


async def test_cancelling_stops_every_lane_and_frees_its_slots(
    changes: Changes, tmp_path: Path
) -> None:
    """Cancelled while two run and a third waits: nothing is left of any, the probe says ABSENT, and
    the slots serve the next at once."""
    here = tmp_path / "here"
    hang = f"echo x >> {here}; setsid sleep 1000 & sleep 1000"
    key, effect = await checking(changes, 1)
    forge = changes.forge(dict.fromkeys("abc", hang), slots=2, parallel=3)
    doing = asyncio.create_task(forge.do(key, effect, no_report))
    await until(lambda: len(lines(here)) == 2)
    doing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await doing
    assert processes_in(changes.home) == []
    assert await forge.probe(key, effect) is Probe.ABSENT
    well = changes.forge({"a": MEET.format(tmp_path / "there", 2)}, slots=2)
    todo = [await checking(changes, number) for number in (2, 3)]
    for event in await asyncio.gather(*(well.do(*one, no_report) for one in todo)):
        assert isinstance(event, e.ChecksFinished)
        assert event.reason is None


async def test_two_that_fail_together_are_told_in_the_order_of_the_configuration(
    changes: Changes,
) -> None:
    """What was recorded while the first failure was being dealt with counts: do and probe tell the
    same."""
    runner = Held(failing=True)
    key, effect = await checking(changes, 1)
    forge = changes.forge({"a": "x", "b": "y"}, runner=runner, slots=2, parallel=2)
    doing = asyncio.create_task(forge.do(key, effect, no_report))
    await until(lambda: len(runner.running) == 2)
    runner.end_when_cancelled = True
    runner.end("b")
    event = await doing
    assert isinstance(event, e.ChecksFinished)
    assert event.check == "a"
    assert await forge.probe(key, effect) == event


class Held:
    """A runner whose runs end when the test says so. `most` is how many there were at once."""

    def __init__(self, *, failing: bool = False) -> None:
        self.running: dict[str, asyncio.Event] = {}
        self.most = 0
        self.end_when_cancelled = False
        reason = e.Reason.WORKER_FAILED if failing else None
        self._end = Finished(reason=reason, exit_code=int(failing), detail="Over.", tail="")
        self._ended: dict[Key, Finished] = {}

    def end(self, check: str = "") -> None:
        """Let the first run, or the first of a check, end."""
        first = min(name for name in self.running if name.startswith(check))
        self.running.pop(first).set()

    async def run(self, order: Order, spawned: Spawned) -> Finished:
        over = self.running[f"{order.env['OYA_CHECK']} {order.key}"] = asyncio.Event()
        self.most = max(self.most, len(self.running))
        try:
            await over.wait()
        except asyncio.CancelledError:
            if self.end_when_cancelled:
                self._ended[order.key] = self._end
            raise
        self._ended[order.key] = self._end
        return self._end

    async def outcome(self, key: Key) -> Finished | Probe:
        return self._ended.get(key, Probe.ABSENT)


@pytest.mark.parametrize(
    ("files", "fits"),
    [
        ({"cpu.max": "100000 100000"}, 1),
        ({"cpu.max": "50000 100000"}, 1),
        ({"memory.max": str(BYTES_A_CHECK - 1)}, 1),
        ({"memory.max": "0"}, 1),
    ],
)
def test_the_limits_of_a_container_count(tmp_path: Path, files: dict[str, str], fits: int) -> None:
    """However large the machine: never more than is ours, and never less than one."""
    for name, text in files.items():
        (tmp_path / name).write_text(f"{text}\n")
    assert checks_that_fit(tmp_path) == fits


def test_what_fits_is_at_least_one(tmp_path: Path) -> None:
    """Without limits, or with such as nobody can read, the machine's own."""
    here = checks_that_fit(tmp_path)
    assert here >= 1
    (tmp_path / "cpu.max").write_text("max 100000\n")
    (tmp_path / "memory.max").write_text("max\n")
    assert checks_that_fit(tmp_path) == here
