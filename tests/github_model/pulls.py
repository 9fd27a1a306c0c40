"""What happens to pull requests, and who is told. Moves no ref; moves.py calls it when one did."""

from __future__ import annotations

from tests.github_model.github import GitHub
from tests.github_model.judge import missing_checks
from tests.github_model.records import Account, Comment, IssueEvent, Pull, Remark, Repo, Review
from tests.github_model.shapes import Json


class Invalid(Exception):
    """Refused as "Validation Failed": 422 with `errors`."""

    def __init__(self, message: str, /, **error: str) -> None:
        super().__init__(message)
        self.message = message
        self.error = error


def branch_of(github: GitHub, repo: Repo, head: str) -> tuple[Repo, str]:
    """The repository and branch that a pull request's `head` names: "branch" or "owner:branch".

    Raises Invalid.
    """
    owner, colon, branch = head.partition(":")
    if not colon or owner == repo.owner.login:
        return repo, branch if colon else head
    for other in github.repos.values():
        if other.owner.login == owner and other.parent is repo and not other.deleted:
            return other, branch
    raise Invalid("Validation Failed", resource="PullRequest", field="head", code="invalid")


async def open_pull(
    github: GitHub,
    repo: Repo,
    author: Account,
    *,
    head: str,
    base: str,
    title: str,
    body: str | None,
    draft: bool = False,
) -> Pull:
    """Open a pull request. Raises Invalid."""
    async with repo.writing:
        return await _open(
            github, repo, author, head, base=base, title=title, body=body, draft=draft
        )


async def _open(
    github: GitHub,
    repo: Repo,
    author: Account,
    head: str,
    *,
    base: str,
    title: str,
    body: str | None,
    draft: bool,
) -> Pull:
    head_repo, branch = branch_of(github, repo, head)
    head_sha = await head_repo.bare.ref(f"refs/heads/{branch}")
    base_sha = await repo.bare.ref(f"refs/heads/{base}")
    if head_sha is None or base_sha is None:
        field = "head" if head_sha is None else "base"
        raise Invalid("Validation Failed", resource="PullRequest", field=field, code="invalid")
    for other in repo.pulls.values():
        if (other.state, other.head_ref, other.base_ref) == ("open", branch, base) and (
            other.head_repo is head_repo
        ):
            said = f"A pull request already exists for {head_repo.owner.login}:{branch}."
            raise Invalid("Validation Failed", resource="PullRequest", code="custom", message=said)
    number = max(repo.pulls, default=0) + 1
    await _show_head(repo, number, head_repo, branch)
    if await repo.bare.is_ancestor(head_sha, base_sha):
        said = f"No commits between {base} and {head}"
        raise Invalid("Validation Failed", resource="PullRequest", code="custom", message=said)
    now = github.clock.now_ms()
    pull = repo.pulls[number] = Pull(
        github.new_id(),
        number,
        author,
        title,
        body,
        head_repo,
        head_repo.owner,
        branch,
        head_sha,
        base,
        base_sha,
        now,
        now,
        draft=draft,
        unknown_reads=github.unknown_reads,
    )
    tell(github, repo, pull, "opened", author)
    return pull


async def _show_head(repo: Repo, number: int, head_repo: Repo, branch: str) -> None:
    """Keep refs/pull/N/head where the head is, as GitHub does for forks too."""
    refspec = f"+refs/heads/{branch}:refs/pull/{number}/head"
    await repo.bare.run("fetch", "-q", "--no-tags", str(head_repo.bare.path), refspec)


def tell(
    github: GitHub, repo: Repo, pull: Pull, action: str, actor: Account, **more: object
) -> None:
    """A pull_request event, stamped now."""
    pull.updated_ms = github.clock.now_ms()
    shown = github.shapes.pull(pull, repo, None, "unknown")
    known: Json = {"number": pull.number, "pull_request": shown, **more}
    github.tell("pull_request", action, repo, actor, known)


def note(github: GitHub, pull: Pull, kind: str, actor: Account, label: str = "") -> IssueEvent:
    """An entry in the timeline."""
    shown = next((one for one in pull.labels if one.name == label), None)
    event = IssueEvent(github.new_id(), kind, actor, github.clock.now_ms(), shown)
    pull.events.append(event)
    return event


