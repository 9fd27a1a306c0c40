"""Landing: one compare-and-swap of the target's branch, told to jj and read back from both.

This module must not know how a candidate was made or tested; it lands exactly the commit and the
tree that it is given, or nothing.
"""

from __future__ import annotations

from oya_vcs.adapters.local.candidates import pins_of
from oya_vcs.adapters.local.target import LOOKS_MAX, Blocked, Target
from oya_vcs.core.effects import BuildCandidate, Land
from oya_vcs.core.events import Event, Landed, LandingStale, TargetBlocked
from oya_vcs.core.ids import Key
from oya_vcs.errors import WorldFailed


async def land(target: Target, key: Key, effect: Land) -> Event:
    """Move the target from base to commit, or find out why not.

    Raises WorldFailed, not retryable, where the commit is not there or has not the tested tree.
    """
    for _ in range(LOOKS_MAX):
        if await target.bookmark() == effect.base:
            blocked = await _swap(target, effect)
            if blocked is not None:
                return blocked_by(key, effect, blocked)
        event = await conclude(target, key, effect)
        if event is not None:
            return event
    raise target.restless()


async def conclude(target: Target, key: Key, effect: Land) -> Event | None:
    """What the target, read back from jj and git, says of the landing.

    None where it stands at base: nothing has happened yet. A branch that a dead process moved is
    imported into jj here.
    """
    tip = await target.agreed()
    if isinstance(tip, Blocked):
        return blocked_by(key, effect, tip)
    if tip.commit == effect.commit:
        target.landed(tip.commit)
    target.met(tip.commit)
    if tip.commit == effect.base:
        return None
    if tip.commit == effect.commit:
        tree: str = tip.tree
    elif await target.contains(tip.commit, effect.commit):
        tree = await target.tree(effect.commit)
    else:
        return LandingStale(key=key, bead=effect.bead, change=effect.change, found=tip.commit)
    if tree != effect.tree:
        raise untested(effect, tree)
    return landed(key, effect)


def landed(key: Key, effect: Land) -> Landed:
    """The event that the landing was done as asked."""
    return Landed(
        key=key,
        bead=effect.bead,
        change=effect.change,
        base=effect.base,
        commit=effect.commit,
        tree=effect.tree,
    )


async def _swap(target: Target, effect: Land) -> Blocked | None:
    """Move git's branch and drop the pins of the change's candidates, in one transaction.

    Returns quietly where the branch did not stand at base (any more): `conclude` reads what is.
    """
    refs = await target.refs(target.ref, pins_of(target, effect.change))
    branch = next((ref for ref in refs if ref.name == target.ref), None)
    if branch is None or branch.commit != effect.base:
        return None
    pins = [ref for ref in refs if ref.name.startswith(pins_of(target, effect.change))]
    tree = next((pin.tree for pin in pins if pin.commit == effect.commit), "")
    tree = tree or await target.tree(effect.commit)
    if tree != effect.tree:
        raise untested(effect, tree)
    if (blocked := await target.in_the_way(branch)) is not None:
        return blocked
    drops = [f"delete {pin.name}\0{pin.commit}\0" for pin in pins]
    await target.advance(branch, effect.commit, *drops, note=f"oya-vcs: land {effect.change}")
    return None


def blocked_by(key: Key, effect: Land | BuildCandidate, why: Blocked) -> TargetBlocked:
    """The event that tells it."""
    return TargetBlocked(
        key=key, bead=effect.bead, change=effect.change, reason=why.reason, detail=why.detail
    )


def untested(effect: Land, tree: str) -> WorldFailed:
    """The error of a commit that has another tree than was tested."""
    return WorldFailed(
        f"Commit {effect.commit} of change {effect.change} has the tree {tree}, but the tree that "
        f"was tested is {effect.tree}: it must not land.",
        hint="Run `git fsck` in the repository, then have the change queued again.",
    )
