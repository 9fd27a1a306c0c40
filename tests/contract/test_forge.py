"""What the core may rely on of any forge: one suite, run on the one in memory, the local one, the
local one with its target at a remote, and the one on GitHub."""

from __future__ import annotations

import os
import subprocess
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import Protocol

import pytest

from oya_vcs.adapters.clock import SystemClock
from oya_vcs.adapters.jj import Programs, open_remote, open_repository
from oya_vcs.adapters.local import LocalForge
from oya_vcs.adapters.memory import MemoryPerformer, Outside, Work, new_outside
from oya_vcs.adapters.process import ReaperRunner
from oya_vcs.adapters.toolbox import Tools
from oya_vcs.bootstrap.github import forge_at, open_hub, open_wire
from oya_vcs.bootstrap.plan import Plan
from oya_vcs.config import Config, GithubConfig, Home, RepoConfig
from oya_vcs.core import effects as f
from oya_vcs.core import events as e
from oya_vcs.core.effects import effect_key
from oya_vcs.core.ids import BeadId, ChangeId, CommitId, Key, RepoId, TreeId
from oya_vcs.errors import OyaError
from oya_vcs.ports import Performer, Probe, Remote
from tests.github_model.conversation import Hub, hub_at

FIRST = {"README": "A project.\n"}
BAD = "bad.txt"
"""A candidate with this file fails its check."""


class World(Protocol):
    """A repository behind a forge, as the suite drives it."""

    def forge(self) -> Performer:
        """The forge, as a new process would make it."""
        ...

    def tip(self) -> CommitId:
        """Where the target stands."""
        ...

    def head(self, files: Mapping[str, str], on: CommitId) -> CommitId:
        """A commit on `on` whose files are `files` over FIRST."""
        ...

    def move(self, commit: CommitId | None) -> None:
        """Move or delete the target, as somebody else would."""
        ...

    def parents(self, commit: CommitId) -> list[CommitId]:
        """The parents of a commit."""
        ...

    def files(self, commit: CommitId) -> dict[str, str]:
        """The files of a commit and what is in them."""
        ...

    def pins(self) -> int:
        """How many candidates are kept."""
        ...


class MemoryWorld:
    def __init__(self) -> None:
        self._outside: Outside = new_outside(FIRST)

    def forge(self) -> Performer:
        return MemoryPerformer(
            self._outside,
            worker=lambda effect, files: Work(),
            check=lambda files: f"{BAD} is there" if BAD in files else "",
        )

    def tip(self) -> CommitId:
        assert self._outside.target is not None
        return self._outside.target

    def head(self, files: Mapping[str, str], on: CommitId) -> CommitId:
        return self._outside.commit({**FIRST, **files}, (on,), "Work")

    def move(self, commit: CommitId | None) -> None:
        if commit is None:
            self._outside.target = None
        else:
            self._outside.move_target(commit)

    def parents(self, commit: CommitId) -> list[CommitId]:
        return list(self._outside.commits[commit].parents)

    def files(self, commit: CommitId) -> dict[str, str]:
        return dict(self._outside.commits[commit].files)

    def pins(self) -> int:
        return sum(map(len, self._outside.pins.values()))


