"""Changes that are pull requests: opened once, landed so that GitHub shows it, tidied up."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio

from oya_vcs.adapters.toolbox import Tools
from oya_vcs.core import effects as f
from oya_vcs.core import events as e
from oya_vcs.core.effects import effect_key
from oya_vcs.core.ids import BeadId, ChangeId, CommitId, RepoId
from oya_vcs.core.pulls import PullTried, TryPull
from tests.contract.test_forge import BAD, GithubWorld, build, check, do, land, no_report
from tests.github_model.conversation import Hub, hub_at
from tests.github_model.faults import Fault

CREATE = "POST /repos/{owner}/{repo}/pulls"


@pytest_asyncio.fixture
async def hub(tmp_path: Path, tools: Tools) -> AsyncIterator[Hub]:
    """A model of GitHub."""
    async with hub_at(tmp_path / "hub", str(tools.git)) as hub:
        yield hub


@pytest_asyncio.fixture
async def world(hub: Hub, tmp_path: Path, tools: Tools) -> AsyncIterator[GithubWorld]:
    """A project whose target is there."""
    world = GithubWorld(tmp_path, tools, hub)
    await world.start()
    yield world
    await world.close()


def opening(head: CommitId, attempt: int = 1, title: str = "Write it") -> f.OpenChange:
    """The effect of opening the pull request of bead b."""
    return f.OpenChange(
        repo=RepoId("r"),
        bead=BeadId("b"),
        attempt=attempt,
        change=ChangeId(f"b.{attempt}"),
        head=head,
        title=title,
        text="What @ann asks for.\n\nIt is finished when:\n\nThe tests pass.",
    )


def land_pull(built: e.CandidateBuilt, number: int) -> f.Land:
    """The effect of landing a candidate that is the work of a pull request."""
    return replace(land(built), pulls=(f.LandedPull(number, built.commit),))


async def test_a_bead_has_one_pull_request(hub: Hub, world: GithubWorld) -> None:
    """Opened from a branch of its own, found by a new process, and updated by the next attempt."""
    first = opening(world.head({"a.txt": "1\n"}, world.tip()))
    opened = await do(world, first)
    assert isinstance(opened, e.ChangeOpened)
    assert await world.forge().probe(effect_key(first), first) == opened
    second = opening(world.head({"a.txt": "2\n"}, world.tip()), 2, "Write it, @all, better")
    again = await do(world, second)
    assert isinstance(again, e.ChangeOpened)
    assert again.number == opened.number > 0
    (pull,) = hub.repo.pulls.values()
    assert (pull.head_ref, pull.head_sha) == ("oya/bead/b", second.head)
    assert pull.title == "Write it, @ all, better"
    said = (pull.body or "").split("\n\n")
    assert said[1:] == ["What @ ann asks for.", "It is finished when:", "The tests pass."]


@pytest.mark.parametrize("fault", [Fault.FAIL_AFTER, Fault.DROP_AFTER, Fault.FAIL_BEFORE])
async def test_an_answer_that_is_lost_opens_no_second_one(
    hub: Hub, world: GithubWorld, fault: Fault
) -> None:
    """Whether it was done or not: one pull request in the end."""
    hub.faults.on(CREATE, fault)
    opened = await do(world, opening(world.head({"a.txt": "1\n"}, world.tip())))
    assert isinstance(opened, e.ChangeOpened)
    assert list(hub.repo.pulls) == [opened.number]


@pytest.mark.parametrize("method", ["merge", "squash", "rebase"])
async def test_what_landed_is_shown_as_merged(hub: Hub, world: GithubWorld, method: str) -> None:
    """By whatever method, with a tested tree, and with no branch of a candidate left behind."""
    head = world.head({"a.txt": "1\n"}, world.tip())
    opened = await do(world, opening(head))
    assert isinstance(opened, e.ChangeOpened)
    built = await do(world, build(head, method=method))
    assert isinstance(built, e.CandidateBuilt)
    assert isinstance(await do(world, check(built.commit)), e.ChecksFinished)
    landed = await do(world, land_pull(built, opened.number))
    assert isinstance(landed, e.Landed)
    assert await hub.tree("refs/heads/main") == built.tree
    assert hub.repo.pulls[opened.number].merged
    refs = await hub.repo.bare.refs()
    assert not [ref for ref in refs if ref.startswith("refs/heads/oya/queue/") and "/c/" in ref]


async def test_a_push_in_the_last_moment_is_not_lost(hub: Hub, world: GithubWorld) -> None:
    """Somebody pushed to the pull request after it was approved: their commit stays its head, and
    what was approved lands all the same."""
    head = world.head({"a.txt": "1\n"}, world.tip())
    opened = await do(world, opening(head))
    assert isinstance(opened, e.ChangeOpened)
    built = await do(world, build(head, method="squash"))
    assert isinstance(built, e.CandidateBuilt)
    await do(world, check(built.commit))
    theirs = await hub.bob.pushes(hub.repo.pulls[opened.number], {"a.txt": "theirs\n"})
    assert isinstance(await do(world, land_pull(built, opened.number)), e.Landed)
    assert world.tip() == built.commit
    assert await hub.repo.bare.ref("refs/heads/oya/bead/b") == theirs


@pytest.mark.parametrize("fork", [False, True])
async def test_a_persons_pull_request_is_tested_and_landed(
    hub: Hub, world: GithubWorld, *, fork: bool
) -> None:
    """Its commits are fetched from GitHub, from a fork too; no branch and no pull request of ours
    is made for it."""
    pull = await hub.alice.opens({"new.txt": "new\n"}, fork=fork)
    bead = BeadId(f"pr-{pull.number}")
    effect = f.BuildCandidate(
        repo=RepoId("r"),
        bead=bead,
        change=ChangeId(f"{bead}.1"),
        head=CommitId(pull.head_sha),
        round=1,
        message="Land",
        made_at_ms=1_700_000_000_000,
        pull=pull.number,
    )
    built = await do(world, effect)
    assert isinstance(built, e.CandidateBuilt)
    await do(world, check(built.commit))
    assert isinstance(await do(world, land_pull(built, pull.number)), e.Landed)
    assert pull.merged
    assert len(hub.repo.pulls) == 1


async def test_a_trial_lands_nothing(hub: Hub, world: GithubWorld) -> None:
    """Built, tested, told and let go: the target stays, and no branch or pin is left."""
    before = world.tip()
    for files, reason in (({"n.txt": "n"}, None), ({BAD: "x"}, e.Reason.CHECK_FAILED)):
        pull = await hub.alice.opens(files)
        effect = TryPull(
            repo=RepoId("r"),
            bead=BeadId(f"pr-{pull.number}"),
            number=pull.number,
            round=1,
            head=CommitId(pull.head_sha),
            message="Try",
            made_at_ms=1_700_000_000_000,
        )
        tried = await world.forge().do(effect_key(effect), effect, no_report)
        assert isinstance(tried, PullTried)
        assert tried.reason is reason
    assert world.tip() == before
    assert world.pins() == 0
    assert not [ref for ref in await hub.repo.bare.refs() if "oya/queue" in ref]
