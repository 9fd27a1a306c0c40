"""Candidates: the commit that would land, on the target's tip or stacked on another candidate, and
the refs of ours that keep it.

No working copy, no index and no jj operation is touched. This module must not know how a candidate
is tested or landed.
"""

from __future__ import annotations

from dataclasses import dataclass

from oya_vcs.adapters.local.merging import differing
from oya_vcs.adapters.local.methods import (
    Conflicted,
    Made,
    Redundant,
    Unresolved,
    put_onto,
)
from oya_vcs.adapters.local.target import LOOKS_MAX, Blocked, Target
from oya_vcs.core.effects import BuildCandidate, DropCandidates
from oya_vcs.core.events import (
    CandidateBuilt,
    CandidateConflicted,
    CandidateRedundant,
    CandidatesDropped,
    Event,
    TargetBlocked,
)
from oya_vcs.core.ids import ChangeId, CommitId, Key, TreeId
from oya_vcs.errors import WorldFailed

PINS = "refs/oya/candidates"
"""Where candidates are kept from being collected as garbage: in it a folder a home and a change,
and in that a ref an effect, named by its key."""
BASE = "-base"
"""The end of the name of the ref beside it that keeps the base, where the base is not the first
parent of the candidate."""


async def build(target: Target, key: Key, effect: BuildCandidate) -> Event:
    """The change on the target's tip of now, or on the candidate that the effect names.

    On the tip, it is built where jj has that, and whatever comes of it counts only if git's branch
    stands there too in the moment of the verdict. Raises WorldFailed, not retryable, where a commit
    is not there or the change holds jj's conflict trees.
    """
    if effect.onto is not None:
        await target.met_beneath(effect.onto)
        made = await _make(target, key, effect, effect.onto)
        if made.pins:
            await target.change_refs(*made.pins)
        return _told(made)
    tip = await target.bookmark()
    for _ in range(LOOKS_MAX):
        if not isinstance(tip, Blocked):
            made = await _make(target, key, effect, tip)
            if await target.still(tip, target.verify(tip), *made.pins):
                target.met(tip)
                return _told(made)
        agreed = await target.agreed()
        if isinstance(agreed, Blocked):
            return TargetBlocked(
                key=key,
                bead=effect.bead,
                change=effect.change,
                reason=agreed.reason,
                detail=agreed.detail,
            )
        tip = agreed.commit
    raise target.restless()


async def find(target: Target, key: Key, effect: BuildCandidate) -> Event | None:
    """The candidate that a dead process built, by its pin."""
    pin = f"{pins_of(target, effect.change)}{key}"
    form = "--format=%(objectname) %(tree) %(parent)"
    said = (await target.git("for-each-ref", form, pin, f"{pin}{BASE}")).splitlines()
    if not said:
        return None
    commit, tree, *parents = said[0].split()
    base = said[1].split()[0] if len(said) > 1 else parents[0]
    made = Made(CommitId(commit), TreeId(tree))
    return await _built(target, key, effect, CommitId(base), made)


async def drop(target: Target, key: Key, effect: DropCandidates) -> CandidatesDropped:
    """Remove the pins of the change, of this home and no other's. None need be there."""
    pins = await target.refs(pins_of(target, effect.change))
    if pins:
        await target.change_refs(*(f"delete {pin.name}\0{pin.commit}\0" for pin in pins))
    return CandidatesDropped(key=key, bead=effect.bead, change=effect.change, pins=len(pins))


def pins_of(target: Target, change: ChangeId) -> str:
    """The folder of the refs that keep a change's candidates."""
    return f"{PINS}/{target.home_tag}/{change}/"


@dataclass(frozen=True, slots=True)
class _Candidate:
    """What came of building: how it is told, and what is to be kept of it first."""

    event: Event | WorldFailed
    pins: tuple[str, ...] = ()


def _told(made: _Candidate) -> Event:
    if isinstance(made.event, WorldFailed):
        raise made.event
    return made.event


async def _make(target: Target, key: Key, effect: BuildCandidate, base: CommitId) -> _Candidate:
    verdict = await put_onto(target, base, effect, target.known_below(base))
    match verdict:
        case Made(commit):
            pin = f"{pins_of(target, effect.change)}{key}"
            pins = [f"update {pin}\0{commit}\0\0"]
            if effect.method == "rebase":
                pins.append(f"update {pin}{BASE}\0{base}\0\0")
            return _Candidate(await _built(target, key, effect, base, verdict), tuple(pins))
        case Conflicted(files):
            return _Candidate(
                CandidateConflicted(
                    key=key, bead=effect.bead, change=effect.change, base=base, files=files
                )
            )
        case Redundant(tree):
            return _Candidate(
                CandidateRedundant(
                    key=key, bead=effect.bead, change=effect.change, base=base, tree=tree
                )
            )
        case Unresolved():
            return _Candidate(_unresolved(target, effect))


async def _built(
    target: Target, key: Key, effect: BuildCandidate, base: CommitId, made: Made
) -> CandidateBuilt:
    paths: tuple[str, ...] = ()
    if effect.paths_max:
        paths = await differing(target, base, made.tree)
    return CandidateBuilt(
        key=key,
        bead=effect.bead,
        change=effect.change,
        base=base,
        commit=made.commit,
        tree=made.tree,
        paths=paths if 0 < len(paths) <= effect.paths_max else None,
    )


def _unresolved(target: Target, effect: BuildCandidate) -> WorldFailed:
    return WorldFailed(
        f"Change {effect.change} holds an unresolved jj conflict: the root of {effect.head}, of a "
        f"commit below it, or of its merge with `{target.name}`, has an entry .jjconflict-*.",
        hint="Resolve it with `jj resolve`, or have the bead worked on again.",
    )
