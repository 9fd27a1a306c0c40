"""Laws of what was seen of jj: every operation once and in order, and what it moved."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import networkx as nx
from hypothesis import given
from hypothesis import strategies as st

from oya_vcs.core.ids import CommitId, OperationId
from oya_vcs.core.op_log import Operation, Unclear, tips, unseen
from oya_vcs.core.operations import MOVEMENTS_MAX, Head, Movement, MovementKind, Subject
from oya_vcs.core.views import (
    Changed,
    Commit,
    Place,
    View,
    against_all,
    against_any,
    difference,
    foremost,
)

Log = Mapping[OperationId, Operation]


@st.composite
def logs(draw: st.DrawFn) -> dict[OperationId, Operation]:
    """An operation log, oldest first: a root, and operations on one or two of those before. Clocks
    of different machines agree on nothing."""
    names = [OperationId(f"op-{number}") for number in range(draw(st.integers(1, 12)))]
    log: dict[OperationId, Operation] = {}
    for at, name in enumerate(names):
        parents = (
            draw(st.lists(st.sampled_from(names[:at]), min_size=1, max_size=2, unique=True))
            if at
            else []
        )
        log[name] = Operation(
            id=name,
            parents=tuple(parents),
            mark=f"mark of {name}",
            by="me@here",
            description="",
            ended_ms=draw(st.integers(0, 3)),
        )
    return log


def graph_of(log: Log) -> nx.DiGraph[OperationId]:
    """Edges from each operation to those it stands on."""
    graph: nx.DiGraph[OperationId] = nx.DiGraph()
    graph.add_nodes_from(log)
    graph.add_edges_from((one.id, parent) for one in log.values() for parent in one.parents)
    return graph


def heads_of(log: Log) -> set[OperationId]:
    """The operations that nothing stands on."""
    graph = graph_of(log)
    return {one for one in log if graph.in_degree(one) == 0}


@st.composite
def known_in(draw: st.DrawFn, log: Log) -> tuple[Head, ...]:
    """What may be known of a log: some operations, none behind another."""
    graph = graph_of(log)
    chosen = draw(st.lists(st.sampled_from(list(log)), min_size=1, unique=True))
    return tuple(
        log[one].head
        for one in chosen
        if not any(one in nx.descendants(graph, other) for other in chosen)
    )


def behind(log: Log, known: Sequence[Head]) -> set[OperationId]:
    """Everything that is known."""
    graph = graph_of(log)
    here = {one.operation for one in known}
    return here.union(*(nx.descendants(graph, one) for one in here))


@given(st.data())
def test_every_operation_that_is_not_known_comes_once_and_after_those_it_stands_on(
    data: st.DataObject,
) -> None:
    """And when all have come, what is known are the heads of the log."""
    log = data.draw(logs())
    known = data.draw(known_in(log))
    steps = unseen(log, known, heads_of(log))
    assert not isinstance(steps, Unclear)
    order = [step.operation.id for step in steps]
    done = behind(log, known)
    assert sorted(order) == sorted(log.keys() - done)
    for one in order:
        assert done.issuperset(log[one].parents)
        done.add(one)
    last = steps[-1].known if steps else known
    assert {one.operation for one in last} == heads_of(log)
    late = {*heads_of(log), *(parent for one in heads_of(log) for parent in log[one].parents)}
    assert tips(log, late) == tuple(log[one].head for one in sorted(heads_of(log)))
    assert unseen(log, known, late) == steps


@given(st.data())
def test_to_stop_anywhere_and_go_on_later_gives_the_same(data: st.DataObject) -> None:
    """What is known after any step leads to the rest, and to nothing else."""
    log = data.draw(logs())
    steps = unseen(log, data.draw(known_in(log)), heads_of(log))
    assert not isinstance(steps, Unclear)
    if steps:
        at = data.draw(st.integers(0, len(steps) - 1))
        assert unseen(log, steps[at].known, heads_of(log)) == steps[at + 1 :]


@given(st.data())
def test_a_log_that_was_not_read_far_enough_back_is_read_further(data: st.DataObject) -> None:
    """The newest part of a log gives what the whole gives, or the word that it does not suffice."""
    log = data.draw(logs())
    known = data.draw(known_in(log))
    whole = unseen(log, known, heads_of(log))
    part = dict(list(log.items())[data.draw(st.integers(0, len(log))) :])
    assert unseen(part, known, heads_of(log)) in (whole, Unclear.MORE)


@given(st.data())
def test_operations_are_known_again_under_the_ids_that_abandoning_others_gave_them(
    data: st.DataObject,
) -> None:
    """Where what was known is itself abandoned, that is told, and never guessed."""
    log = data.draw(logs())
    known = data.draw(known_in(log))
    gone = data.draw(st.sampled_from([*log][1:])) if len(log) > 1 else None
    after: dict[OperationId, Operation] = {}
    for one in log.values():
        if one.id == gone:
            continue
        parents: list[OperationId] = []
        for parent in one.parents:
            parents += log[parent].parents if parent == gone else [parent]
        names = tuple(OperationId(f"{parent}'") for parent in dict.fromkeys(parents))
        after[OperationId(f"{one.id}'")] = replace(one, id=OperationId(f"{one.id}'"), parents=names)
    steps = unseen(after, known, heads_of(after))
    if any(one.operation == gone for one in known):
        assert steps is Unclear.LOST
        return
    assert not isinstance(steps, Unclear)
    told = {step.operation.mark for step in steps}
    assert told == {log[one].mark for one in log.keys() - behind(log, known) - {gone}}


COMMITS = st.builds(
    Commit,
    st.integers(0, 8).map(lambda number: CommitId(f"{number:040}")),
    st.sampled_from(["kkk", "lll", "mmm", "nnn"]),
    st.booleans(),
)
SHOWN = st.lists(COMMITS, max_size=9, unique_by=lambda one: one.id)
PLACES = st.builds(
    Place,
    st.lists(COMMITS.map(lambda one: one.id), min_size=1, max_size=2, unique=True).map(tuple),
    st.booleans(),
)
VIEWS = st.builds(
    View,
    st.dictionaries(st.sampled_from(["main", "a", "b"]), PLACES),
    st.frozensets(st.sampled_from(["default", "two"])),
)


def agreed(before: list[Commit], after: list[Commit]) -> list[Commit]:
    """A commit is the same commit in every view."""
    known = {one.id: one for one in before}
    return [known.get(one.id, one) for one in after]


def changed_of(before: list[Commit], after: list[Commit]) -> Changed:
    """The difference of two sets of commits."""
    added = [one for one in after if one not in before]
    removed = [one for one in before if one not in after]
    changes = {one.change for one in (*added, *removed)}
    return Changed(
        added, removed, [one for one in before if one in after and one.change in changes]
    )


def named(kind: MovementKind, moved: Sequence[Movement]) -> set[str]:
    """The changes that moved in this way."""
    return {one.name for one in moved if one.kind is kind and one.subject is Subject.CHANGE}


@given(SHOWN, SHOWN)
def test_what_becomes_of_changes_is_told_by_which_commits_of_them_are_visible(
    before: list[Commit], other: list[Commit]
) -> None:
    """Added, rewritten and abandoned are what sets of commits say; conflicts and divergence appear
    where there was none."""
    after = agreed(before, other)
    moved, _ = foremost(difference(View(), View(), changed_of(before, after)))
    was = {change: {one for one in before if one.change == change} for change in ["kkk", "lll"]}
    for change, old in was.items():
        new = {one for one in after if one.change == change}
        expected = {
            MovementKind.CHANGE_ADDED: new and not old,
            MovementKind.CHANGE_ABANDONED: old and not new,
            MovementKind.CHANGE_REWRITTEN: old and new and old != new,
            MovementKind.CONFLICT_APPEARED: any(one.conflict for one in new)
            and not any(one.conflict for one in old),
            MovementKind.DIVERGENCE_APPEARED: len(new) > 1 and len(old) < 2,
        }
        for kind, is_so in expected.items():
            assert (change in named(kind, moved)) is bool(is_so), (change, kind)


@given(VIEWS, VIEWS)
def test_bookmarks_and_workspaces_that_differ_are_told_and_no_other(
    before: View, after: View
) -> None:
    """With where they were and are; a conflict only where there was none."""
    moved, beyond = foremost(difference(before, after, Changed()))
    by = {(one.kind, one.name): one for one in moved}
    assert beyond == 0
    for name in {*before.bookmarks, *after.bookmarks}:
        was, now = (view.bookmarks.get(name, Place()) for view in (before, after))
        assert ((MovementKind.BOOKMARK_MOVED, name) in by) is (was != now)
        appeared = now.conflicted and not was.conflicted
        assert ((MovementKind.CONFLICT_APPEARED, name) in by) is appeared
        if was != now:
            one = by[MovementKind.BOOKMARK_MOVED, name]
            assert (one.before, one.after) == (was.commits, now.commits)
    added = {name for kind, name in by if kind is MovementKind.WORKSPACE_ADDED}
    assert added == after.workspaces - before.workspaces
    gone = {name for kind, name in by if kind is MovementKind.WORKSPACE_FORGOTTEN}
    assert gone == before.workspaces - after.workspaces


@given(VIEWS, VIEWS, VIEWS)
def test_an_operation_that_joins_two_moves_only_what_neither_had_moved(
    one: View, other: View, joined: View
) -> None:
    """What it takes over from one of them is told of that one."""
    both = [difference(view, joined, Changed()) for view in (one, other)]
    for movement in against_all(both).movements.values():
        if movement.kind is MovementKind.BOOKMARK_MOVED:
            place = joined.bookmarks.get(movement.name, Place())
            for view in (one, other):
                assert view.bookmarks.get(movement.name, Place()) != place
    first = [difference(view, one, Changed()) for view in (one, other)]
    assert not against_all(first).movements
    any_of = against_any(both).movements
    assert any_of.keys() == both[0].movements.keys() | both[1].movements.keys()


@given(st.integers(0, 400), st.integers(0, 1_000_000))
def test_an_event_has_an_end_however_much_was_moved(count: int, uncounted: int) -> None:
    """Rare movements are listed first; what is not listed is counted."""
    added = [
        Commit(CommitId(f"{one:040}"), f"change-{one:03}", conflict=False) for one in range(count)
    ]
    after = View({"main": Place((added[0].id,) if added else (), conflicted=True)})
    moved, beyond = foremost(difference(View(), after, Changed(added, uncounted=uncounted)))
    assert len(moved) <= MOVEMENTS_MAX
    assert len(moved) + beyond == count + 2 + uncounted
    assert [one.kind for one in moved[:2]] == [
        MovementKind.CONFLICT_APPEARED,
        MovementKind.BOOKMARK_MOVED,
    ]
