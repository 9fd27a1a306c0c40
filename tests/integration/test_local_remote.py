"""Landing at a remote: a real bare repository, over file:// and over smart HTTP on loopback."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from oya_vcs.adapters.jj import GitRemote, JjRepository, Programs, open_remote, open_repository
from oya_vcs.adapters.local.upstream import TRIES_MAX
from oya_vcs.core import effects as f
from oya_vcs.core import events as e
from oya_vcs.core.effects import effect_key
from oya_vcs.core.ids import CommitId, Key
from oya_vcs.errors import ConfigurationInvalid, WorldFailed
from oya_vcs.ports import Probe, Refusal, Refused
from tests.integration.conftest import DIRTY, UserRepo
from tests.integration.local_changes import Changes, Moves, Watched, no_report
from tests.integration.remotes import PASSWORD, Origin, origin_of

HTTP = pytest.mark.parametrize("way", ["http"])
FILE = pytest.mark.parametrize("way", ["file"])


@pytest.fixture(params=["colocated"])
def repo_kind(request: pytest.FixtureRequest) -> str:
    """One kind, but where both matter."""
    return str(request.param)


@pytest.fixture(params=["file", "http"])
def way(request: pytest.FixtureRequest) -> str:
    """How the remote is reached."""
    return str(request.param)


@pytest.fixture
def origin(user_repo: UserRepo, tmp_path: Path, way: str) -> Iterator[Origin]:
    """The remote `origin` of the user's repository."""
    with origin_of(user_repo, tmp_path, way) as made:
        yield made


@pytest.fixture
async def changes(
    user_repo: UserRepo, repository: JjRepository, origin: Origin, tmp_path: Path
) -> Changes:
    """Changes to the user's repository, whose target is at the remote."""
    remote = await open_remote(repository, "origin", user_repo.environ)
    return Changes(user=user_repo, repository=repository, home=tmp_path / "oya", remote=remote)


def settled(changes: Changes, origin: Origin, tip: str) -> None:
    """Assert that the remote, git's branch, the bookmark and what jj knows of the remote agree, and
    that all is sound."""
    assert origin.main() == tip
    assert changes.branch() == changes.commit("main") == tip
    assert changes.user.commit("main@origin") == tip
    origin.git("fsck", "--strict", "--no-dangling")
    changes.whole()


@pytest.mark.parametrize("repo_kind", ["colocated", "plain"], indirect=True)
async def test_landing_is_a_push_that_the_bookmark_follows(
    changes: Changes, origin: Origin
) -> None:
    """The remote's main is the tested commit with its tree; branch and bookmark follow; the pins
    are gone, and the user's files and @ are as they were."""
    user = changes.user
    at = user.commit("@")
    built = await changes.built(changes.head({"new.txt": "new\n"}))
    event = await changes.forge().do(*changes.land(built), no_report)
    assert isinstance(event, e.Landed)
    assert (event.base, event.commit, event.tree) == (built.base, built.commit, built.tree)
    settled(changes, origin, built.commit)
    assert origin.git("rev-parse", "refs/heads/main^{tree}") == built.tree
    assert changes.pins() == []
    assert user.commit("@") == at
    assert (user.root / "dirty.txt").read_bytes() == DIRTY
    assert await changes.forge().do(*changes.land(built), no_report) == event
    assert await changes.forge().probe(*changes.land(built)) == event
    settled(changes, origin, built.commit)


async def test_nothing_but_the_branch_is_pushed(changes: Changes, origin: Origin) -> None:
    """No tag, no pin, whatever the user's and the repository's configuration say."""
    changes.git("tag", "-a", "-m", "x", "v1", changes.commit("main"))
    gitconfig = changes.user.home / ".gitconfig"
    gitconfig.write_text("[push]\nfollowTags = true\nrecurseSubmodules = on-demand\n")
    changes.git("config", "remote.origin.push", "refs/*:refs/*")
    built = await changes.built(changes.head({"new.txt": "new\n"}))
    assert isinstance(await changes.forge().do(*changes.land(built), no_report), e.Landed)
    assert origin.git("for-each-ref", "--format=%(refname)") == "refs/heads/main"


