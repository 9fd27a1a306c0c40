"""The texts that the core decides on: commit messages and the feedback a worker reads. Pure string
work."""

from __future__ import annotations

from collections.abc import Sequence

from oya_vcs.core.beads import Bead
from oya_vcs.core.ids import ChangeId, Key
from oya_vcs.core.merge import Change
from oya_vcs.core.merge.lifecycle import Landing
from oya_vcs.core.neutral import neutral
from oya_vcs.core.reasons import Reason
from oya_vcs.core.spec import BeadSpec

SUBJECT_MAX = 72
"""Characters of a commit's first line (git's own convention, as in its SubmittingPatches)."""
TEXT_MAX = 8_000
"""Characters of a bead's description, and of its acceptance, that its change request shows."""
BODY_MAX = 8_000
"""Characters of a person's description that the message of its landing keeps."""
MEANWHILE_MAX = 20
"""Landings that a worker is told of."""


def subject_line(spec: BeadSpec) -> str:
    """A bead's title as one line of a commit message, never empty, and harmless (`neutral`)."""
    words = neutral(" ".join(neutral(spec.title).split()))
    line = words or str(spec.id)
    return line if len(line) <= SUBJECT_MAX else line[: SUBJECT_MAX - 1].rstrip() + "…"


def change_text(spec: BeadSpec) -> str:
    """What a bead's change request says below its title: what is asked, and when that is
    finished."""
    asked, finished = (one.strip()[:TEXT_MAX] for one in (spec.description, spec.acceptance))
    return "\n\n".join(filter(None, (asked, finished and f"It is finished when:\n\n{finished}")))


def result_message(spec: BeadSpec, attempt: int, run: Key) -> str:
    """The message of the commit that holds a worker's files, with the trailers that name where it
    comes from."""
    return f"{subject_line(spec)}\n\nOya-Bead: {spec.id}\nOya-Attempt: {attempt}\nOya-Key: {run}\n"


def candidate_message(spec: BeadSpec, change: ChangeId, method: str = "merge") -> str:
    """The message by which a change lands, and whose trailers a rebased one gets.

    Of a merge, the result itself becomes part of the target's history, with the trailer that names
    the bead; else this one names it.
    """
    bead = "" if method == "merge" else f"Oya-Bead: {spec.id}\n"
    line = neutral(f"Land {spec.id}: {subject_line(spec)}")
    return f"{line}\n\n{bead}Oya-Change: {change}\n"


def submission_message(spec: BeadSpec, change: ChangeId) -> str:
    """The message by which a person's own commit lands: the person's words, harmless."""
    title = neutral(f"Land {spec.id}: {subject_line(spec)}")
    body = neutral(spec.description)[:BODY_MAX].strip()
    words = f"{title}\n\n{body}".strip()
    return f"{words}\n\nOya-Bead: {spec.id}\nOya-Change: {change}\n"


def conflict_feedback(bead: Bead, change: Change, recent: Sequence[Landing]) -> str:
    """What a worker is told whose result does not merge into what has landed meanwhile."""
    listed = "\n".join(f"  {name}" for name in change.files)
    return (
        f"Attempt {bead.attempt} was finished, but its result does not merge into the target as "
        f"it is now (commit {change.conflict}).\nThese files conflict:\n{listed}\n"
        f"{meanwhile(bead, recent)}"
        f"Your workspace stands on the new target. Do the work again on top of it.\n"
        f"The earlier result is commit {change.head}.\n"
    )


def check_feedback(bead: Bead, change: Change, recent: Sequence[Landing]) -> str:
    """What a worker is told whose result failed a check in the merge queue."""
    check = f"check {change.check!r}" if change.check else "the checks"
    return (
        f"Attempt {bead.attempt} was finished, but {check} failed on the candidate "
        f"{change.candidate} (the result merged into {change.base}).\n"
        f"{meanwhile(bead, recent)}"
        f"The earlier result is commit {change.head}. What the check said:\n\n{change.said}\n"
    )


def pull_feedback(change: Change, reason: Reason) -> str:
    """What the author of a pull request is told that left the merge queue."""
    if reason is Reason.CONFLICT:
        listed = "\n".join(f"  {name}" for name in change.files)
        return f"It does not merge into {change.conflict}. These files conflict:\n{listed}\n"
    if reason is Reason.CHECK_FAILED:
        check = f"Check {change.check!r}" if change.check else "The checks"
        return f"{check} failed on {change.candidate}.\n\n{change.said}\n"
    why = {
        Reason.REJECTED: "It is to be done again.",
        Reason.PREDECESSOR_LEFT: "It stands on another change, which left the merge queue.",
    }.get(reason, "")
    return "\n\n".join(one for one in (why, change.said or change.detail) if one) or f"{reason}."


def left_feedback(bead: Bead, change: Change, reason: Reason) -> str:
    """What a worker is told whose result was taken out of the merge queue."""
    why = _LEFT.get(reason, f"was taken out of the merge queue ({reason})")
    note = f" What they say:\n\n{change.detail}\n" if change.detail else "\n"
    return (
        f"Attempt {bead.attempt} was finished, but its result {why}.\n"
        f"The earlier result is commit {change.head}.{note}"
    )


_LEFT = {
    Reason.REJECTED: "was rejected",
    Reason.PREDECESSOR_LEFT: "stands on another change, which left the merge queue",
}


def meanwhile(bead: Bead, recent: Sequence[Landing]) -> str:
    """What landed since the bead's workspace was made, as far as the queue remembers; empty where
    that is nothing."""
    since = next((n for n, one in enumerate(recent) if one.base == bead.base), None)
    if since is None and any(one.commit == bead.base for one in recent[-1:]):
        return ""
    landed = recent[-MEANWHILE_MAX:] if since is None else recent[since:][-MEANWHILE_MAX:]
    if not landed:
        return ""
    listed = "\n".join(f"  {one.bead} (commit {one.commit})" for one in landed)
    return f"Meanwhile these landed:\n{listed}\n"


def clock_text(at_ms: int) -> str:
    """The time of day of a Unix time, as 21:04:09 UTC."""
    seconds = -(-at_ms // 1_000) % 86_400
    return f"{seconds // 3_600:02}:{seconds // 60 % 60:02}:{seconds % 60:02} UTC"