class LocalWorld:
    def __init__(self, folder: Path, tools: Tools, *, remote: bool = False) -> None:
        self._folder = folder
        self._bare = folder / "origin.git" if remote else None
        self._tools = tools
        self._root = folder / "project"
        self._env = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "JJ_USER": "Uma User",
            "JJ_EMAIL": "uma@example.org",
            **{f"GIT_{who}_NAME": "Wanda" for who in ("AUTHOR", "COMMITTER")},
            **{f"GIT_{who}_EMAIL": "wanda@example.org" for who in ("AUTHOR", "COMMITTER")},
        }

    async def start(self) -> None:
        jj: tuple[str, str] = (str(self._tools.jj), "--quiet")
        self._run(*jj, "git", "init", "--colocate", self._root)
        (self._root / "README").write_text(FIRST["README"])
        self._run(*jj, "-R", self._root, "commit", "-m", "The first commit")
        self._run(*jj, "-R", self._root, "bookmark", "create", "main", "-r", "@-")
        programs = Programs(
            jj=self._tools.jj,
            git=self._tools.git,
            path=os.environ["PATH"],
            home=self._folder / "jj",
            user=self._env,
        )
        self._repository = await open_repository(
            self._root, workspaces=self._folder / "workspaces", programs=programs
        )
        await self._repository.prepare()
        self._remote: Remote | None = None
        await self._publish(*jj)

    async def _publish(self, *jj: str) -> None:
        """Have the project at its remote, if it has one."""
        if self._bare is not None:
            self._run(self._tools.git, "init", "-q", "--bare", "-b", "main", self._bare)
            bare = (self._tools.git, f"--git-dir={self._bare}")
            self._run(*bare, "config", "receive.denyDeleteCurrent", "ignore")
            self._run(*jj, "-R", self._root, "git", "remote", "add", "origin", self._bare)
            self._run(*jj, "-R", self._root, "git", "push", "--bookmark", "main")
            self._remote = await open_remote(self._repository, "origin", self._env)

    def _run(self, *argv: str | Path, stdin: str = "", **env: str) -> str:
        ran = subprocess.run(
            argv,
            input=stdin,
            env={**self._env, **env},
            cwd="/",
            capture_output=True,
            text=True,
            check=True,
        )
        return ran.stdout.strip()

    def _git(self, *args: str, stdin: str = "") -> str:
        index = str(self._folder / "index")
        git_dir = f"--git-dir={self._root / '.git'}"
        return self._run(self._tools.git, git_dir, *args, stdin=stdin, GIT_INDEX_FILE=index)

    def forge(self) -> Performer:
        return LocalForge(
            self._repository,
            ReaperRunner(self._folder / "runs", SystemClock()),
            target="main",
            checks_at=lambda text: {"test": f"test ! -e {BAD}"},
            checkouts=self._folder / "checkouts",
            logs=self._folder / "logs",
            check_ms_max=20_000,
            environ={"PATH": os.environ["PATH"]},
            remote=self._remote,
        )

    def tip(self) -> CommitId:
        if self._bare is None:
            return CommitId(self._git("rev-parse", "refs/heads/main"))
        ref = (self._tools.git, f"--git-dir={self._bare}", "rev-parse", "refs/heads/main")
        return CommitId(self._run(*ref))

    def head(self, files: Mapping[str, str], on: CommitId) -> CommitId:
        self._git("read-tree", "--empty")
        for path, content in {**FIRST, **files}.items():
            blob = self._git("hash-object", "-w", "--stdin", stdin=content)
            self._git("update-index", "--index-info", stdin=f"100644 {blob}\t{path}\n")
        tree = self._git("write-tree")
        return CommitId(self._git("commit-tree", tree, "-p", on, "-m", "Work"))

    def move(self, commit: CommitId | None) -> None:
        if self._bare is not None:
            self._git("push", "-q", "--force", str(self._bare), f"{commit or ''}:refs/heads/main")
            return
        what = ["-d", "refs/heads/main"] if commit is None else ["refs/heads/main", commit]
        self._git("update-ref", *what)

    def parents(self, commit: CommitId) -> list[CommitId]:
        shown = self._git("rev-list", "--parents", "-n1", commit).split()
        return [CommitId(one) for one in shown[1:]]

    def files(self, commit: CommitId) -> dict[str, str]:
        names = self._git("ls-tree", "-r", "--name-only", commit).split()
        return {name: self._git("cat-file", "blob", f"{commit}:{name}") + "\n" for name in names}

    def pins(self) -> int:
        refs = self._git("for-each-ref", "--format=%(refname)", "refs/oya/candidates").split()
        return sum(not ref.endswith("-base") for ref in refs)


