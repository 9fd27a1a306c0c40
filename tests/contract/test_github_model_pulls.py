"""The model of GitHub keeps GitHub's rules for pull requests, refs and checks."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from oya_vcs.adapters.toolbox import Tools
from tests.contract.github_client import Client, client_of
from tests.github_model.bare import ZERO
from tests.github_model.clock import VirtualClock
from tests.github_model.conversation import Hub, hub_at
from tests.github_model.records import Pull
from tests.github_model.tiny_ci import Way


@pytest_asyncio.fixture
async def hub(tmp_path: Path, tools: Tools) -> AsyncIterator[Hub]:
    """A model on a clock that stands still."""
    async with hub_at(tmp_path / "hub", str(tools.git), VirtualClock()) as hub:
        yield hub


@pytest_asyncio.fixture
async def oya(hub: Hub) -> AsyncIterator[Client]:
    """The App's installation."""
    async with client_of(hub) as client:
        yield client


async def candidate(hub: Hub, pull: Pull) -> str:
    """A merge of a pull request into main, on no branch."""
    bare = hub.repo.bare
    base = await hub.target()
    tree = await bare.merge_tree(base, pull.head_sha)
    assert tree
    return await bare.commit_tree(tree, "Merge", base, pull.head_sha)


# --- Merged, closed, mergeable -------------------------------------------------------------------


async def test_merged_is_when_the_base_holds_the_recorded_head(hub: Hub, oya: Client) -> None:
    """Whatever moves the base: once it holds the head, the pull request is merged, and stays so."""
    pull = await hub.alice.opens({"a.txt": "A"})
    merge = await candidate(hub, pull)
    said = await oya.send("PATCH", "/git/refs/heads/main", sha=merge, force=False)
    assert said.status_code == 200
    shown = await oya.get(f"/pulls/{pull.number}")
    assert (shown["state"], shown["merged"], shown["merge_commit_sha"]) == ("closed", True, merge)
    assert shown["merged_by"]["login"] == "oya[bot]"
    assert (await oya.ask("GET", f"/repos/acme/widget/pulls/{pull.number}/merge")).is_success


async def test_what_is_written_beside_the_server_is_noticed(hub: Hub) -> None:
    """A ref that git moved in the bare repository itself has the same consequences, when told."""
    pull = await hub.alice.opens({"a.txt": "A"})
    await hub.repo.bare.run("update-ref", "refs/heads/main", pull.head_sha)
    assert not pull.merged
    await hub.notices(by=hub.alice)
    assert pull.merged_by is hub.alice.account


async def test_a_squash_is_merged_only_if_the_head_moved_first(hub: Hub, oya: Client) -> None:
    """A base with the same tree under another commit leaves the pull request open; with the head
    at that commit before, it is merged."""
    bare = hub.repo.bare
    for first in (False, True):
        pull = await hub.alice.opens({f"{first}.txt": "A"})
        base = await hub.target()
        tree = (await bare.commit(pull.head_sha)).tree
        squash = await bare.commit_tree(tree, "Squashed", base)
        if first:
            await hub.alice.moves(pull.head_ref, squash, force=True)
        await hub.alice.moves("main", squash)
        assert (pull.merged, pull.state) == ((True, "closed") if first else (False, "open"))


async def test_a_head_that_the_base_holds_closes_it_unmerged(hub: Hub) -> None:
    """The trap of moving the base first: the head that follows finds nothing left to merge."""
    pull = await hub.alice.opens({"a.txt": "A"})
    tree = await hub.tree(pull.head_sha)
    squash = await hub.repo.bare.commit_tree(tree, "Squashed", await hub.target())
    await hub.alice.moves("main", squash)
    await hub.alice.moves(pull.head_ref, squash, force=True)
    assert (pull.merged, pull.state) == (False, "closed")


async def test_mergeable_is_unknown_at_first(hub: Hub, oya: Client) -> None:
    """After a change the first answer is null; then it is known, until the next change."""
    pull = await hub.alice.opens({"a.txt": "A"})
    path = f"/pulls/{pull.number}"
    seen = [(await oya.get(path))["mergeable"] for _ in range(2)]
    await hub.bob.pushes_to("main", {"a.txt": "B"})
    seen += [(await oya.get(path))["mergeable"] for _ in range(2)]
    assert seen == [None, True, None, False]
    hub.github.unknown_reads = math.inf
    await hub.alice.pushes(pull, {"c.txt": "C"})
    assert [(await oya.get(path))["mergeable"] for _ in range(5)] == [None] * 5


