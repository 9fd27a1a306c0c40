"""What somebody planted in the repository, in the home or in a checkout runs nothing and changes no
result."""

from __future__ import annotations

from pathlib import Path

import pytest

from oya_vcs.adapters.jj import JjRepository, Programs, open_repository
from oya_vcs.adapters.workspaces.ground import Ground
from oya_vcs.core import events as e
from oya_vcs.core.ids import CommitId, WorkspaceName
from tests.integration.conftest import UserRepo
from tests.integration.local_changes import Changes, no_report

LINES = "".join(f"{number}\n" for number in range(1, 8))
FIRST, LAST, BOTH = (LINES.replace("1", "one"), LINES.replace("7", "seven"), "one 2 3 4 5 6 seven")


@pytest.fixture
def changes(user_repo: UserRepo, repository: JjRepository, tmp_path: Path) -> Changes:
    """Changes to the user's repository, and a home of our own."""
    return Changes(user=user_repo, repository=repository, home=tmp_path / "oya")


def git_dir(changes: Changes) -> Path:
    """The git folder of the user's repository."""
    return Path(changes.user.peek("git", "root").strip())


def two_edits(changes: Changes, more: dict[str, str | None]) -> CommitId:
    """The head of an edit of the first line, while the target has one of the last."""
    start = changes.head({"file": LINES, **more})
    tip, head = (changes.head({"file": text}, on=start) for text in (LAST, FIRST))
    changes.user.peek("git", "export")
    changes.git("update-ref", "refs/heads/main", tip)
    return head


async def both_are_there(changes: Changes, head: CommitId) -> None:
    """Assert that the candidate of the head holds both edits."""
    built = await changes.built(head)
    assert changes.git("show", f"{built.commit}:file").split() == BOTH.split()


@pytest.mark.parametrize("way", ["default", "info", "attributesFile", "home", "tree"])
async def test_planted_merge_driver_is_not_asked(
    changes: Changes, programs: Programs, tmp_path: Path, way: str
) -> None:
    """Wherever it is named, a driver is not run, and two edits of one file are both there."""
    ran, rules = tmp_path / "ran", "* merge=evil\n"
    head = two_edits(changes, {".gitattributes": rules} if way == "tree" else {})
    changes.git("config", "merge.evil.driver", f"touch {ran}")
    changes.git("config", "merge.renormalize", "true")
    if way == "default":
        changes.git("config", "merge.default", "evil")
    elif way == "attributesFile":
        (tmp_path / "rules").write_text(rules)
        changes.git("config", "core.attributesFile", str(tmp_path / "rules"))
    elif way != "tree":
        place = git_dir(changes) / "info" if way == "info" else programs.home / "git"
        place.mkdir(parents=True, exist_ok=True)
        (place / "attributes").write_text(rules)
    await both_are_there(changes, head)
    assert not ran.exists()


async def test_planted_hooks_are_not_run(changes: Changes, tmp_path: Path) -> None:
    """Neither files nor, on newer gits, configuration: building and landing run no hook."""
    ran = tmp_path / "ran"
    event = "reference-transaction"
    changes.git("config", "hook.evil.event", event)
    changes.git("config", "hook.evil.command", f"touch {ran}; exit 1; #")
    hooks = git_dir(changes) / "hooks"
    hooks.mkdir(exist_ok=True)
    (hooks / event).write_text(f"#!/bin/sh\ntouch {ran}\nexit 1\n")
    (hooks / event).chmod(0o755)
    changes.user.jj("git", "export")
    key, effect = changes.build(changes.head({"new.txt": "new\n"}))
    built = await changes.forge().do(key, effect, no_report)
    assert isinstance(built, e.CandidateBuilt)
    assert isinstance(await changes.forge().do(*changes.land(built), no_report), e.Landed)
    assert not ran.exists()


@pytest.mark.parametrize("file", ["shallow", "info/grafts"])
async def test_history_that_is_hidden_is_seen(
    changes: Changes, user_repo: UserRepo, programs: Programs, file: str
) -> None:
    """A commit is not cut off from the parents that are there, by a daemon that runs already or by
    a new one."""
    head = two_edits(changes, {})
    place = git_dir(changes) / file
    place.parent.mkdir(exist_ok=True)
    place.write_text(f"{changes.branch()}\n")
    workspaces = changes.repository.control.parent.parent
    again = await open_repository(user_repo.root, workspaces=workspaces, programs=programs)
    await again.prepare()
    for repository in (changes.repository, again):
        seen = await repository.git("rev-list", "--count", head, f"^{changes.branch()}")
        assert seen == "1"
        assert await repository.git("merge-base", head, changes.branch())