async def test_a_push_by_somebody_else_is_built_upon(changes: Changes, origin: Origin) -> None:
    """Pushed before the build: the candidate stands on it, and the move is told. Pushed after it:
    stale, told where the remote is; the bookmark follows; rebuilt on it, the change lands."""
    forge, moves = changes.forge(), Moves()
    await forge.do(*changes.build(changes.head({"x": "x\n"}), change="c0"), moves)
    theirs = changes.head({"theirs": "1\n"})
    origin.put(theirs)
    head = changes.head({"new.txt": "new\n"})
    built = await forge.do(*changes.build(head), moves)
    assert isinstance(built, e.CandidateBuilt)
    assert (built.base, moves.seen) == (theirs, [theirs])
    settled(changes, origin, theirs)
    again = changes.head({"theirs": "2\n"}, on=theirs)
    origin.put(again)
    stale = await forge.do(*changes.land(built), moves)
    assert isinstance(stale, e.LandingStale)
    assert (stale.found, moves.seen) == (again, [theirs, again])
    settled(changes, origin, again)
    rebuilt = await forge.do(*changes.build(head, number=2), moves)
    assert isinstance(rebuilt, e.CandidateBuilt)
    assert isinstance(await forge.do(*changes.land(rebuilt), moves), e.Landed)
    settled(changes, origin, rebuilt.commit)
    assert len(moves.seen) == 2


async def test_a_remote_set_back_is_never_moved_forwards_over_it(
    changes: Changes, origin: Origin
) -> None:
    """Somebody takes a commit back by force while ours, which stands on it, is tested. A push that
    only forbids steps back would bring it back; ours does not."""
    first = changes.commit("main")
    dropped = changes.head({"dropped.txt": "x\n"})
    origin.put(dropped)
    built = await changes.built(changes.head({"new.txt": "new\n"}, on=dropped))
    assert built.base == dropped
    origin.put(first)
    event = await changes.forge().do(*changes.land(built), no_report)
    assert isinstance(event, e.LandingStale)
    assert event.found == origin.main() == first


async def test_deleted_branch_blocks(changes: Changes, origin: Origin) -> None:
    """Neither built on nor made again; the mend is told."""
    built = await changes.built(changes.head({"new.txt": "new\n"}))
    origin.git("update-ref", "-d", "refs/heads/main")
    todo: list[tuple[Key, f.Effect]] = [
        changes.build(changes.head({"o": "o\n"}), number=2),
        changes.land(built),
    ]
    for key, effect in todo:
        event = await changes.forge().do(key, effect, no_report)
        assert isinstance(event, e.TargetBlocked)
        assert event.reason is e.Reason.TARGET_MISSING
        assert "jj git push --bookmark main --remote origin" in event.detail
    assert origin.main() == ""


@FILE
async def test_what_only_the_user_has_is_not_published(changes: Changes, origin: Origin) -> None:
    """main here is ahead of the remote's, or beside it: blocked with both mends, and the bookmark
    is not conflicted; done without or published, it goes on."""
    base = changes.commit("main")
    built = await changes.built(changes.head({"new.txt": "new\n"}))
    mine = changes.head({"mine": "x\n"})
    changes.git("update-ref", "refs/heads/main", mine)
    changes.user.peek("git", "import")
    head = changes.head({"o": "o\n"}, on=base)
    theirs = changes.head({"theirs": "x\n"}, on=base)
    for number, there in enumerate((base, theirs), start=2):
        origin.put(there)
        event = await changes.forge().do(*changes.build(head, number=number), no_report)
        assert isinstance(event, e.TargetBlocked)
        assert event.reason is e.Reason.TARGET_CONFLICTED
        assert "jj git fetch --remote origin" in event.detail
        assert (changes.branch(), changes.commit("main"), origin.main()) == (mine, mine, there)
        changes.whole()
    origin.put(base)
    event = await changes.forge().do(*changes.land(built), no_report)
    assert isinstance(event, e.TargetBlocked), "it could not be followed"
    assert origin.main() == base
    origin.put(mine)
    event = await changes.forge().do(*changes.build(head, number=4), no_report)
    assert isinstance(event, e.CandidateBuilt)
    assert event.base == mine