async def head_moved(
    github: GitHub, repo: Repo, pull: Pull, new: str, actor: Account, *, forced: bool
) -> None:
    """The head branch was pushed to. A head that the base holds leaves nothing to merge: closed."""
    assert pull.head_repo is not None
    before, pull.head_sha = pull.head_sha, new
    await _show_head(repo, pull.number, pull.head_repo, pull.head_ref)
    base = await repo.bare.ref(f"refs/heads/{pull.base_ref}")
    pull.base_sha = base or pull.base_sha
    pull.unknown_reads = github.unknown_reads
    if forced:
        note(github, pull, "head_ref_force_pushed", actor)
    tell(github, repo, pull, "synchronize", actor, before=before, after=new)
    if base is not None and await repo.bare.is_ancestor(new, base):
        close(github, repo, pull, actor)


async def base_moved(github: GitHub, repo: Repo, pull: Pull, new: str, actor: Account) -> None:
    """The base branch moved: merged, where it now holds the head that GitHub has recorded."""
    pull.unknown_reads = github.unknown_reads
    if await repo.bare.is_ancestor(pull.head_sha, new):
        merged(github, repo, pull, new, actor)


def merged(github: GitHub, repo: Repo, pull: Pull, commit: str, actor: Account) -> None:
    """Shown as merged from now on, for ever."""
    pull.state, pull.merged_by, pull.merge_commit = "closed", actor, commit
    pull.merged_ms = pull.closed_ms = github.clock.now_ms()
    note(github, pull, "merged", actor)
    note(github, pull, "closed", actor)
    tell(github, repo, pull, "closed", actor)


def close(github: GitHub, repo: Repo, pull: Pull, actor: Account) -> None:
    """Closed and not merged."""
    pull.state, pull.closed_ms = "closed", github.clock.now_ms()
    note(github, pull, "closed", actor)
    tell(github, repo, pull, "closed", actor)


async def reopen(github: GitHub, repo: Repo, pull: Pull, actor: Account) -> None:
    """Open again. Raises Invalid for one that is merged or whose head is gone."""
    gone = pull.head_repo is None or pull.head_repo.deleted
    head = None if gone or pull.head_repo is None else pull.head_repo.bare
    sha = None if head is None else await head.ref(f"refs/heads/{pull.head_ref}")
    if pull.merged or sha is None:
        raise Invalid("Validation Failed", resource="PullRequest", field="state", code="invalid")
    pull.state, pull.closed_ms, pull.head_sha = "open", None, sha
    note(github, pull, "reopened", actor)
    tell(github, repo, pull, "reopened", actor)


async def edit(
    github: GitHub,
    repo: Repo,
    pull: Pull,
    actor: Account,
    *,
    title: str | None = None,
    body: str | None = None,
    base: str | None = None,
) -> None:
    """Change title, body or base; None leaves one as it is. Raises Invalid."""
    changes: Json = {}
    if title is not None and title != pull.title:
        changes["title"] = {"from": pull.title}
        pull.title = title
    if body is not None and body != pull.body:
        changes["body"] = {"from": pull.body or ""}
        pull.body = body
    if base is not None and base != pull.base_ref:
        sha = await repo.bare.ref(f"refs/heads/{base}")
        if sha is None:
            raise Invalid("Validation Failed", resource="PullRequest", field="base", code="invalid")
        changes["base"] = {"ref": {"from": pull.base_ref}, "sha": {"from": pull.base_sha}}
        pull.base_ref, pull.base_sha = base, sha
        pull.unknown_reads = github.unknown_reads
    if changes:
        tell(github, repo, pull, "edited", actor, changes=changes)


def set_draft(github: GitHub, repo: Repo, pull: Pull, actor: Account, *, draft: bool) -> None:
    """Make it a draft, or ready for review."""
    pull.draft = draft
    note(github, pull, "convert_to_draft" if draft else "ready_for_review", actor)
    tell(github, repo, pull, "converted_to_draft" if draft else "ready_for_review", actor)


def add_labels(github: GitHub, repo: Repo, pull: Pull, actor: Account, names: list[str]) -> None:
    """Add labels; one that is there already is no event."""
    for name in names:
        label = github.label(repo, name)
        if label not in pull.labels:
            pull.labels.append(label)
            note(github, pull, "labeled", actor, name)
            shown = github.shapes.label(label, repo)
            tell(github, repo, pull, "labeled", actor, label=shown)