async def test_drafts_closes_and_retargets_are_shown(hub: Hub, oya: Client) -> None:
    """What people do to a pull request is what the API shows, and its timeline tells who."""
    pull = await hub.alice.opens({"a.txt": "A"}, draft=True)
    await hub.alice.moves("next", await hub.target())
    assert (await oya.get(f"/pulls/{pull.number}"))["draft"]
    hub.alice.drafts(pull, draft=False)
    await hub.alice.retargets(pull, "next")
    hub.bob.labels(pull, "oya:queue")
    hub.mallory.closes(pull)
    shown = await oya.get(f"/pulls/{pull.number}")
    assert (shown["draft"], shown["base"]["ref"], shown["state"]) == (False, "next", "closed")
    told = await oya.get(f"/issues/{pull.number}/events")
    assert [(one["event"], one["actor"]["login"]) for one in told] == [
        ("ready_for_review", "alice"),
        ("labeled", "bob"),
        ("closed", "mallory"),
    ]
    assert told[1]["label"]["name"] == "oya:queue"


async def test_a_pull_request_from_a_fork(hub: Hub, oya: Client) -> None:
    """Its head can be fetched from the base; with the fork deleted it has no head repository."""
    pull = await hub.mallory.opens({"a.txt": "A"}, fork=True)
    new = await hub.mallory.pushes(pull, {"b.txt": "B"})
    assert await hub.repo.bare.ref(f"refs/pull/{pull.number}/head") == new == pull.head_sha
    shown = await oya.get(f"/pulls/{pull.number}")
    assert shown["head"]["repo"]["full_name"] == "mallory/widget"
    hub.mallory.deletes_fork()
    shown = await oya.get(f"/pulls/{pull.number}")
    assert (shown["state"], shown["head"]["repo"]) == ("open", None)


async def test_merging_by_hand(hub: Hub, oya: Client) -> None:
    """PUT …/merge refuses a draft, a conflict, another head and a second time; else it merges."""
    pull = await hub.alice.opens({"a.txt": "A"})
    path = f"/pulls/{pull.number}/merge"
    assert (await oya.send("PUT", path, sha=ZERO)).status_code == 409
    hub.alice.drafts(pull)
    assert (await oya.send("PUT", path)).status_code == 405
    hub.alice.drafts(pull, draft=False)
    done = await oya.send("PUT", path, merge_method="squash")
    assert done.json()["sha"] == await hub.target()
    assert pull.merged
    assert (await oya.send("PUT", path)).status_code == 405


async def test_opening_what_cannot_be_merged_is_422(hub: Hub, oya: Client) -> None:
    """No such branch, nothing between, and a second one for the same branches."""
    pull = await hub.alice.opens({"a.txt": "A"})
    await hub.alice.moves("same", await hub.target())
    for head in ("missing", "same", pull.head_ref, "stranger:branch"):
        said = await oya.send("POST", "/pulls", title="Again", head=head, base="main")
        assert said.status_code == 422, head


async def test_many_opened_at_once_have_numbers_of_their_own(hub: Hub, oya: Client) -> None:
    """Six at the same moment: six numbers, six heads."""
    heads = {name: await hub.alice.pushes_to(name, {name: "A"}) for name in "abcdef"}
    asked = [oya.send("POST", "/pulls", title=name, head=name, base="main") for name in heads]
    made = [answer.json() for answer in await asyncio.gather(*asked)]
    assert {one["number"] for one in made} == {1, 2, 3, 4, 5, 6}
    for one in made:
        assert one["head"]["sha"] == heads[one["title"]]
        ref = f"refs/pull/{one['number']}/head"
        assert await hub.repo.bare.ref(ref) == one["head"]["sha"]


# --- Refs ----------------------------------------------------------------------------------------


async def test_update_refs_is_all_or_nothing(hub: Hub, oya: Client) -> None:
    """One ref that is not where it should be stops all of them; then all move together."""
    pull = await hub.alice.opens({"a.txt": "A"})
    base, new = await hub.target(), pull.head_sha
    main = {"name": "refs/heads/main", "beforeOid": base, "afterOid": new}
    side = {"name": "refs/heads/side", "beforeOid": new, "afterOid": new}
    refused = await oya.update_refs(main, side)
    assert refused["data"] == {"updateRefs": None}
    assert refused["errors"][0]["type"] == "STALE_DATA"
    assert await hub.target() == base
    assert "errors" not in await oya.update_refs(main, side | {"beforeOid": ZERO})
    assert await hub.target() == await hub.target("side") == new
    gone = await oya.update_refs({"name": "refs/heads/side", "beforeOid": new, "afterOid": ZERO})
    assert "errors" not in gone
    assert "errors" in await oya.update_refs({"name": "main", "afterOid": base})


