"""Checks of candidates with submodules: their files are there, or nothing is run."""

from __future__ import annotations

from pathlib import Path

import pytest

from oya_vcs.adapters.jj import JjRepository
from oya_vcs.core import events as e
from oya_vcs.core.ids import CommitId
from oya_vcs.errors import WorldFailed
from tests.integration.conftest import UserRepo
from tests.integration.local_changes import Changes, no_report


@pytest.fixture(params=["colocated"])
def repo_kind(request: pytest.FixtureRequest) -> str:
    """The kind that git's own submodule commands work in."""
    return str(request.param)


@pytest.fixture
def changes(user_repo: UserRepo, repository: JjRepository, tmp_path: Path) -> Changes:
    """Changes to the user's repository, and a home of our own."""
    return Changes(user=user_repo, repository=repository, home=tmp_path / "oya")


def library(changes: Changes, folder: Path, files: dict[str, str], *more: str) -> str:
    """A repository of somebody else's, with one more commit of these files; returns that."""
    git = (changes.user.tools.git, "-C", folder, "-c", "user.name=L", "-c", "user.email=l@x")
    folder.mkdir(exist_ok=True)
    changes.user.run(*git, "init", "-q")
    for name, text in files.items():
        (folder / name).write_text(text)
    if more:
        changes.user.run(*git, "-c", "protocol.file.allow=always", "submodule", "add", "-q", *more)
    changes.user.run(*git, "add", "-A")
    changes.user.run(*git, "commit", "-qm", "Library")
    return changes.user.run(*git, "rev-parse", "HEAD").strip()


def head_with(changes: Changes, links: dict[str, str], modules: str, **files: str) -> CommitId:
    """A change that has these submodules."""
    index = changes.home / "sub-index"
    head = changes.head({".gitmodules": modules, **files})
    changes.git("read-tree", head, index=index)
    for path, commit in links.items():
        entry = f"160000 {commit}\t{path}\0".encode()
        changes.git("update-index", "-z", "--index-info", stdin=entry, index=index)
    tree = changes.git("write-tree", index=index)
    made = changes.git("commit-tree", tree, "-p", changes.commit("main"), "-m", "Work")
    return CommitId(made)


def named(path: str, name: str, url: Path) -> str:
    """An entry of .gitmodules."""
    return f'[submodule "{name}"]\n\tpath = {path}\n\turl = {url}\n'


async def checked(changes: Changes, head: CommitId, checks: dict[str, str]) -> e.ChecksFinished:
    """The result of checking the candidate of a head."""
    built = await changes.built(head)
    event = await changes.forge(checks).do(*changes.check(built.commit), no_report)
    assert isinstance(event, e.ChecksFinished)
    return event


async def test_initialised_submodules_are_filled_from_the_repository(
    changes: Changes, tmp_path: Path
) -> None:
    """The files of the commit that the candidate names, within one another too, as git itself would
    have put them there; without asking anybody, and new for every check."""
    inner, outer = tmp_path / "inner", tmp_path / "outer"
    library(changes, inner, {"deep.txt": "deep\n"})
    commit = library(changes, outer, {"lib.txt": "one\n"}, str(inner), "in/deep")
    modules = tmp_path / "project" / ".git" / "modules"
    allow = ("-c", "protocol.file.allow=always", "clone", "-q", "--bare")
    changes.user.run(changes.user.tools.git, *allow, outer, modules / "my/lib")
    nested = modules / "my/lib/modules/in/deep"
    changes.user.run(changes.user.tools.git, *allow, inner, nested)
    library(changes, outer, {"lib.txt": "two\n"})
    for gone in (inner, outer):
        gone.rename(gone.with_name(f"{gone.name}-gone"))
    head = head_with(changes, {"vendor/lib": commit}, named("vendor/lib", "my/lib", outer))
    lib = "vendor/lib"
    look = f"""
        test "$(cat {lib}/lib.txt)" = one && test "$(cat {lib}/in/deep/deep.txt)" = deep &&
        test "$(cd {lib} && git rev-parse HEAD)" = {commit} && git -C {lib} log -1 > /dev/null &&
        test "$(ls {lib} | wc -l)" = 2 && test -z "$(git status --porcelain)"
    """
    spoil = f"echo x > {lib}/evil; rm {lib}/lib.txt; rm -rf {lib}/in/deep/.git; true"
    look, spoil = look.rstrip(), f"{look.rstrip()} && {{ {spoil}; }}"
    event = await checked(changes, head, {"a": spoil, "b": look})
    assert event.reason is None, event.detail
    event = await checked(changes, changes.head({"plain": "x\n"}), {"c": "test ! -e vendor"})
    assert event.reason is None, event.detail


@pytest.mark.parametrize(
    ("modules", "name"),
    [
        ("", "lib"),
        ('[submodule "lib"]\n\tpath = lib\n', "elsewhere"),
        ('[submodule "../modules/lib"]\n\tpath = lib\n', "lib"),
        ('[submodule "lib"]\n\tpath = lib\n', "lib"),
    ],
    ids=["not named", "not initialised", "name that leads away", "commit that is not there"],
)
async def test_what_cannot_be_had_is_refused_with_its_reason(
    changes: Changes, tmp_path: Path, modules: str, name: str
) -> None:
    """No check runs on a part of the files: the refusal names the submodule and the mend."""
    ran = tmp_path / "ran"
    outer = tmp_path / "outer"
    commit = library(changes, outer, {"lib.txt": "one\n"})
    store = tmp_path / "project" / ".git" / "modules" / name
    changes.user.run(changes.user.tools.git, "clone", "-q", "--bare", outer, store)
    if name == "lib" and "leads" not in modules and modules.startswith('[submodule "lib"]'):
        commit = "1" * 40
    head = head_with(changes, {"lib": commit}, modules)
    with pytest.raises(WorldFailed, match="the submodule lib at") as raised:
        await checked(changes, head, {"a": f"touch {ran}"})
    assert not raised.value.retryable
    assert "git submodule update --init -- lib" in raised.value.hint
    assert not ran.exists()