class GithubWorld(LocalWorld):
    """The same, with its target on a model of GitHub, in front of a real bare repository."""

    def __init__(self, folder: Path, tools: Tools, hub: Hub) -> None:
        super().__init__(folder, tools)
        self._bare = hub.repo.bare.path
        self._hub = hub
        self._held = AsyncExitStack()
        self._key = folder / "app.pem"
        self._key.write_text(hub.private_key)
        hub.protects(checks=("test",))
        hub.ci.bad_file = BAD

    async def _publish(self, *jj: str) -> None:
        self.move(self._first())
        self._run(*jj, "-R", self._root, "git", "remote", "add", "origin", self._hub.git_url)
        self._plan = Plan(
            home=Home(self._folder / "home"),
            repo=self._repository.id,
            root=self._root,
            tools=self._tools,
            config=Config(
                repo=RepoConfig(forge="github"),
                github=GithubConfig(
                    api_url=self._hub.url,
                    repo=self._hub.repo.full_name,
                    app_id=self._hub.app.id,
                    private_key_file=str(self._key),
                    poll_ms=20,
                ),
            ),
            checks_at=lambda text: {},
            environ=self._env,
        )
        wire = open_wire(self._plan.config.github, self._held)
        hub = await open_hub(self._plan, self._repository, wire)
        self._forge = await forge_at(self._plan, self._repository, hub, self._local)

    def _first(self) -> CommitId:
        return CommitId(self._git("rev-parse", "refs/heads/main"))

    def _local(self, remote: Remote) -> Performer:
        self._remote = remote
        return super().forge()

    def forge(self) -> Performer:
        return replace(self._forge, local=super().forge())

    async def close(self) -> None:
        """Let go of the connections."""
        await self._held.aclose()


