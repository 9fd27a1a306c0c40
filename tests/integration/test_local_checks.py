"""Checks of the local forge: real commands under the real reaper, in real checkouts."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from oya_vcs.adapters.jj import JjRepository
from oya_vcs.core import events as e
from oya_vcs.core.ids import CommitId
from oya_vcs.errors import WorldFailed
from oya_vcs.ports import Finished, Probe
from tests.integration.conftest import UserRepo
from tests.integration.local_changes import Changes, Ended, Watched, no_report, processes_in

WAIT_S = 20
PASSED = Finished(reason=None, exit_code=0, detail="It ended with status 0.", tail="")


@pytest.fixture(params=["colocated"])
def repo_kind(request: pytest.FixtureRequest) -> str:
    """One kind is enough where checks read objects alone; one test below uses the other."""
    return str(request.param)


@pytest.fixture
def changes(user_repo: UserRepo, repository: JjRepository, tmp_path: Path) -> Changes:
    """Changes to the user's repository, and a home of our own."""
    return Changes(user=user_repo, repository=repository, home=tmp_path / "oya")


async def checked(changes: Changes, checks: dict[str, str], **more: object) -> e.ChecksFinished:
    """The result of checking a fresh candidate."""
    built = await changes.built(changes.head({"new.txt": "new\n"}))
    forge = changes.forge(checks, **more)  # type: ignore[arg-type]
    event = await forge.do(*changes.check(built.commit), no_report)
    assert isinstance(event, e.ChecksFinished)
    assert event.candidate == built.commit
    return event


@pytest.mark.parametrize("repo_kind", ["colocated", "plain"], indirect=True)
async def test_checks_see_exactly_the_candidate(changes: Changes, tmp_path: Path) -> None:
    """The files of the candidate, git that agrees with them, and what each check is told."""
    told = tmp_path / "told"
    script = f"""
        test "$(cat new.txt)" = new && test -z "$(git status --porcelain --ignored)" &&
        test "$(git rev-parse HEAD)" = "$OYA_CANDIDATE" && test "$CI" = true &&
        test "$(git diff --name-only "$OYA_BASE" HEAD)" = new.txt &&
        git log -1 --format=%s > /dev/null &&
        echo "$OYA_CHECK $OYA_BEAD_ID $OYA_CHANGE" >> {told}
    """
    event = await checked(changes, {"first": script, "second": script})
    assert (event.reason, event.check, event.detail) == (None, "", "")
    assert told.read_text() == "first b1 c1\nsecond b1 c1\n"


async def test_environment_is_allow_listed(changes: Changes, tmp_path: Path) -> None:
    """Nothing of the daemon's environment but what finds programs: no secret reaches a check."""
    out = tmp_path / "env"
    path = os.environ["PATH"]
    environ = {"PATH": path, "GITHUB_TOKEN": "s3cret", "GIT_DIR": "/x", "LC_ALL": "C"}
    event = await checked(changes, {"env": f"env > {out}"}, environ=environ)
    assert event.reason is None
    names = {line.partition("=")[0] for line in out.read_text().splitlines()}
    own = {"CI", "OYA_BEAD_ID", "OYA_CHANGE", "OYA_CANDIDATE", "OYA_BASE", "OYA_CHECK"}
    assert names >= own | {"PATH", "LC_ALL"}
    assert not names & {"GITHUB_TOKEN", "GIT_DIR"}


async def test_first_failure_ends_it(changes: Changes, tmp_path: Path) -> None:
    """In the order of the configuration: the first failure is named with its output, and nothing
    runs after it."""
    ran = tmp_path / "ran"
    checks = {
        "z-first": f"echo z >> {ran}",
        "broken one": f"echo b >> {ran}; echo 'it is \"broken\"' >&2; exit 3",
        "never": f"echo n >> {ran}",
    }
    event = await checked(changes, checks)
    assert (event.reason, event.check) == (e.Reason.CHECK_FAILED, "broken one")
    assert 'it is "broken"' in event.detail
    assert "3" in event.detail.splitlines()[0]
    assert ran.read_text() == "z\nb\n"
    logs = sorted(path.name for path in (changes.home / "logs" / "b1").iterdir())
    assert [name.rsplit("-", 1)[0] for name in logs] == ["check-broken-one", "check-z-first"]


@pytest.mark.parametrize("code", [1, 75, 127])
async def test_any_status_but_zero_fails(changes: Changes, code: int) -> None:
    """For a check, 75 is no request to wait, and a command that is not there is a failure."""
    assert (await checked(changes, {"c": f"exit {code}"})).reason is e.Reason.CHECK_FAILED


async def test_quotes_are_the_shells(changes: Changes) -> None:
    """A command reaches the shell as it was written."""
    command = """test "a b" = 'a b' && test "$(printf '%s' "it's \\"x\\"")" = 'it'"'"'s "x"'"""
    assert (await checked(changes, {"q": command})).reason is None
    assert (await checked(changes, {"q": f"{command} && false"})).reason is not None