async def test_a_hook_that_declines_gives_its_reason(changes: Changes, origin: Origin) -> None:
    """The world's refusal of this change, for good, with the hook's words; nothing moved; when the
    hook has nothing against it, the same landing lands."""
    built = await changes.built(changes.head({"new.txt": "new\n"}))
    origin.hook("echo 'no Fridays, please' >&2; exit 1")
    with pytest.raises(WorldFailed, match="no Fridays, please") as raised:
        await changes.forge().do(*changes.land(built), no_report)
    assert not raised.value.retryable
    assert "pre-receive hook declined" in raised.value.message
    assert origin.main() == built.base == changes.branch()
    assert await changes.forge().probe(*changes.land(built)) is Probe.ABSENT
    origin.hook("exit 0")
    assert isinstance(await changes.forge().do(*changes.land(built), no_report), e.Landed)
    settled(changes, origin, built.commit)


async def test_a_push_that_is_overtaken_in_the_server_is_stale(
    changes: Changes, origin: Origin
) -> None:
    """The branch moves while the server takes our push: what came first stays, and the change is
    built anew upon it instead of being refused for good."""
    built = await changes.built(changes.head({"new.txt": "new\n"}))
    theirs = changes.head({"theirs.txt": "x\n"}, on=built.base)
    changes.user.git("push", "-q", str(origin.bare), f"{theirs}:refs/heads/side")
    origin.overtake("refs/heads/main", theirs)
    event = await changes.forge().do(*changes.land(built), no_report)
    assert isinstance(event, e.LandingStale)
    assert event.found == theirs
    settled(changes, origin, theirs)


@HTTP
@pytest.mark.parametrize("fault", ["500 after", "drop after"])
async def test_a_push_that_was_done_and_not_acknowledged_landed_once(
    changes: Changes, origin: Origin, fault: str
) -> None:
    """The remote moved and then failed: read back, it has landed; nothing is pushed a second
    time."""
    built = await changes.built(changes.head({"new.txt": "new\n"}))
    origin.fault = fault
    event = await changes.forge().do(*changes.land(built), no_report)
    assert isinstance(event, e.Landed)
    assert await changes.forge().probe(*changes.land(built)) == event
    assert sum(hit.startswith("POST /origin.git/git-receive-pack") for hit in origin.hits) == 1
    settled(changes, origin, built.commit)


@FILE
async def test_a_push_that_was_acknowledged_and_lost_has_not_landed(
    changes: Changes, origin: Origin
) -> None:
    """A server that says it took a push and did not keep it: the branch is read back, nothing is
    told as landed, and the landing lands when the server is well."""
    built = await changes.built(changes.head({"new.txt": "new\n"}))
    lose = origin.bare / "hooks" / "post-receive"
    lose.parent.mkdir(exist_ok=True)
    lose.write_text(f"#!/bin/sh\ngit update-ref refs/heads/main {built.base}\n")
    lose.chmod(0o755)
    with pytest.raises(WorldFailed, match="was said to move, and stands where it was") as lost:
        await changes.forge().do(*changes.land(built), no_report)
    assert lost.value.retryable
    assert origin.main() == changes.branch() == changes.commit("main") == built.base
    lose.unlink()
    assert isinstance(await changes.forge().do(*changes.land(built), no_report), e.Landed)
    settled(changes, origin, built.commit)