@pytest.fixture(params=["memory", "local", "remote", "github"])
async def world(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[World]:
    """Either forge, on a repository of one commit; the local one with its target here, or at a
    remote."""
    if request.param == "memory":
        yield MemoryWorld()
        return
    tools = request.getfixturevalue("tools")
    if request.param == "github":
        async with hub_at(tmp_path / "hub", str(tools.git)) as hub:
            there = GithubWorld(tmp_path, tools, hub)
            await there.start()
            yield there
            await there.close()
        return
    local = LocalWorld(tmp_path, tools, remote=request.param == "remote")
    await local.start()
    yield local


async def no_report(event: e.Event) -> None:
    """No forge tells anything before an effect settles, but that checks have begun."""
    assert isinstance(event, e.ChecksStarted), event


async def do(world: World, effect: f.Effect) -> e.Event:
    """Carry an effect out with a new forge; what settles it carries its key."""
    event = await world.forge().do(effect_key(effect), effect, no_report)
    assert isinstance(event, e.Outcome)
    assert event.key == effect_key(effect)
    return event


def build(
    head: CommitId,
    number: int = 1,
    *,
    change: str = "c",
    onto: CommitId | None = None,
    method: str = "merge",
) -> f.BuildCandidate:
    """The effect of building a head's candidate."""
    return f.BuildCandidate(
        repo=RepoId("r"),
        bead=BeadId("b"),
        change=ChangeId(change),
        head=head,
        round=number,
        message="Land",
        made_at_ms=1_700_000_000_000,
        onto=onto,
        method=method,
    )


def land(built: e.CandidateBuilt) -> f.Land:
    """The effect of landing a candidate."""
    return f.Land(
        repo=RepoId("r"),
        bead=built.bead,
        change=built.change,
        round=1,
        base=built.base,
        commit=built.commit,
        tree=built.tree,
    )


def check(candidate: CommitId) -> f.RunChecks:
    """The effect of checking a candidate."""
    return f.RunChecks(
        repo=RepoId("r"), bead=BeadId("b"), change=ChangeId("c"), round=1, candidate=candidate
    )


async def candidate(world: World, files: Mapping[str, str]) -> e.CandidateBuilt:
    """The candidate of a new head on the tip."""
    event = await do(world, build(world.head(files, world.tip())))
    assert isinstance(event, e.CandidateBuilt)
    return event


async def test_a_change_goes_from_request_to_landing(world: World) -> None:
    """Opened, built on the tip, checked, landed: the target is the tested commit with its tree."""
    base = world.tip()
    head = world.head({"new.txt": "new\n"}, base)
    opening = f.OpenChange(
        repo=RepoId("r"),
        bead=BeadId("b"),
        attempt=1,
        change=ChangeId("c"),
        head=head,
        title="A change",
    )
    opened = await do(world, opening)
    assert isinstance(opened, e.ChangeOpened)
    assert (opened.change, opened.head) == (opening.change, head)
    built = await do(world, build(head))
    assert isinstance(built, e.CandidateBuilt)
    assert built.base == base
    assert world.tip() == base
    checked = await do(world, check(built.commit))
    assert isinstance(checked, e.ChecksFinished)
    assert (checked.candidate, checked.reason) == (built.commit, None)
    landed = await do(world, land(built))
    assert isinstance(landed, e.Landed)
    assert (landed.base, landed.commit, landed.tree) == (base, built.commit, built.tree)
    assert world.tip() == built.commit


async def test_every_effect_is_probed_to_the_same_event(world: World) -> None:
    """ABSENT before it is done; after it, in a new process, the event that settled it."""
    built = await candidate(world, {"new.txt": "new\n"})
    again = build(world.head({"other.txt": "o\n"}, world.tip()), 2)
    for effect in (again, check(built.commit), land(built)):
        key: Key = effect_key(effect)
        assert await world.forge().probe(key, effect) is Probe.ABSENT
        event = await do(world, effect)
        assert await world.forge().probe(key, effect) == event


async def test_building_again_gives_the_same_commit(world: World) -> None:
    """The same effect on the same base is the same commit."""
    effect = build(world.head({"new.txt": "new\n"}, world.tip()))
    assert await do(world, effect) == await do(world, effect)


async def test_conflict_is_told_with_its_files(world: World) -> None:
    """Both sides changed one file: named, and the target stays."""
    head = world.head({"README": "theirs\n", "new.txt": "x\n"}, world.tip())
    tip = world.head({"README": "ours\n"}, world.tip())
    world.move(tip)
    event = await do(world, build(head))
    assert isinstance(event, e.CandidateConflicted)
    assert (event.base, event.files) == (tip, ("README",))
    assert world.tip() == tip


async def test_change_in_the_target_is_redundant(world: World) -> None:
    """The tip, an ancestor, and a head whose change somebody else landed."""
    base = world.tip()
    head = world.head({"new.txt": "new\n"}, base)
    tip = world.head({"new.txt": "new\n", "more.txt": "m\n"}, base)
    world.move(tip)
    for redundant in (tip, base, head):
        event = await do(world, build(redundant))
        assert isinstance(event, e.CandidateRedundant)
        assert event.base == tip


async def test_failing_check_is_named(world: World) -> None:
    """A check that fails ends in its reason and name, and moves nothing."""
    built = await candidate(world, {BAD: "x\n"})
    event = await do(world, check(built.commit))
    assert isinstance(event, e.ChecksFinished)
    assert (event.reason, event.check) == (e.Reason.CHECK_FAILED, "test")
    assert event.detail
    assert world.tip() == built.base


async def test_the_target_itself_can_be_checked(world: World) -> None:
    """Its tip, which nobody built, and the first commit of all, which has no parent."""
    first = world.tip()
    tip = world.head({BAD: "x\n"}, first)
    world.move(tip)
    for commit, reason in ((first, None), (tip, e.Reason.CHECK_FAILED)):
        event = await do(world, check(commit))
        assert isinstance(event, e.ChecksFinished)
        assert (event.candidate, event.reason) == (commit, reason)


async def test_moved_target_is_stale(world: World) -> None:
    """Somebody else landed in between: told where the target is, nothing changed; rebuilt on it,
    the change lands beside theirs."""
    head = world.head({"new.txt": "new\n"}, world.tip())
    built = await do(world, build(head))
    assert isinstance(built, e.CandidateBuilt)
    other = world.head({"other.txt": "o\n"}, world.tip())
    world.move(other)
    for event in (
        await do(world, land(built)),
        await world.forge().probe(effect_key(land(built)), land(built)),
    ):
        assert isinstance(event, e.LandingStale)
        assert event.found == other == world.tip()
    rebuilt = await do(world, build(head, 2))
    assert isinstance(rebuilt, e.CandidateBuilt)
    assert rebuilt.base == other
    assert isinstance(await do(world, land(rebuilt)), e.Landed)


async def test_deleted_target_blocks(world: World) -> None:
    """No target, no candidate and no landing; it is not made again."""
    built = await candidate(world, {"new.txt": "new\n"})
    world.move(None)
    for effect in (build(built.commit, 2), land(built)):
        event = await do(world, effect)
        assert isinstance(event, e.TargetBlocked)
        assert event.reason is e.Reason.TARGET_MISSING


async def test_landing_twice_lands_once(world: World) -> None:
    """A landing that is done again tells the same and moves nothing, also below a newer tip."""
    built = await candidate(world, {"new.txt": "new\n"})
    first = await do(world, land(built))
    assert await do(world, land(built)) == first
    above = world.head({"new.txt": "new\n", "above.txt": "x\n"}, built.commit)
    world.move(above)
    assert await do(world, land(built)) == first
    assert world.tip() == above


async def test_other_tree_than_tested_does_not_land(world: World) -> None:
    """The tree is part of what is landed: a wrong one is an error and moves nothing."""
    built = await candidate(world, {"new.txt": "new\n"})
    effect = replace(land(built), tree=TreeId("0" * 40))
    with pytest.raises(OyaError, match="tree"):
        await do(world, effect)
    assert world.tip() == built.base


async def built(world: World, effect: f.BuildCandidate) -> e.CandidateBuilt:
    """What comes of building where it works."""
    event = await do(world, effect)
    assert isinstance(event, e.CandidateBuilt), event
    return event


METHODS = pytest.mark.parametrize("method", f.METHODS)


@METHODS
async def test_candidates_are_stacked_invisibly_and_land_one_by_one(
    world: World, method: str
) -> None:
    """main+A, main+A+B, main+A+B+C are there before anything landed; each lands from the one below,
    and none is built again."""
    base, chain, onto = world.tip(), [], None
    for name in "abc":
        head = world.head({f"{name}.txt": f"{name}\n"}, base)
        effect = build(head, change=name, onto=onto, method=method)
        chain.append(await built(world, effect))
        assert await world.forge().probe(effect_key(effect), effect) == chain[-1]
        assert chain[-1].base == (onto or base)
        assert world.parents(chain[-1].commit)[0] == chain[-1].base
        onto = chain[-1].commit
        assert world.tip() == base
    assert set(world.files(chain[-1].commit)) == {"README", "a.txt", "b.txt", "c.txt"}
    for one in chain:
        assert isinstance(await do(world, land(one)), e.Landed)
        assert world.tip() == one.commit
    assert world.pins() == 0


async def test_a_stack_may_land_whole(world: World) -> None:
    """The target goes from the tip to the top of a stack in one step, or not at all."""
    base = world.tip()
    one = await built(world, build(world.head({"a.txt": "a\n"}, base), change="a"))
    head = world.head({"b.txt": "b\n"}, base)
    two = await built(world, build(head, change="b", onto=one.commit))
    landing = replace(land(two), base=base)
    event = await do(world, landing)
    assert isinstance(event, e.Landed)
    assert (event.base, world.tip()) == (base, two.commit)
    assert isinstance(await do(world, land(one)), e.Landed), "it is below the tip"
    assert world.tip() == two.commit


async def test_a_stacked_change_may_conflict_with_one_ahead(world: World) -> None:
    """Both change one file: the second does not go onto the first, and goes onto the target."""
    base = world.tip()
    one = await built(world, build(world.head({"README": "one\n"}, base), change="a"))
    head = world.head({"README": "two\n"}, base)
    for method in f.METHODS:
        effect = build(head, change="b", onto=one.commit, method=method)
        event = await do(world, effect)
        assert isinstance(event, e.CandidateConflicted)
        assert (event.base, event.files) == (one.commit, ("README",))
    assert (await built(world, build(head, 2, change="b"))).base == base


async def test_a_change_that_one_ahead_makes_too_is_redundant_there(world: World) -> None:
    """On the candidate that holds it; on the target it is not."""
    base = world.tip()
    one = await built(world, build(world.head({"a.txt": "a\n", "b.txt": "b\n"}, base), change="a"))
    head = world.head({"b.txt": "b\n"}, base)
    for method in f.METHODS:
        event = await do(world, build(head, change="b", onto=one.commit, method=method))
        assert isinstance(event, e.CandidateRedundant)
        assert event.base == one.commit
    assert (await built(world, build(head, 2, change="b"))).base == base


async def test_a_stack_is_built_whatever_becomes_of_the_target(world: World) -> None:
    """It says nothing of the target; landing does."""
    base = world.tip()
    one = await built(world, build(world.head({"a.txt": "a\n"}, base), change="a"))
    other = world.head({"other.txt": "o\n"}, base)
    head = world.head({"b.txt": "b\n"}, base)
    world.move(other)
    two = await built(world, build(head, change="b", onto=one.commit))
    assert two.base == one.commit
    event = await do(world, land(two))
    assert isinstance(event, e.LandingStale)
    assert event.found == other == world.tip()


@METHODS
async def test_a_change_of_several_commits(world: World, method: str) -> None:
    """Merged with its own commits, squashed into one, or rebased one by one, of which those that
    change nothing are left out; the files are the same."""
    base = world.tip()
    first = world.head({"a.txt": "1\n"}, base)
    same = world.head({"a.txt": "1\n"}, first)
    head = world.head({"a.txt": "2\n"}, same)
    tip = world.head({"other.txt": "o\n"}, base)
    world.move(tip)
    effect = build(head, method=method)
    event = await built(world, effect)
    assert (event.base, await world.forge().probe(effect_key(effect), effect)) == (tip, event)
    assert await do(world, effect) == event
    assert world.files(event.commit) == {**FIRST, "a.txt": "2\n", "other.txt": "o\n"}
    (below, *others) = world.parents(event.commit)
    assert others == ([head] if method == "merge" else [])
    if method == "rebase":
        assert world.files(below) == {**FIRST, "a.txt": "1\n", "other.txt": "o\n"}
        (below,) = world.parents(below)
    assert below == tip
    assert isinstance(await do(world, land(event)), e.Landed)
    assert world.tip() == event.commit


async def test_a_rebase_is_whole_or_a_conflict(world: World) -> None:
    """A commit in the middle that conflicts is a conflict, though the end would merge."""
    base = world.tip()
    middle = world.head({"README": "middle\n", "a.txt": "a\n"}, base)
    head = world.head({"a.txt": "a\n"}, middle)
    tip = world.head({"README": "theirs\n"}, base)
    world.move(tip)
    event = await do(world, build(head, method="rebase"))
    assert isinstance(event, e.CandidateConflicted)
    assert event.files == ("README",)
    assert world.pins() == 0
    assert (await built(world, build(head, method="squash"))).base == tip


@METHODS
async def test_candidates_are_let_go_with_their_change(world: World, method: str) -> None:
    """All rounds of this change and of no other; done again, or of one that never had any, there is
    nothing to do."""
    head = world.head({"a.txt": "a\n"}, world.tip())
    for number in (1, 2):
        await built(world, build(head, number, method=method))
    await built(world, build(head, change="c.2", method=method))
    assert world.pins() in (2, 3)  # equal commits may be one
    before = world.pins()
    effect = f.DropCandidates(repo=RepoId("r"), bead=BeadId("b"), change=ChangeId("c"), round=2)
    for left in (True, False):
        event = await do(world, effect)
        assert isinstance(event, e.CandidatesDropped)
        assert (event.pins > 0) is left
        assert 0 < world.pins() < before