async def test_check_that_hangs_times_out_with_all_it_started(
    changes: Changes, tmp_path: Path
) -> None:
    """At check_ms_max the whole tree is stopped, sessions of its own too."""
    command = "setsid sleep 300 & echo waiting; sleep 300"
    event = await checked(changes, {"slow": command}, check_ms_max=300)
    assert (event.reason, event.check) == (e.Reason.CHECK_TIMEOUT, "slow")
    assert "300 ms" in event.detail
    assert processes_in(changes.home) == []


async def test_children_of_a_passing_check_are_gone(changes: Changes) -> None:
    """What a check leaves in the background does not outlast it."""
    event = await checked(changes, {"daemon": "setsid sleep 300 > /dev/null 2>&1 & true"})
    assert event.reason is None
    assert processes_in(changes.home) == []


LITTER = {
    "files": "echo x > README; rm -r src; echo x > extra; mkdir build; echo x > build/a.o",
    "commits": "git checkout -q -b side; git -c user.name=x -c user.email=x@x commit -qam x",
    "hidden edit": "git update-index --assume-unchanged README; echo x > README",
    "skipped": "git update-index --skip-worktree README; rm README",
    "excluded": "echo extra >> .git/info/exclude; echo x > extra; git config core.excludesFile /x",
    "nested repository": "git init -q inner; echo x > inner/x; git init -q README.d",
    "lost index": "rm .git/index; echo x > README",
    "lost repository": "rm -rf .git; echo x > README",
    "worktree elsewhere": "git config core.worktree /; git config core.bare true",
    "read-only": "mkdir -p ro/deep; touch ro/deep/x; chmod 500 ro/deep ro",
    "unreadable": "chmod 000 README src",
    "symlinks": "ln -s / everything; rm -rf src; ln -s /etc src",
    "modes": "chmod 755 README",
    "lock": "touch .git/index.lock .git/HEAD.lock",
}


@pytest.mark.parametrize("litter", LITTER.values(), ids=LITTER)
async def test_nothing_a_check_does_reaches_the_next(changes: Changes, litter: str) -> None:
    """Neither the next check of the same candidate, nor the next run of another."""
    clean = """
        test "$(git status --porcelain --ignored)" = "" && test "$(cat README)" = "A project." &&
        test "$(git rev-parse --abbrev-ref HEAD)" = HEAD && test -f src/main.py &&
        test "$(ls -A | tr '\\n' ' ')" = ".git .gitignore README new.txt src " &&
        test "$(git rev-parse HEAD)" = "$OYA_CANDIDATE"
    """
    checks = {"litter": f"{litter}; true", "clean": clean}
    event = await checked(changes, checks)
    assert event.reason is None, event.detail
    event = await checked(changes, {"again": clean})
    assert event.reason is None, event.detail


async def test_broken_checkout_is_made_again(changes: Changes, tmp_path: Path) -> None:
    """Whatever is off with the cached checkout, it is replaced; a folder that somebody linked in
    its place is not touched."""
    await checked(changes, {"c": "true"})
    folder = changes.home / "checkouts" / changes.repository.id / "1"
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "file").write_text("mine")

    def linked(name: str) -> None:
        (folder / name).rename(tmp_path / f"was-{name}")
        (folder / name).symlink_to(precious)

    def cut(name: str) -> None:
        path = folder / "tree" / ".git" / name
        path.write_bytes(path.read_bytes()[:20])

    def linked_repository() -> None:
        (folder / "tree" / ".git").rename(tmp_path / "was-git")
        (folder / "tree" / ".git").symlink_to(precious)

    breaks: tuple[Callable[[], object], ...] = (
        lambda: linked("tree"),
        linked_repository,
        lambda: cut("index"),
        lambda: cut("HEAD"),
        lambda: cut("config"),
        (folder / "tree" / ".git" / "objects" / "info" / "alternates").unlink,
        lambda: (folder / "tree").rename(tmp_path / "moved"),
    )
    for number, act in enumerate(breaks):
        act()
        command = f"test -f new.txt && git status && : {number}"
        event = await checked(changes, {"c": command})
        assert event.reason is None, (number, event.detail)
    assert [path.name for path in precious.iterdir()] == ["file"]
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]


async def test_line_ending_rules_do_not_hide_the_stored_bytes(changes: Changes) -> None:
    """A tree that breaks its own .gitattributes is checked out as it is stored, and verifies."""
    files = {".gitattributes": "* text=auto eol=crlf\n", "dos": "a\r\nb\r\n", "unix": "a\nb\n"}
    built = await changes.built(changes.head(files))
    command = "test $(wc -c < dos) = 6 && test $(wc -c < unix) = 4 && git diff --exit-code"
    event = await changes.forge({"c": command}).do(*changes.check(built.commit), no_report)
    assert isinstance(event, e.ChecksFinished)
    assert event.reason is None, event.detail


async def test_no_checks_is_a_refusal(changes: Changes) -> None:
    """Zero checks never pass, asked or probed; the detail says what to configure."""
    built = await changes.built(changes.head({"new.txt": "new\n"}))
    for event in (
        await changes.forge().do(*changes.check(built.commit), no_report),
        await changes.forge().probe(*changes.check(built.commit)),
    ):
        assert isinstance(event, e.ChecksFinished)
        assert event.reason is e.Reason.NO_CHECKS
        assert "[checks]" in event.detail