@HTTP
@pytest.mark.parametrize("fault", ["500", "down"])
async def test_a_remote_that_does_not_answer_is_tried_and_waited_for(
    changes: Changes, origin: Origin, fault: str
) -> None:
    """A few tries, then the queue waits, with nothing held against the change; a candidate is built
    all the same; when it answers, the landing lands."""
    built = await changes.built(changes.head({"new.txt": "new\n"}))
    origin.fault = fault
    other = await changes.forge().do(*changes.build(changes.head({"o": "o\n"})), no_report)
    assert isinstance(other, e.CandidateBuilt)
    forge = changes.forge()
    for _ in range(TRIES_MAX - 1):
        with pytest.raises(WorldFailed, match="does not answer") as raised:
            await forge.do(*changes.land(built), no_report)
        assert raised.value.retryable
    event = await forge.probe(*changes.land(built))
    assert isinstance(event, e.TargetBlocked)
    assert event.reason is e.Reason.REMOTE_UNREACHABLE
    origin.fault = ""
    assert origin.main() == built.base
    assert isinstance(await forge.do(*changes.land(built), no_report), e.Landed)
    settled(changes, origin, built.commit)


@HTTP
@pytest.mark.parametrize("fault", ["401", "403", "404"])
async def test_a_remote_that_does_not_let_us_in_blocks(
    changes: Changes, origin: Origin, fault: str
) -> None:
    """Told apart from one that does not answer, without a second try, and without the password."""
    built = await changes.built(changes.head({"new.txt": "new\n"}))
    origin.fault = fault
    event = await changes.forge().do(*changes.land(built), no_report)
    assert isinstance(event, e.TargetBlocked)
    assert event.reason is e.Reason.REMOTE_REFUSED
    assert "origin does not let us in" in event.detail
    assert PASSWORD not in event.detail
    assert origin.main() == built.base


@HTTP
async def test_the_password_in_an_address_is_told_to_nobody(
    changes: Changes, origin: Origin, programs: Programs, tmp_path: Path
) -> None:
    """Not in the command lines of git, nor in any answer, whatever goes wrong."""
    seen = tmp_path / "seen"
    spy = tmp_path / "git"
    spy.write_text(f'#!/bin/sh\necho "$@" >> {seen}\nexec {programs.git} "$@"\n')
    spy.chmod(0o755)
    watched = await open_repository(
        changes.user.root,
        workspaces=tmp_path / "oya-home" / "workspaces",
        programs=replace(programs, git=spy),
    )
    remote = await open_remote(watched, "origin", changes.user.environ)
    built = await changes.built(changes.head({"new.txt": "new\n"}))
    for fault in ("", "401", "403", "404", "500", "down"):
        origin.fault = fault
        for answer in (
            await remote.tip("main"),
            await remote.fetch("main"),
            await remote.push("main", built.base, built.commit),
        ):
            assert PASSWORD not in str(answer), fault
    assert "ls-remote" in seen.read_text()
    assert PASSWORD not in seen.read_text()


async def test_a_remote_is_asked_as_its_user_is(changes: Changes, origin: Origin) -> None:
    """What the four refusals are, and that a branch is found by its whole name."""
    remote = changes.remote
    assert remote is not None
    tip = origin.main()
    origin.git("update-ref", "refs/heads/x/refs/heads/main", changes.commit("main"))
    assert await remote.tip("main") == await remote.fetch("main") == tip
    assert await remote.tip("mai") is None
    assert await remote.fetch("mai") is None
    built = await changes.built(changes.head({"new.txt": "new\n"}))
    stale = await remote.push("main", CommitId("1" * 40), built.commit)
    assert isinstance(stale, Refused)
    assert stale.why is Refusal.STALE
    origin.hook("exit 1")
    declined = await remote.push("main", built.base, built.commit)
    assert isinstance(declined, Refused)
    assert declined.why is Refusal.DECLINED
    assert isinstance(remote, GitRemote)
    for url in (f"file://{origin.bare}-not", "http://127.0.0.1:9/x.git"):
        refused = await replace(remote, url=url, push_url=url).tip("main")
        assert isinstance(refused, Refused)
        expected = Refusal.MISSING if url.startswith("file") else Refusal.UNREACHABLE
        assert refused.why is expected, refused


