"""The model of GitHub serves git over HTTP as GitHub does, and loses no push."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest_asyncio

from oya_vcs.adapters.toolbox import Tools
from tests.contract.github_client import client_of, git, listening
from tests.github_model.conversation import Hub, hub_at
from tests.github_model.faults import Fault

PUSH = "POST /{owner}/{repo}.git/git-receive-pack"


@dataclass
class Clone:
    """A clone of the hub's repository, and who pushes from it."""

    hub: Hub
    program: str
    folder: Path

    async def git(self, *args: str) -> tuple[int, str]:
        """Git in the clone."""
        return await git(self.program, self.folder, *args)

    async def commit(self, name: str) -> str:
        """A commit on top of main with a file of that name, checked out; its id."""
        await self.git("checkout", "-q", "--detach", "origin/main")
        (self.folder / name).write_text(name * 2_000, encoding="utf-8")
        await self.git("add", "-A")
        assert (await self.git("commit", "-q", "-m", name))[0] == 0
        return (await self.git("rev-parse", "HEAD"))[1].strip()

    async def push(self, *what: str, token: str = "") -> tuple[int, str]:
        """Push with a token."""
        url = self.hub.git_url.replace("//", f"//x-access-token:{token}@") if token else "origin"
        return await self.git("push", url, *what)


@pytest_asyncio.fixture
async def hub(tmp_path: Path, tools: Tools) -> AsyncIterator[Hub]:
    """A model."""
    async with hub_at(tmp_path / "hub", str(tools.git)) as hub:
        yield hub


@pytest_asyncio.fixture
async def clone(hub: Hub, tmp_path: Path, tools: Tools) -> Clone:
    """A clone over HTTP, by nobody in particular: the repository is public."""
    code, said = await git(str(tools.git), tmp_path, "clone", "-q", hub.git_url, "clone")
    assert code == 0, said
    return Clone(hub, str(tools.git), tmp_path / "clone")


async def test_what_is_pushed_is_there_and_can_be_fetched(hub: Hub, clone: Clone) -> None:
    """A push with an installation's token reaches the bare repository and every other clone."""
    sha = await clone.commit("a.txt")
    async with client_of(hub) as oya:
        code, said = await clone.push("HEAD:refs/heads/side", token=oya.token)
    assert code == 0, said
    assert await hub.target("side") == sha
    code, said = await clone.git("fetch", "-q", "origin")
    assert code == 0, said
    assert (await clone.git("rev-parse", "origin/side"))[1].strip() == sha


async def test_a_commit_can_be_fetched_by_its_id(hub: Hub, clone: Clone) -> None:
    """As from GitHub: also the head of a pull request from a fork."""
    pull = await hub.mallory.opens({"a.txt": "A"}, fork=True)
    for what in (pull.head_sha, f"refs/pull/{pull.number}/head"):
        code, said = await clone.git("fetch", "-q", "origin", what)
        assert code == 0, said
        assert (await clone.git("rev-parse", "FETCH_HEAD"))[1].strip() == pull.head_sha


async def test_who_may_not_push_does_not(hub: Hub, clone: Clone) -> None:
    """No token, a wrong one, a reader's: refused, and nothing moved."""
    await clone.commit("a.txt")
    for token in ("", "wrong", hub.mallory.token):
        code, said = await clone.push("HEAD:refs/heads/side", token=token)
        assert code != 0, said
    assert await hub.repo.bare.ref("refs/heads/side") is None


async def test_what_is_private_is_hidden(hub: Hub, clone: Clone) -> None:
    """A private repository asks for credentials, and shows itself to its readers only."""
    hub.repo.private = True
    assert (await clone.git("fetch", "origin"))[0] != 0
    url = hub.git_url.replace("//", f"//alice:{hub.alice.token}@")
    assert (await clone.git("fetch", url))[0] == 0


async def test_pull_request_refs_are_github_s_own(hub: Hub, clone: Clone) -> None:
    """Nobody pushes to refs/pull/*."""
    pull = await hub.alice.opens({"a.txt": "A"})
    await clone.commit("b.txt")
    code, said = await clone.push(f"+HEAD:refs/pull/{pull.number}/head", token=hub.ann.token)
    assert code != 0
    assert "deny updating a hidden ref" in said
    assert await hub.repo.bare.ref(f"refs/pull/{pull.number}/head") == pull.head_sha


