"""What of the leftovers is to go: judged by age, number, and whose they are."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from oya_vcs.core import leftovers
from oya_vcs.core.ids import BeadId, RepoId, WorkspaceName
from oya_vcs.core.leftovers import Finding, Kind, Standing
from oya_vcs.core.world import Keep, Workspace, World

NOW_MS = 10 * leftovers.KEPT_MS

findings = st.builds(
    Finding,
    name=st.from_regex(r"[a-z]{1,3}", fullmatch=True).map(WorkspaceName),
    path=st.just("w"),
    kind=st.sampled_from(Kind),
    why=st.just("Because."),
    safe_to_remove=st.booleans(),
    since_ms=st.none() | st.integers(0, NOW_MS),
)
workspaces = st.builds(
    Workspace,
    name=st.from_regex(r"[a-z]{1,3}", fullmatch=True).map(WorkspaceName),
    repo=st.just(RepoId("r")),
    bead=st.just(BeadId("b")),
    attempt=st.just(1),
    keep=st.sampled_from(Keep),
    since_ms=st.integers(0, NOW_MS),
)


@given(st.lists(findings), st.integers(0, NOW_MS), st.integers(0, 5))
def test_only_what_is_safe_unexpected_and_old_goes(
    found: list[Finding], older_ms: int, count: int
) -> None:
    """Within the budget, the oldest first; what the record expects, and what is not ours to touch,
    never."""
    due = leftovers.orphaned(found, NOW_MS, older_ms, count)
    assert len(due) <= count
    for one in due:
        assert one.safe_to_remove
        assert one.kind not in {Kind.LIVE, Kind.KEPT}
        assert NOW_MS - (one.since_ms or 0) >= older_ms
    assert [one.since_ms or 0 for one in due] == sorted(one.since_ms or 0 for one in due)
    every = leftovers.orphaned(found, NOW_MS, older_ms, len(found))
    assert due == every[:count]


@given(st.lists(workspaces), st.integers(0, NOW_MS), st.integers(0, 5))
def test_only_kept_workspaces_are_overdue(there: list[Workspace], kept_ms: int, count: int) -> None:
    """Never a live one, one that is being removed, or one that was kept for too short a time; the
    oldest first, within the budget."""
    due = leftovers.overdue(there, NOW_MS, kept_ms, count)
    assert len(due) == min(
        count,
        sum(one.keep is Keep.KEPT and NOW_MS - one.since_ms >= kept_ms for one in there),
    )
    assert all(one.keep is Keep.KEPT for one in due)
    assert [one.since_ms for one in due] == sorted(one.since_ms for one in due)


def test_one_that_is_being_removed_is_nobody_elses_business() -> None:
    """The record's four states are three to a survey; other repositories' are left out."""
    world = World()
    for number, keep in enumerate(Keep):
        name = WorkspaceName(f"w{number}")
        world.workspaces[name] = Workspace(
            name=name, repo=RepoId("r"), bead=BeadId("b"), attempt=1, keep=keep
        )
    world.workspaces[WorkspaceName("else")] = Workspace(
        name=WorkspaceName("else"), repo=RepoId("s"), bead=BeadId("b"), attempt=1
    )
    assert list(leftovers.standings(world, RepoId("r")).values()) == [
        Standing.LIVE,
        Standing.KEPT,
        Standing.LIVE,
        Standing.REMOVED,
    ]
