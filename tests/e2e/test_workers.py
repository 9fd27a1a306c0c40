"""Workers that misbehave: no edit is lost, no process stays, the bead says what happened."""

from __future__ import annotations

import json

import pytest

from tests.conftest import NewProject
from tests.projects import Project, agent


def _run(project: Project, worker: str, **settings: int) -> dict[str, object]:
    beads = project.beads({"id": "it", "title": "Do it"})
    argv = ["run", str(beads), "--repo", str(project.root), "--worker", agent(worker), "--json"]
    limits = {"attempts_max": 1, "stop_ms": 300, **settings}
    env = {f"OYA_WORKER__{key.upper()}": str(value) for key, value in limits.items()}
    ran = project.oya(*argv, env=env)
    answer = json.loads(ran.out)
    project.assert_user_untouched()
    project.assert_healthy()
    project.assert_no_leaks()
    bead = answer["data"]["beads"][0]
    assert isinstance(bead, dict)
    return {**bead, "code": ran.code}


@pytest.mark.parametrize(
    ("worker", "settings", "reason"),
    [
        ("crash", {}, "worker_failed"),
        ("hang", {"lease_ms": 600}, "lease_expired"),
        ("ignore_term", {"wall_ms_max": 1_000}, "wall_time"),
        ("flood", {"output_bytes_max": 200_000}, "output_limit"),
        ("empty", {}, "nothing_to_land"),
    ],
)
def test_a_bad_worker_is_stopped_and_named(
    new_project: NewProject,
    worker: str,
    settings: dict[str, int],
    reason: str,
) -> None:
    """Each fault has its reason, exit code 1, and leaves no process."""
    bead = _run(new_project(), worker, **settings)
    assert (bead["code"], bead["state"], bead["reason"]) == (1, "failed", reason)


def test_background_children_are_gone_before_the_result_is_collected(
    new_project: NewProject,
) -> None:
    """Children in sessions of their own that ignore SIGTERM do not outlive the attempt."""
    assert _run(new_project(), "forker")["state"] == "landed"


def test_three_megabytes_of_new_files_land_whole(
    new_project: NewProject,
) -> None:
    """jj refuses files over 1 MiB by default; a result holds them all the same."""
    project = new_project()
    assert _run(project, "big_files")["state"] == "landed"
    assert int(project.git("cat-file", "-s", "refs/heads/main:big.bin")) == 3_000_000


def test_what_a_failed_worker_wrote_is_kept_and_pinned_when_it_is_cleaned(
    new_project: NewProject,
) -> None:
    """The workspace of a failed attempt stays; `workspace clean` pins its files before removing
    it."""
    project = new_project(check="false")
    bead = _run(project, "honest")
    assert bead["state"] == "failed"
    listed = json.loads(project.oya("workspace", "list", "--json").out)["data"]
    assert [one["state"] for one in listed] == ["kept"]
    dry = project.oya("workspace", "clean", "--older-than", "0", "--dry-run")
    assert dry.code == 0
    assert "Nothing was changed" in dry.out
    project.assert_no_leaks()
    young = project.oya("workspace", "clean")
    assert "Nothing to remove" in young.out
    assert project.oya("workspace", "clean", "--older-than", "0").code == 0
    assert json.loads(project.oya("workspace", "list", "--json").out)["data"] == []
    project.assert_no_leaks()
    project.assert_healthy()


def test_an_unfinished_workers_edits_are_pinned(
    new_project: NewProject,
) -> None:
    """A worker that wrote and then crashed: its file comes back from the pin after the clean-up."""
    project = new_project()
    worker = project.folder / "half.sh"
    worker.write_text("#!/bin/sh\necho precious > half.txt\nexit 3\n")
    worker.chmod(0o755)
    beads = project.beads({"id": "it", "title": "Do it"})
    ran = project.oya("run", str(beads), "--repo", str(project.root), "--worker", str(worker))
    assert ran.code == 1
    assert project.oya("workspace", "clean", "--older-than", "0").code == 0
    pins = project.git("for-each-ref", "--format=%(refname)", "refs/oya/kept").splitlines()
    assert len(pins) == 3
    assert {project.git("show", f"{pin}:half.txt") for pin in pins} == {"precious"}


def _script(project: Project, *lines: str) -> str:
    """A worker of a few lines of sh."""
    path = project.folder / "worker.sh"
    path.write_text("\n".join(("#!/bin/sh", *lines, "")))
    path.chmod(0o755)
    return str(path)


@pytest.mark.parametrize("number", ["KILL", "TERM"])
def test_a_worker_that_ends_its_reaper_runs_out_of_attempts(
    new_project: NewProject, number: str
) -> None:
    """Whoever kills or stops the reaper fails the attempt: the bead is not restarted for ever."""
    project = new_project()
    worker = _script(project, f"kill -{number} $PPID", "sleep 60")
    argv = ["run", str(project.beads({"id": "it", "title": "Do it"})), "--worker", worker]
    ran = project.oya(*argv, "--repo", str(project.root), "--json", env={"OYA_WORKER__SLOTS": "1"})
    assert ran.code == 1, ran.err
    bead = json.loads(ran.out)["data"]["beads"][0]
    assert (bead["state"], bead["reason"], bead["attempt"]) == ("failed", "worker_failed", 3)
    assert "The worker was ended from outside: its reaper was" in bead["why"]
    project.assert_no_leaks()


@pytest.mark.parametrize("colocate", [True, False], ids=["colocated", "plain"])
def test_a_target_that_goes_during_a_run_costs_no_bead_an_attempt(
    new_project: NewProject, *, colocate: bool
) -> None:
    """The bookmark is deleted under a run: it ends, every bead waits and says for what; with the
    bookmark back the next run lands all."""
    project = new_project(colocate=colocate)
    main = project.jj("log", "--no-graph", "-r", "main", "-T", "commit_id")
    jj = f"{project.tools.jj} --ignore-working-copy -R {project.root}"
    gone = project.folder / "gone"
    worker = _script(
        project,
        f"if mkdir {gone}; then {jj} bookmark delete main && {jj} git export; fi || exit 1",
        "echo work > $OYA_BEAD_ID.txt",
    )
    asked: list[dict[str, object]] = [{"id": name, "title": name} for name in "abcd"]
    beads = project.beads(*asked)
    argv = ["run", str(beads), "--repo", str(project.root), "--worker", worker, "--slots", "1"]
    once = {"OYA_WORKER__ATTEMPTS_MAX": "1"}
    ran = project.oya(*argv, "--json", env=once, timeout_s=60)
    assert ran.code == 1, ran.err
    first, *others = json.loads(ran.out)["data"]["beads"]
    assert (first["state"], first["failures"]) == ("queued", 0)
    for bead in others:
        assert (bead["state"], bead["failures"]) == ("ready", 0)
        assert bead["why"].startswith("Waits: the ")
    assert project.processes() == []
    project.jj("bookmark", "create", "main", "-r", main)
    project.jj("git", "export")
    again = project.oya(*argv, "--json", env=once)
    assert again.code == 0, again.err
    assert sorted(project.trailers("Oya-Bead")) == list("abcd")
    project.assert_landed_trees_were_tested()
    project.assert_no_leaks()