@FILE
async def test_planted_configuration_neither_runs_nor_redirects(
    changes: Changes, origin: Origin, tmp_path: Path
) -> None:
    """What a worker writes into the repository's configuration after the start names no program and
    no other place."""
    ran = tmp_path / "ran"
    built = await changes.built(changes.head({"new.txt": "new\n"}))
    evil = f"touch {ran}; exec git"
    for key, value in (
        ("remote.origin.url", f"ext::sh -c 'touch {ran}'"),
        ("remote.origin.receivepack", f"{evil} receive-pack"),
        ("remote.origin.uploadpack", f"{evil} upload-pack"),
        ("remote.oya.url", f"ext::sh -c 'touch {ran}'"),
        ("url.ext::sh -c touch%20x.insteadOf", "file:"),
        ("core.sshCommand", f"touch {ran}"),
        ("credential.helper", f"!touch {ran}"),
        ("core.hooksPath", str(tmp_path / "hooks")),
    ):
        changes.git("config", key, value)
    hooks = tmp_path / "hooks"
    hooks.mkdir()
    (hooks / "pre-push").write_text(f"#!/bin/sh\ntouch {ran}\n")
    (hooks / "pre-push").chmod(0o755)
    assert isinstance(await changes.forge().do(*changes.land(built), no_report), e.Landed)
    settled(changes, origin, built.commit)
    assert not ran.exists()


@FILE
async def test_a_remote_that_is_not_there_is_a_mistake_in_the_configuration(
    repository: JjRepository, origin: Origin
) -> None:
    """Found at the start, with the mend; a relative address is taken from the repository."""
    with pytest.raises(ConfigurationInvalid, match="'upstream'") as raised:
        await open_remote(repository, "upstream", {})
    assert "jj git remote add upstream" in raised.value.hint
    origin.user.git("config", "remote.near.url", "../origin.git")
    near = await open_remote(repository, "near", origin.user.environ)
    assert await near.tip("main") == origin.main()


@FILE
async def test_other_tree_or_base_than_tested_is_never_pushed(
    changes: Changes, origin: Origin
) -> None:
    """The tree is read from the objects, and the commit has to stand on the base, before anything
    leaves."""
    built = await changes.built(changes.head({"new.txt": "new\n"}))
    _, effect = changes.land(built)
    beside = changes.head({"beside": "x\n"})
    for wrong in (
        replace(effect, tree=changes.tree(built.base)),
        replace(effect, base=beside),
        replace(effect, commit=CommitId("1" * 40)),
    ):
        with pytest.raises(WorldFailed) as raised:
            await changes.forge().do(effect_key(wrong), wrong, no_report)
        assert not raised.value.retryable
    assert origin.main() == built.base


@pytest.mark.callback_blocks
@FILE
@pytest.mark.parametrize("act", ["push", "fetch"])
async def test_somebody_may_step_in_at_any_moment(
    changes: Changes, origin: Origin, act: str
) -> None:
    """Before each program that a landing starts here, somebody else pushes to the remote, or the
    user fetches: the outcome is the remote's truth, what was pushed stays, and all agree."""
    moment, outcomes = 0, set[str]()
    while True:
        moment += 1
        built = await changes.built(changes.head({f"new-{moment}": "x\n"}))
        theirs, taken = changes.head({f"theirs-{moment}": "x\n"}, on=built.base), []

        async def step_in(number: int, moment: int = moment, theirs: str = theirs) -> None:
            if number != moment:
                return
            if act == "push":
                taken.append(origin.offer(theirs))  # noqa: B023 (called within this round)
            else:
                changes.user.peek("git", "fetch", "--remote", "origin")

        watched = Watched(changes.repository, before=step_in)
        event = await changes.forge(repository=watched).do(*changes.land(built), no_report)
        outcomes.add(type(event).__name__)
        if moment > len(watched.calls):
            break
        if any(taken):
            assert isinstance(event, e.LandingStale)
            assert event.found == theirs
        else:
            assert isinstance(event, e.Landed)
        settled(changes, origin, theirs if any(taken) else built.commit)
    assert outcomes == ({"Landed", "LandingStale"} if act == "push" else {"Landed"})