async def test_of_two_updates_from_one_place_one_wins(hub: Hub, oya: Client) -> None:
    """Eight at once from the same beforeOid: exactly one lands."""
    base = await hub.target()
    heads = [
        await hub.alice.commits({f"{n}": ""}, on=base, message=f"{n}", repo=hub.repo)
        for n in range(8)
    ]
    asked = [
        oya.update_refs({"name": "refs/heads/main", "beforeOid": base, "afterOid": head})
        for head in heads
    ]
    done = ["errors" not in answer for answer in await asyncio.gather(*asked)]
    assert done.count(True) == 1
    assert await hub.target() == heads[done.index(True)]


async def test_refs_by_rest(hub: Hub, oya: Client) -> None:
    """Create, move and delete; what is not forward needs force, what is not there is 422."""
    base = await hub.target()
    new = await hub.alice.pushes_to("side", {"a.txt": "A"})
    made = await oya.send("POST", "/git/refs", ref="refs/heads/oya/queue/1", sha=new)
    again = await oya.send("POST", "/git/refs", ref="refs/heads/oya/queue/1", sha=new)
    assert (made.status_code, again.status_code) == (201, 422)
    moved = [
        (await oya.send("PATCH", "/git/refs/heads/oya/queue/1", sha=base, force=force)).status_code
        for force in (False, True)
    ]
    assert moved == [422, 200]
    assert (await oya.send("PATCH", "/git/refs/heads/none", sha=base)).status_code == 422
    gone = await oya.ask("DELETE", "/repos/acme/widget/git/refs/heads/oya/queue/1")
    assert gone.status_code == 204
    assert [one["ref"] for one in await oya.get("/git/matching-refs/heads/oya")] == []


@pytest.mark.parametrize("ruleset", [False, True], ids=["protection", "ruleset"])
async def test_a_protected_branch_takes_what_has_passed(
    hub: Hub, oya: Client, *, ruleset: bool
) -> None:
    """Required checks must have passed at the very commit; nobody forces or deletes."""
    base = await hub.target()
    pull = await hub.alice.opens({"a.txt": "A"})
    hub.protects(checks=("test", "lint"), ruleset=ruleset)
    update = {"name": "refs/heads/main", "beforeOid": base, "afterOid": pull.head_sha}
    refused = await oya.update_refs(update)
    said = refused["errors"][0]["message"]
    assert said == "2 of 2 required status checks are expected."
    await hub.ci.checks(pull.head_sha, "success")
    await hub.ci.checks(pull.head_sha, "failure", "lint")
    by_rest = await oya.send("PATCH", "/git/refs/heads/main", sha=pull.head_sha)
    assert by_rest.json()["message"] == 'Required status check "lint" is expected.'
    await hub.ci.checks(pull.head_sha, "neutral", "lint")
    assert "errors" not in await oya.update_refs(update)
    back = await oya.send("PATCH", "/git/refs/heads/main", sha=base, force=True)
    gone = await oya.ask("DELETE", "/repos/acme/widget/git/refs/heads/main")
    assert (back.status_code, gone.status_code) == (422, 422)
    assert await hub.target() == pull.head_sha


async def test_a_linear_strict_branch(hub: Hub, oya: Client) -> None:
    """No merge commit lands on it, and no pull request that lacks its newest commit."""
    pull = await hub.alice.opens({"a.txt": "A"})
    merge = await candidate(hub, pull)
    hub.protects(linear=True, strict=True)
    refused = await oya.send("PATCH", "/git/refs/heads/main", sha=merge)
    assert refused.json()["message"] == "This branch must not contain merge commits."
    await hub.bob.pushes_to("main", {"b.txt": "B"})
    hub.github.unknown_reads = pull.unknown_reads = 0
    assert (await oya.get(f"/pulls/{pull.number}"))["mergeable_state"] == "behind"
    assert (await oya.send("PUT", f"/pulls/{pull.number}/merge")).status_code == 405


