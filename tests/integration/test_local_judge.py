"""Which checks count: those of oya.toml at the commit that a candidate is built on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from oya_vcs.adapters.jj import JjRepository
from oya_vcs.bootstrap import find_plan
from oya_vcs.config import default_home, load
from oya_vcs.core import events as e
from oya_vcs.core.effects import effect_key
from oya_vcs.core.ids import CommitId
from oya_vcs.errors import ConfigurationInvalid, WorldFailed
from tests.conftest import NewProject
from tests.integration.conftest import UserRepo
from tests.integration.local_changes import Changes, Moves, no_report


@pytest.fixture(params=["colocated"])
def repo_kind(request: pytest.FixtureRequest) -> str:
    """One kind is enough: only objects are read."""
    return str(request.param)


@pytest.fixture
def changes(user_repo: UserRepo, repository: JjRepository, tmp_path: Path) -> Changes:
    """Changes to the user's repository, and a home of our own."""
    return Changes(user=user_repo, repository=repository, home=tmp_path / "oya")


def checks_at(text: str | None) -> Mapping[str, str]:
    """The checks as the daemon reads them, with one of the user's environment."""
    return load(None, text, "oya.toml", {"OYA_CHECKS__USERS": "true"}, {}).checks


def only_the_file(text: str | None) -> Mapping[str, str]:
    """The checks of the file alone."""
    return load(None, text, "oya.toml", {}, {}).checks


def checks(**commands: str) -> str:
    """An oya.toml that names these checks."""
    return "[checks]\n" + "".join(f"{name} = '{it}'\n" for name, it in commands.items())


def move(changes: Changes, files: Mapping[str, str | None]) -> CommitId:
    """Move the target to a commit with these files."""
    tip = changes.head(files)
    changes.user.peek("git", "export")
    changes.git("update-ref", "refs/heads/main", tip)
    changes.user.peek("git", "import")
    return tip


async def judged(changes: Changes, commit: CommitId) -> e.ChecksFinished:
    """The result of checking a commit, which a new process finds again."""
    key, effect = changes.check(commit)
    event = await changes.forge(checks_at=checks_at).do(key, effect, no_report)
    assert isinstance(event, e.ChecksFinished)
    assert await changes.forge(checks_at=checks_at).probe(key, effect) == event
    return event


async def test_a_change_is_not_its_own_judge(changes: Changes) -> None:
    """A change that drops or adds checks is judged by those of the target; the next one by its."""
    move(changes, {"oya.toml": checks(strict="test ! -e bad")})
    lax = await changes.built(changes.head({"oya.toml": checks(lax="true"), "bad": "x\n"}))
    event = await judged(changes, lax.commit)
    assert (event.reason, event.check) == (e.Reason.CHECK_FAILED, "strict")
    silly = await changes.built(changes.head({"oya.toml": checks(broken="false")}))
    assert (await judged(changes, silly.commit)).reason is None


async def test_no_earlier_commit_of_a_change_is_its_judge(changes: Changes) -> None:
    """A change of two commits, of which the first drops a check and the second breaks it, is judged
    by what it is built on, though its first parent is its own."""
    tip = move(changes, {"oya.toml": checks(strict="test ! -e bad")})
    first = changes.head({"oya.toml": checks(lax="true")})
    second = changes.head({"bad": "x\n"}, on=first)
    _, effect = changes.check(second)
    effect = replace(effect, base=tip)
    event = await changes.forge(checks_at=checks_at).do(effect_key(effect), effect, no_report)
    assert isinstance(event, e.ChecksFinished)
    assert (event.reason, event.check) == (e.Reason.CHECK_FAILED, "strict")
    gone = replace(effect, base=CommitId("a" * 40))
    with pytest.raises(WorldFailed, match="whose checks count"):
        await changes.forge(checks_at=checks_at).do(effect_key(gone), gone, no_report)


async def test_the_targets_newest_checks_judge(changes: Changes) -> None:
    """A check that was put on the target while a daemon runs counts for all that is built on it,
    though the same forge had judged by the former."""
    move(changes, {"oya.toml": checks(old="true")})
    forge, moves = changes.forge(checks_at=checks_at), Moves()
    head = changes.head({"new.txt": "new\n"})
    for number, (toml, reason) in enumerate(
        [(checks(old="true"), None), (checks(old="test ! -e new.txt"), e.Reason.CHECK_FAILED)]
    ):
        move(changes, {"oya.toml": toml, f"{number}": "x\n"})
        key, effect = changes.build(head, number=number + 1)
        built = await forge.do(key, effect, moves)
        assert isinstance(built, e.CandidateBuilt)
        event = await forge.do(*changes.check(built.commit), no_report)
        assert isinstance(event, e.ChecksFinished)
        assert event.reason is reason
    assert len(moves.seen) == 1


@pytest.mark.parametrize(
    ("toml", "says"),
    [
        (None, "[checks]"),
        ("", "[checks]"),
        ("[checks]\n", "[checks]"),
        ("checks = [", "not TOML"),
        ("[checks]\ntest = 3\n", "checks.test must be text"),
        ("[worker]\nslotz = 3\n", "worker.slotz"),
    ],
)
async def test_no_checks_to_read_is_a_refusal(
    changes: Changes, toml: str | None, says: str
) -> None:
    """Nothing passes for want of a judge: the refusal says what is missing or wrong."""
    move(changes, {"oya.toml": toml, "more": "x\n"})
    built = await changes.built(changes.head({"oya.toml": checks(own="true")}))
    key, effect = changes.check(built.commit)
    forge = changes.forge(checks_at=only_the_file)
    for event in (await forge.do(key, effect, no_report), await forge.probe(key, effect)):
        assert isinstance(event, e.ChecksFinished)
        assert event.reason is e.Reason.NO_CHECKS
        assert says in event.detail


async def test_a_folder_of_that_name_names_no_checks(changes: Changes) -> None:
    """Where oya.toml is no file there is none."""
    move(changes, {"oya.toml/checks": "x\n"})
    built = await changes.built(changes.head({"new.txt": "new\n"}))
    event = await changes.forge(checks_at=only_the_file).do(*changes.check(built.commit), no_report)
    assert isinstance(event, e.ChecksFinished)
    assert event.reason is e.Reason.NO_CHECKS


async def test_first_commit_is_judged_by_itself(changes: Changes) -> None:
    """A commit without a parent has its own checks, which are told of no base."""
    for toml, reason in (("true", None), ("false", e.Reason.CHECK_FAILED)):
        tree = changes.tree(
            changes.head({"oya.toml": checks(first=f'test -z "$OYA_BASE" && {toml}')})
        )
        first = CommitId(changes.git("commit-tree", tree, "-m", "The first"))
        assert (await judged(changes, first)).reason is reason


async def test_the_plan_reads_checks_as_it_reads_all_else(
    new_project: NewProject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The user's configuration, the text, then the environment: for any text, with the same
    errors."""
    project = new_project(check="true")
    user = tmp_path / "user.toml"
    user.write_text("[checks]\nmine = 'm'\ntest = 'mine'\nlast = 'mine'\n")
    monkeypatch.setenv("OYA_CHECKS__LAST", "environment")
    flags = {"worker.command": "true"}
    plan = await find_plan(default_home(), project.root, config_file=user, flags=flags)
    assert plan.checks_at(None) == {"mine": "m", "test": "mine", "last": "environment"}
    assert plan.checks_at(checks(test="t", last="l", more="x")) == {
        "mine": "m",
        "test": "t",
        "last": "environment",
        "more": "x",
    }
    with pytest.raises(ConfigurationInvalid, match=r"oya\.toml"):
        plan.checks_at("[")