@pytest.mark.parametrize("repo_kind", ["plain"])
async def test_shallow_clone_is_landed_on(
    changes: Changes, user_repo: UserRepo, programs: Programs, tmp_path: Path
) -> None:
    """Where history really ends, it does: a clone of depth one takes changes."""
    user_repo.peek("git", "export")
    changes.git("update-ref", "refs/heads/main", changes.head({"file": LINES}))
    root = tmp_path / "shallow"
    where = f"file://{git_dir(changes)}"
    how = ("--quiet", "git", "clone", "--depth", "1", "--branch", "main")
    user_repo.run(user_repo.tools.jj, *how, where, root)
    clone = UserRepo(root=root, tools=user_repo.tools, home=user_repo.home)
    clone.peek("bookmark", "create", "main", "-r", "main@origin")
    workspaces = changes.repository.control.parent.parent
    opened = await open_repository(root, workspaces=workspaces, programs=programs)
    await opened.prepare()
    there = Changes(user=clone, repository=opened, home=tmp_path / "oya-2")
    assert (git_dir(there) / "shallow").exists()
    await both_are_there(there, two_edits(there, {}))


@pytest.mark.parametrize("repo_kind", ["colocated"])
async def test_view_is_made_again_when_it_is_not_ours(
    changes: Changes, programs: Programs, tmp_path: Path
) -> None:
    """Files that were put into git's view of the repository, or another one in its place, are gone
    before git looks."""
    ran = tmp_path / "ran"
    head = two_edits(changes, {})
    await both_are_there(changes, head)
    (view,) = programs.home.glob("view-*")
    was = sorted(view.iterdir())
    evil = view.with_name("evil")

    def put_in() -> None:
        (view / "info").mkdir()
        (view / "info" / "attributes").write_text("* merge=evil\n")

    def put_in_config() -> None:
        (view / "config").write_text(
            f'[merge]\ndefault = evil\n[merge "evil"]\ndriver = touch {ran}'
        )

    def put_in_place() -> None:
        put_in_config()
        view.rename(evil)
        view.symlink_to(evil)

    for act in (put_in, put_in_config, put_in_place):
        act()
        await both_are_there(changes, head)
        assert sorted(view.iterdir()) == was
        assert not view.is_symlink()
    assert not ran.exists()
    assert evil.exists()
    assert [path for path in programs.home.iterdir() if path.name.startswith(".")] == []


async def test_planted_exclusions_hide_no_files(changes: Changes, tmp_path: Path) -> None:
    """What keeps a file from being missed is a .gitignore beside it, and nothing in the git
    folder."""
    name = WorkspaceName("one")
    ground = Ground(
        repository=changes.repository, folder=tmp_path, trash=tmp_path / "trash", target="main"
    )
    (tmp_path / name / ".jj").mkdir(parents=True)
    for file, text in (("kept", ""), ("made.o", ""), (".gitignore", "*.o\n")):
        (tmp_path / name / file).write_text(text)
    rules = git_dir(changes) / "info" / "exclude"
    rules.parent.mkdir(exist_ok=True)
    rules.write_text("*\n")
    changes.git("config", "core.excludesFile", str(rules))
    assert await ground.not_ignored(name, (b"kept", b"made.o")) == (b"kept",)


PLANT = """
    store=$(dirname "$(cat .git/objects/info/alternates)")
    for dir in .git "$store" $(find {home} -name config -printf '%h ')
    do
        mkdir -p "$dir/info"
        echo '* filter=x' > "$dir/info/attributes"
        git config -f "$dir/config" filter.x.smudge 'sed s/project/lie/'
        git config -f "$dir/config" filter.x.clean 'sed s/lie/project/'
        git config -f "$dir/config" core.fsmonitor 'touch {ran}; false'
    done
    sed -i s/project/lie/ README
    git -c core.fsmonitor=false --git-dir=.git --work-tree=. add README
    for dir in {home}/checkouts/*/*/ {home}/checkouts/*/*/.git
    do cp .git/index "$dir/index"; done
    :
"""


async def test_check_does_not_falsify_the_files_of_the_next(
    changes: Changes, programs: Programs, tmp_path: Path
) -> None:
    """Filters and an index that show the stored bytes for others, put wherever git may look, change
    nothing in the next checkout, of this candidate or another."""
    ran = tmp_path / "ran"
    plant = "".join(
        PLANT.format(home=home, ran=ran) for home in (changes.home, programs.home.parent)
    )
    checks = {"plant": plant, "clean": "cat README; test \"$(cat README)\" = 'A project.'"}
    heads = [changes.head({f"new-{number}": "new\n"}) for number in range(2)]
    for built in [await changes.built(head) for head in heads]:
        event = await changes.forge(checks).do(*changes.check(built.commit), no_report)
        assert isinstance(event, e.ChecksFinished)
        assert event.reason is None, event.detail
    assert not ran.exists()
