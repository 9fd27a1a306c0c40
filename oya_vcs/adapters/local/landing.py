"""Landing: one compare-and-swap of the target's branch, told to jj and read back from both.

This module must not know how a candidate was made or tested; it lands exactly the commit and the
tree that it is given, or nothing.
"""

from __future__ import annotations

from oya_vcs.adapters.local.candidates import pins_of
from oya_vcs.adapters.local.target import LOOKS_MAX, Blocked, Target
from oya_vcs.core.effects import Land
from oya_vcs.core.events import Event, Landed, LandingStale, Reason, TargetBlocked
from oya_vcs.core.ids import CommitId, Key
from oya_vcs.errors import WorldFailed


async def land(target: Target, key: Key, effect: Land) -> Event:
    """Move the target from base to commit, or find out why not.

    Raises WorldFailed, not retryable, where the commit is not there or has not the tested tree.
    """
    for _ in range(LOOKS_MAX):
        if await target.bookmark() == effect.base:
            blocked = await _swap(target, effect)
            if blocked is not None:
                return _blocked(key, effect, blocked)
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
        return _blocked(key, effect, tip)
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
        raise _untested(effect, tree)
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
    if edited_in := await target.edited_in():
        return _edited(target, edited_in)
    pins = [ref for ref in refs if ref.name.startswith(pins_of(target, effect.change))]
    tree = next((pin.tree for pin in pins if pin.commit == effect.commit), "")
    tree = tree or await target.tree(effect.commit)
    if tree != effect.tree:
        raise _untested(effect, tree)
    if branch.worktree and not branch.head:
        return _checked_out(target, branch.worktree)
    if branch.worktree:
        await _detach(target, effect.base)
    lines = [f"update {target.ref}\0{effect.commit}\0{effect.base}\0"]
    lines += [f"delete {pin.name}\0{pin.commit}\0" for pin in pins]
    await target.still(effect.base, *lines, note=f"oya-vcs: land {effect.change}")
    return None


async def _detach(target: Target, base: CommitId) -> None:
    """Leave HEAD where it is while its branch moves on, as `jj git export` does.

    Moved along with an attached HEAD, the user's files would read as undoing the landing (on jj
    0.46 the next snapshot did undo it). A new colocated repository is like this until its first
    `jj new`.
    """
    note = "oya-vcs: detach, as jj does, before the branch moves"
    await target.git("update-ref", "--no-deref", "-m", note, "HEAD", base, base)


def _checked_out(target: Target, folder: str) -> Blocked:
    return Blocked(
        Reason.TARGET_CONFLICTED,
        f"The branch `{target.name}` is checked out in the git worktree {folder}, whose files "
        "would read as undoing the landing. Run `git checkout --detach` there, then run again.",
    )


def _edited(target: Target, workspaces: str) -> Blocked:
    return Blocked(
        Reason.TARGET_CONFLICTED,
        f"The commit of `{target.name}` is itself being edited in {workspaces}: with the next "
        "change there jj would rewrite it, and the bookmark would be conflicted. Run `jj new` "
        "there, then run again.",
    )


def _blocked(key: Key, effect: Land, why: Blocked) -> Event:
    return TargetBlocked(
        key=key, bead=effect.bead, change=effect.change, reason=why.reason, detail=why.detail
    )


def _untested(effect: Land, tree: str) -> WorldFailed:
    return WorldFailed(
        f"Commit {effect.commit} of change {effect.change} has the tree {tree}, but the tree that "
        f"was tested is {effect.tree}: it must not land.",
        hint="Run `git fsck` in the repository, then have the change queued again.",
    )
