"""The end of a run in words: the landed commit of each bead, and why the rest has not landed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from oya_vcs.cli.output import table
from oya_vcs.core.beads import Bead, State
from oya_vcs.core.explain import explain
from oya_vcs.core.ids import BeadId, RepoId
from oya_vcs.core.world import World

SHORT = 12
"""Digits of a commit id that people are shown, as jj and git do."""


@dataclass(frozen=True, slots=True)
class Summary:
    """`ok` where every asked-for bead has landed; `data` for programs, `text` for people."""

    ok: bool
    data: dict[str, object]
    text: str


def summary(world: World, asked: Sequence[BeadId], repo: RepoId, jj: Path) -> Summary:
    """Sum up the beads that were asked for, in their order; others of the repository are counted.

    `jj` is the program with which a person can look at the result.
    """
    beads = [world.bead(one) for one in asked]
    landed = [bead for bead in beads if bead.state is State.LANDED]
    waiting = [bead for bead in beads if bead.state is not State.LANDED]
    rows = [
        (bead.id, bead.state, (bead.landed or "")[:SHORT] or "-", reason_of(world, bead))
        for bead in (*landed, *waiting)
    ]
    lines = [table(("bead", "state", "commit", ""), rows)] if rows else []
    lines.append(f"{len(landed)} of {len(beads)} landed.")
    chosen = set(asked)
    others = [
        bead
        for bead in world.beads.values()
        if bead.repo == repo and bead.id not in chosen and bead.state is not State.LANDED
    ]
    if others:
        lines.append(f"{len(others)} other beads of this repository have not landed.")
    failed = [bead for bead in waiting if bead.state is State.FAILED]
    if landed:
        here = world.repos[repo]
        lines.append(f"See it with `{jj} -R {here.path} log -r '..{here.target}'`.")
    if failed:
        lines.append(
            f"Look at one with `oya-vcs bead show {failed[0].id}`; try it again with "
            f"`oya-vcs bead retry {failed[0].id}` and this command."
        )
    data: dict[str, object] = {
        "landed": len(landed),
        "asked": len(beads),
        "beads": [bead_data(world, bead) for bead in beads],
    }
    return Summary(ok=not waiting, data=data, text="\n".join(lines))


def reason_of(world: World, bead: Bead) -> str:
    """What a table says about a bead beside its state."""
    if bead.state is State.LANDED:
        return f"attempt {bead.attempt}" if bead.attempt > 1 else ""
    return explain(world, bead)


def bead_data(world: World, bead: Bead, *, live: bool = True) -> dict[str, object]:
    """A bead for programs; `live` says whether a daemon is running."""
    return {
        "id": bead.id,
        "title": bead.spec.title,
        "repo": bead.repo,
        "state": str(bead.state),
        "why": explain(world, bead, live=live),
        "reason": None if bead.reason is None else str(bead.reason),
        "attempt": bead.attempt,
        "failures": bead.failures,
        "key": bead.key,
        "priority": bead.spec.priority,
        "tenant": bead.spec.tenant,
        "sticky": bead.spec.sticky,
        "slot": bead.slot,
        "needs": list(bead.spec.needs),
        "change": bead.change,
        "landed": bead.landed,
        "since_ms": bead.since_ms,
    }