async def test_protection_refuses_pushes(hub: Hub, clone: Clone) -> None:
    """Unchecked, by force, or deleting: refused with the reason; with its check passed, taken.
    An unprotected ref of the same push goes through."""
    sha = await clone.commit("a.txt")
    hub.protects(checks=("test",))
    code, said = await clone.push(
        "HEAD:refs/heads/main", "HEAD:refs/heads/side", token=hub.ann.token
    )
    assert code != 0
    assert 'Required status check "test" is expected.' in said
    assert await hub.target("side") == sha
    await hub.ci.checks(sha, "success")
    code, said = await clone.push("HEAD:refs/heads/main", token=hub.ann.token)
    assert code == 0, said
    assert await hub.target() == sha
    first = (await clone.git("rev-parse", "HEAD~1"))[1].strip()
    await hub.ci.checks(first, "success")
    for what in ("+HEAD~1:refs/heads/main", ":refs/heads/main"):
        code, said = await clone.push(what, token=hub.ann.token)
        assert code != 0, said
    assert await hub.target() == sha


async def test_a_linear_branch_takes_no_merge(hub: Hub, clone: Clone) -> None:
    """By a push neither."""
    side = await clone.commit("b.txt")
    await clone.git("checkout", "-q", "--detach", "HEAD~1")
    await clone.git("merge", "-q", "--no-ff", "-m", "Merge", side)
    hub.protects(linear=True)
    code, said = await clone.push("HEAD:refs/heads/main", token=hub.ann.token)
    assert code != 0
    assert "must not contain merge commits" in said
    code, said = await clone.push(f"{side}:refs/heads/main", token=hub.ann.token)
    assert code == 0, said


async def test_a_push_moves_pull_requests_and_the_ci(hub: Hub, clone: Clone) -> None:
    """A pushed head is recorded, a pushed merge is shown as merged, a queue branch is built."""
    pull = await hub.alice.opens({"a.txt": "A"})
    await clone.git("fetch", "-q", "origin", pull.head_ref)
    await clone.git("checkout", "-q", "--detach", "FETCH_HEAD")
    (clone.folder / "b.txt").write_text("B", encoding="utf-8")
    await clone.git("add", "-A")
    await clone.git("commit", "-q", "-m", "More")
    head = (await clone.git("rev-parse", "HEAD"))[1].strip()
    await clone.push(
        f"HEAD:refs/heads/{pull.head_ref}", "HEAD:refs/heads/oya/queue/1", token=hub.alice.token
    )
    await hub.settled()
    assert (pull.head_sha, hub.ci.built) == (head, [head])
    assert [run.conclusion for run in hub.repo.runs.values()] == ["success"]
    await clone.push("HEAD:refs/heads/main", token=hub.alice.token)
    assert pull.merged


async def test_no_push_is_lost_and_called_done(hub: Hub, clone: Clone, tmp_path: Path) -> None:
    """Eight at once to one branch from the same place: one is told that it is done, and its
    commit is there; the others are told that they are not."""
    heads = [await clone.commit(f"{number}.txt") for number in range(8)]
    url = hub.git_url.replace("//", f"//alice:{hub.alice.token}@")
    pushes = [clone.git("push", url, f"{head}:refs/heads/main") for head in heads]
    codes = [code for code, _ in await asyncio.gather(*pushes)]
    assert codes.count(0) == 1
    assert await hub.target() == heads[codes.index(0)]


async def test_each_push_is_told_once(hub: Hub, clone: Clone) -> None:
    """Six at once to branches of their own: one event each, whoever came first."""
    sha = await clone.commit("a.txt")
    url = hub.git_url.replace("//", f"//alice:{hub.alice.token}@")
    async with listening(hub) as came:
        pushes = [clone.git("push", url, f"{sha}:refs/heads/{name}") for name in "abcdef"]
        assert all(code == 0 for code, _ in await asyncio.gather(*pushes))
        await hub.settled()
    refs = sorted(json.loads(one.body)["ref"] for one in came if one.event == "push")
    assert refs == [f"refs/heads/{name}" for name in "abcdef"]


async def test_a_push_that_is_done_and_not_acknowledged(hub: Hub, clone: Clone) -> None:
    """The fault that costs bots their data: 500, and the ref did move; or it did not."""
    sha = await clone.commit("a.txt")
    hub.faults.on(PUSH, Fault.FAIL_BEFORE)
    hub.faults.on(PUSH, Fault.FAIL_AFTER)
    codes = [
        (await clone.push(f"HEAD:refs/heads/{branch}", token=hub.ann.token))[0]
        for branch in ("before", "after")
    ]
    assert all(codes)
    heads = await hub.repo.bare.refs("refs/heads/")
    assert "refs/heads/before" not in heads
    assert heads["refs/heads/after"] == sha
