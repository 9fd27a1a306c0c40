"""What is said on a pull request: which template, and the values in it. Pure, reads the world only.

The sentences that people read are the templates' (`templates/replies`); here is what differs from
one pull request to the other. Decides nothing.
"""

from __future__ import annotations

from oya_vcs.core import events as e
from oya_vcs.core.beads import Bead, State
from oya_vcs.core.explain import explain
from oya_vcs.core.ids import BeadId, ChangeId, CommitId
from oya_vcs.core.merge import Change, MergeQueue, Stage
from oya_vcs.core.merge.lifecycle import OVER
from oya_vcs.core.pull_request import Pull
from oya_vcs.core.pulls import Field, PullState, Reply, TellStatus
from oya_vcs.core.queue_waits import first_line, since, waits_for
from oya_vcs.core.reasons import Reason
from oya_vcs.core.spec import BeadSpec
from oya_vcs.core.world import World

LOG_MAX = 8_000
"""Characters of a check's output that a comment shows: its end, where the error is."""


def spec_of(pull: Pull, bead: BeadId) -> BeadSpec:
    """The bead that a person's pull request is."""
    title = pull.title.strip() or f"Pull request #{pull.number}"
    return BeadSpec(id=bead, title=title, kind="pull", labels=pull.labels)


def change_message(pull: Pull, change: ChangeId) -> str:
    """The message by which a person's pull request lands."""
    return f"{pull.message}\n\nOya-Change: {change}\n"


def reply(
    pull: Pull, bead: BeadId, comment: str, line: int, template: str, **fields: object
) -> Reply:
    """An answer to a line of a comment, or a notice of that name."""
    told = tuple(Field(name, str(value)) for name, value in fields.items())
    return Reply(
        repo=pull.repo,
        bead=bead,
        number=pull.number,
        comment=comment,
        line=line,
        template=template,
        fields=told,
    )


# --- Notices --------------------------------------------------------------------------------------


def dropped(pull: Pull, bead: BeadId, reason: Reason, head: CommitId, unready: str) -> Reply:
    """The one notice that what was approved at `head` is not what is there."""
    why = _DROPPED[reason].format(base=pull.base, unready=unready, head=pull.head)
    notice = f"dropped-{pull.notices}"
    return reply(pull, bead, notice, 0, "dropped", why=why, head=head)


_DROPPED = {
    Reason.PUSHED: "there is another commit now, {head}.",
    Reason.RETARGETED: "it is to land on {base} now.",
    Reason.EDITED: "its title or its text was edited, and they become the commit message.",
    Reason.UNREADY: "{unready}.",
}


def tried(pull: Pull, bead: BeadId, fact: e.PullTried) -> Reply:
    """How a trial ended."""
    notice = f"try-{fact.round}"
    if fact.reason is None:
        what = f"The trial passed: commit {fact.candidate} has all checks."
        return reply(pull, bead, notice, 0, "done", what=what)
    if fact.reason in {Reason.CANCELLED, Reason.SUPERSEDED}:
        return reply(pull, bead, notice, 0, "done", what="The trial was stopped.")
    check = f" {fact.check!r} failed" if fact.check else f" it failed ({fact.reason})"
    what = f"The trial did not pass:{check}."
    return reply(pull, bead, notice, 0, "failed", what=what, url="", log=fact.detail[-LOG_MAX:])


# --- The living status ----------------------------------------------------------------------------


def status(world: World, pull: Pull, bead: Bead) -> TellStatus | None:
    """What the living status should say now, or None where it says that already, but for the place
    in the queue, which alone is no reason to say it again."""
    change = None if bead.change is None else world.changes[bead.change]
    state, sentence = where(world, pull, bead)
    by = pull.approval.by if pull.approval is not None else ""
    priority = bead.spec.priority if pull.priority is None else pull.priority
    candidate = None
    if change is not None and change.stage is not Stage.PENDING:
        candidate = bead.landed if change.stage is Stage.MERGED else change.candidate
        priority = change.priority
    head = pull.head if change is None or change.stage not in OVER else change.head
    if (state, head, by, str(priority), str(candidate)) == pull.told:
        return None
    queue = world.repos[pull.repo].queue
    return TellStatus(
        repo=pull.repo,
        bead=bead.id,
        number=pull.number,
        round=pull.rounds + 1,
        head=head,
        state=state,
        sentence=sentence,
        by=by,
        place=0 if change is None else queue.place(change.id),
        length=len(queue.members),
        priority=priority,
        candidate=candidate,
        log=_log(bead) if state in {"failed", "rework"} else "",
    )


def _log(bead: Bead) -> str:
    """What its checks said, where they said more than the sentence does."""
    failed = bead.reason in {Reason.CHECK_FAILED, Reason.CHECK_TIMEOUT}
    return bead.detail[-LOG_MAX:] if failed and "\n" in bead.detail.strip() else ""


def where(world: World, pull: Pull, bead: Bead) -> tuple[str, str]:
    """Where a pull request stands: one word, and a sentence."""
    change = None if bead.change is None else world.changes[bead.change]
    if bead.state is State.LANDED:
        if change is not None and change.reason is Reason.ALREADY_LANDED:
            return "landed", f"The target held it already at {bead.landed}."
        return "landed", f"Landed on {world.repos[bead.repo].target} as {bead.landed}."
    if bead.state is State.CANCELLED:
        return "cancelled", first_line(bead.detail)
    if bead.state is State.FAILED:
        closed = bead.reason is Reason.CLOSED
        return "closed" if closed else "failed", first_line(bead.detail)
    if change is None or change.stage in OVER:
        who = "its author" if bead.by_hand else "a worker"
        return "rework", f"{who.capitalize()} works on it again: {first_line(bead.detail)}".strip()
    if bead.cancelling or change.exit is not None:
        return "leaving", explain(world, bead)
    if pull.hold and pull.state is PullState.OPEN:
        return "held", f"Held by {pull.hold}."
    queue = world.repos[change.repo].queue
    if change.id in queue.unapproved:
        return "waiting", f"Waits for an approval{since(change)}."
    return _in_queue(queue, change), waits_for(world, change)


def _in_queue(queue: MergeQueue, change: Change) -> str:
    """The word for a change that nobody holds. Each kind of wait has its own, for a status is told
    anew where its word is another one."""
    if queue.paused and change.stage is not Stage.MERGING:
        return "paused"
    if change.id in queue.held:
        return "stuck"
    if change.id in queue.aside:
        return "aside"
    return "testing" if change.candidate and queue.in_flight(change.id) else "queued"