def remove_label(github: GitHub, repo: Repo, pull: Pull, actor: Account, name: str) -> bool:
    """Remove a label; whether it was there."""
    label = next((one for one in pull.labels if one.name == name), None)
    if label is None:
        return False
    note(github, pull, "unlabeled", actor, name)
    pull.labels.remove(label)
    shown = github.shapes.label(label, repo)
    tell(github, repo, pull, "unlabeled", actor, label=shown)
    return True


def comment(github: GitHub, repo: Repo, pull: Pull, author: Account, body: str) -> Comment:
    """A new comment."""
    now = github.clock.now_ms()
    made = Comment(github.new_id(), pull.number, author, body, now, now)
    repo.comments[made.id] = made
    tell_comment(github, repo, made, "created", author)
    return made


def edit_comment(github: GitHub, repo: Repo, held: Comment, actor: Account, body: str) -> None:
    """Change a comment's text."""
    before, held.body = held.body, body
    held.updated_ms = github.clock.now_ms()
    tell_comment(github, repo, held, "edited", actor, changes={"body": {"from": before}})


def delete_comment(github: GitHub, repo: Repo, held: Comment, actor: Account) -> None:
    """Take a comment away."""
    del repo.comments[held.id]
    tell_comment(github, repo, held, "deleted", actor)


def tell_comment(
    github: GitHub, repo: Repo, held: Comment, action: str, actor: Account, **more: object
) -> None:
    """An issue_comment event: a pull request's comments are those of its issue."""
    pull = repo.pulls[held.pull]
    issue = github.shapes.issue(pull, repo)
    shown = github.shapes.comment(held, repo)
    known: Json = {"issue": issue, "comment": shown, **more}
    github.tell("issue_comment", action, repo, actor, known)


def review(
    github: GitHub, repo: Repo, pull: Pull, author: Account, verdict: str, body: str
) -> Review:
    """Submit a review: APPROVE, REQUEST_CHANGES or COMMENT. Raises Invalid."""
    if author is pull.author and verdict != "COMMENT":
        raise Invalid("Review Can not approve or request changes on your own pull request")
    kinds = {"APPROVE": "APPROVED", "REQUEST_CHANGES": "CHANGES_REQUESTED"}
    made = Review(github.new_id(), author, "COMMENTED", body, pull.head_sha, github.clock.now_ms())
    if verdict in kinds:
        made.state = "APPROVED" if verdict == "APPROVE" else "CHANGES_REQUESTED"
    pull.reviews.append(made)
    shown = github.shapes.review(made, pull, repo) | {"state": made.state.lower()}
    known: Json = {
        "review": shown,
        "pull_request": github.shapes.pull_simple(pull, repo),
    }
    github.tell("pull_request_review", "submitted", repo, author, known)
    return made


def remark(
    github: GitHub, repo: Repo, pull: Pull, author: Account, path: str, line: int, body: str
) -> Remark:
    """Comment on a line: a review of its own with one comment."""
    whole = review(github, repo, pull, author, "COMMENT", "")
    now = github.clock.now_ms()
    sha = pull.head_sha
    made = Remark(github.new_id(), whole.id, pull.number, author, path, line, body, sha, now, now)
    repo.remarks[made.id] = made
    known: Json = {
        "comment": github.shapes.remark(made, repo),
        "pull_request": github.shapes.pull_simple(pull, repo),
    }
    github.tell("pull_request_review_comment", "created", repo, author, known)
    return made


async def mergeable(github: GitHub, repo: Repo, pull: Pull) -> tuple[bool | None, str]:
    """What GitHub's background job says: `mergeable` and `mergeable_state`.

    Asking is what starts the job: the first answers after a change are null.
    """
    if pull.state == "closed":
        return None, "unknown"
    if pull.unknown_reads > 0:
        pull.unknown_reads -= 1
        return None, "unknown"
    base = await repo.bare.ref(f"refs/heads/{pull.base_ref}")
    if base is None:
        return None, "unknown"
    if await repo.bare.merge_tree(base, pull.head_sha) is None:
        return False, "dirty"
    if pull.draft:
        return True, "draft"
    if await behind(github, repo, pull, base):
        return True, "behind"
    missing = missing_checks(github, repo, pull.base_ref, pull.head_sha)
    return True, "blocked" if missing else "clean"


async def behind(github: GitHub, repo: Repo, pull: Pull, base: str) -> bool:
    """Whether a strict rule asks the head to hold the base, and it does not."""
    strict = any(rule.strict for rule in github.rules(repo, pull.base_ref))
    return strict and not await repo.bare.is_ancestor(base, pull.head_sha)