async def test_candidate_that_is_gone_is_an_error(changes: Changes) -> None:
    """A lost commit is the world's failure for good, not a failed check."""
    with pytest.raises(WorldFailed) as raised:
        await changes.forge({"c": "true"}).do(*changes.check(CommitId("1" * 40)), no_report)
    assert not raised.value.retryable


async def test_probe_tells_recorded_results(changes: Changes, tmp_path: Path) -> None:
    """A result that was recorded is the result, for a new process too, and nothing runs again."""
    ran = tmp_path / "ran"
    built = await changes.built(changes.head({"new.txt": "new\n"}))
    for checks in ({"a": f"echo a >> {ran}"}, {"b": f"echo b >> {ran}; exit 1"}):
        key, effect = changes.check(built.commit)
        assert await changes.forge(checks).probe(key, effect) is Probe.ABSENT
        first = await changes.forge(checks).do(key, effect, no_report)
        assert await changes.forge(checks).probe(key, effect) == first
        assert await changes.forge(checks).do(key, effect, no_report) == first
    assert ran.read_text() == "a\nb\n"
    changed = {"a": f"echo c >> {ran}"}
    assert await changes.forge(changed).probe(*changes.check(built.commit)) is Probe.ABSENT


async def test_interrupted_check_runs_again_and_the_others_do_not(
    changes: Changes, tmp_path: Path
) -> None:
    """Cancelled in the middle: ABSENT, then the rest under a new key. The check that had passed
    keeps its first result."""
    ran, gate = tmp_path / "ran", tmp_path / "gate"
    checks = {
        "passed": f"echo passed >> {ran}",
        "cut": f"echo cut >> {ran}; test -e {gate} || sleep 300",
    }
    built = await changes.built(changes.head({"new.txt": "new\n"}))
    key, effect = changes.check(built.commit)
    doing = asyncio.create_task(changes.forge(checks).do(key, effect, no_report))
    async with asyncio.timeout(WAIT_S):
        while not (ran.exists() and ran.read_text() == "passed\ncut\n"):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    doing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await doing
    assert processes_in(changes.home) == []
    gate.touch()
    assert await changes.forge(checks).probe(key, effect) is Probe.ABSENT
    event = await changes.forge(checks).do(key, effect, no_report)
    assert isinstance(event, e.ChecksFinished)
    assert event.reason is None
    assert ran.read_text() == "passed\ncut\ncut\n"
    assert await changes.forge(checks).probe(key, effect) == event


async def test_run_that_tells_nothing_is_no_result(changes: Changes) -> None:
    """Interrupted or never started is neither pass nor failure: tried again, under another key;
    what cannot be told yet is waited for."""
    built = await changes.built(changes.head({"new.txt": "new\n"}))
    key, effect = changes.check(built.commit)
    cut = Finished(reason=e.Reason.INTERRUPTED, exit_code=None, detail="Killed.", tail="")
    runner = Ended(cut, earlier=[cut, cut])
    with pytest.raises(WorldFailed, match="without a result") as raised:
        await changes.forge({"c": "x"}, runner=runner).do(key, effect, no_report)
    assert raised.value.retryable
    assert len(set(runner.asked)) == 3
    assert runner.orders[0].key == runner.asked[2]
    unknown = Ended(PASSED, earlier=[cut, Probe.UNKNOWN, cut, Probe.UNKNOWN])
    forge = changes.forge({"c": "x"}, runner=unknown)
    assert await forge.probe(key, effect) is Probe.UNKNOWN
    with pytest.raises(WorldFailed, match="still being stopped") as raised:
        await forge.do(key, effect, no_report)
    assert raised.value.retryable
    assert unknown.orders == []


async def test_order_lets_a_check_be_silent(changes: Changes) -> None:
    """No lease and no heartbeat: only the wall time bounds a check."""
    built = await changes.built(changes.head({"new.txt": "new\n"}))
    runner = Ended(PASSED)
    forge = changes.forge({"c": "x y"}, runner=runner, check_ms_max=1234)
    await forge.do(*changes.check(built.commit), no_report)
    (order,) = runner.orders
    assert order.argv == ("/bin/sh", "-c", "x y")
    assert (order.lease_ms, order.heartbeat, order.wall_ms_max) == (0, None, 1234)


async def test_checks_start_few_processes(changes: Changes) -> None:
    """One git call that finds the checks, and four a check; in a process's first, one more."""
    watched = Watched(changes.repository)
    forge = changes.forge({"c": "true", "d": "true"}, repository=watched)
    for most in (10, 9):
        built = await changes.built(changes.head({f"new-{most}.txt": "new\n"}))
        watched.calls.clear()
        await forge.do(*changes.check(built.commit), no_report)
        assert len(watched.calls) <= most, watched.calls
        await forge.probe(*changes.check(built.commit))
        assert len(watched.calls) <= most + 1, watched.calls