async def test_protection_is_seen_with_administration_only(hub: Hub, oya: Client) -> None:
    """Branch and rulesets show required checks to all, protection's own page only to some."""
    missing = await oya.ask("GET", "/repos/acme/widget/branches/main/protection")
    assert (missing.status_code, missing.json()["message"]) == (404, "Branch not protected")
    hub.protects(checks=("test",))
    hub.protects("rel*", "main", checks=("lint",), ruleset=True)
    shown = await oya.get("/branches/main/protection")
    assert shown["required_status_checks"]["contexts"] == ["test"]
    branch = await oya.get("/branches/main")
    assert branch["protection"]["required_status_checks"]["contexts"] == ["test"]
    rules = {rule["type"]: rule for rule in await oya.get("/rules/branches/main")}
    asked = rules["required_status_checks"]["parameters"]["required_status_checks"]
    assert [one["context"] for one in asked] == ["lint"]
    hub.installation.permissions.pop("administration")
    async with client_of(hub) as lesser:
        answer = await lesser.ask("GET", "/repos/acme/widget/branches/main/protection")
        assert answer.status_code == 403


# --- Checks --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("way", "files", "conclusions"),
    [
        (Way.GREEN, {"a.txt": "A"}, ["success", "success"]),
        (Way.GREEN, {"bad.txt": "A"}, ["failure", "failure"]),
        (Way.RED, {"a.txt": "A"}, ["failure", "failure"]),
        (Way.FLAKY, {"a.txt": "A"}, ["failure", "success"]),
        (Way.HELD, {"a.txt": "A"}, [None, None]),
        (Way.NEVER, {"a.txt": "A"}, []),
    ],
)
async def test_the_tiny_ci_does_as_it_is_told(
    hub: Hub, oya: Client, way: Way, files: dict[str, str], conclusions: list[str | None]
) -> None:
    """Two commits of one tree on the queue's branches, and what becomes of their checks."""
    hub.ci.way = way
    found: list[str | None] = []
    for number in range(2):
        base = await hub.target()
        sha = await hub.alice.commits(files, on=base, message=f"{number}", repo=hub.repo)
        await oya.send("POST", "/git/refs", ref=f"refs/heads/oya/queue/{number}", sha=sha)
        await hub.settled()
        runs = (await oya.get(f"/commits/{sha}/check-runs"))["check_runs"]
        found += [run["conclusion"] for run in runs]
    assert found == conclusions
    await hub.alice.pushes_to("elsewhere", {"c.txt": "C"})
    assert hub.ci.built == [] if way is Way.NEVER else len(hub.ci.built) == 2


async def test_held_checks_end_as_the_test_says(hub: Hub, oya: Client) -> None:
    """One job passes, the other fails; the suite and the protected branch follow."""
    hub.ci.way, hub.ci.jobs = Way.HELD, ["test", "lint"]
    sha = await hub.alice.pushes_to("oya/queue/1", {"a.txt": "A"})
    assert len(hub.ci.waiting()) == 2
    await hub.ci.passes("test")
    await hub.ci.fails("lint", sha=sha)
    (suite,) = (await oya.get(f"/commits/{sha}/check-suites"))["check_suites"]
    assert (suite["status"], suite["conclusion"]) == ("completed", "failure")
    with pytest.raises(AssertionError, match="no check run waits"):
        await hub.ci.passes()


async def test_check_runs_belong_to_their_app(hub: Hub, oya: Client) -> None:
    """An App makes and changes its own; nobody else's, and no person any."""
    sha = await hub.target()
    made = await oya.send("POST", "/check-runs", name="oya", head_sha=sha, external_id="key-1")
    assert (made.json()["status"], made.json()["external_id"]) == ("queued", "key-1")
    path = f"/check-runs/{made.json()['id']}"
    assert (await oya.send("PATCH", path, conclusion="success")).json()["completed_at"]
    foreign = await hub.ci.checks(sha, "success")
    theirs = await oya.send("PATCH", f"/check-runs/{foreign.id}", conclusion="failure")
    assert theirs.status_code == 403
    async with client_of(hub, hub.alice.token) as alice:
        said = await alice.send("POST", "/check-runs", name="x", head_sha=sha)
        assert said.status_code == 403
    listed = await oya.get(f"/commits/{sha}/check-runs", check_name="oya")
    assert [run["external_id"] for run in listed["check_runs"]] == ["key-1"]
