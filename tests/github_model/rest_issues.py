"""REST: comments, labels and the timeline of a pull request, which is an issue too."""

from __future__ import annotations

from tests.github_model import pulls
from tests.github_model.calls import REPO, ROUTES, Answer, Call, Refusal
from tests.github_model.clock import millis
from tests.github_model.github import NoSuch
from tests.github_model.records import ROLES, Comment, Pull, Repo

ISSUE = f"{REPO}/issues/{{issue_number}}"
COMMENT = f"{REPO}/issues/comments/{{comment_id}}"
BODY_MAX = 65_536
"""Characters of a comment."""


def _since(call: Call, found: list[Comment]) -> list[Comment]:
    if "since" not in call.query:
        return found
    least = millis(call.query["since"])
    return [one for one in found if one.updated_ms // 1000 * 1000 >= least]


def _text(call: Call) -> str:
    body: str = call.said["body"]
    if len(body) > BODY_MAX:
        raise Refusal(422, "Validation Failed", errors=[f"body is too long (max {BODY_MAX})"])
    if not body.strip():
        raise Refusal(422, "Validation Failed", errors=["Body cannot be blank"])
    return body


@ROUTES.on(f"GET {REPO}/issues/comments")
async def list_all_comments(call: Call) -> Answer:
    """The comments of all pull requests, by age or by change."""
    repo = call.repo("comments:read")
    found = _since(call, list(repo.comments.values()))
    by_update = call.query.get("sort") == "updated"
    found.sort(key=lambda one: (one.updated_ms if by_update else one.created_ms, one.id))
    if call.query.get("direction") == "desc":
        found.reverse()
    return Answer(body=[call.github.shapes.comment(one, repo) for one in call.page(found)])


@ROUTES.on(f"GET {ISSUE}/comments")
async def list_comments(call: Call) -> Answer:
    """The comments of one pull request, oldest first."""
    repo = call.repo("comments:read")
    number = call.pull(repo).number
    found = _since(call, [one for one in repo.comments.values() if one.pull == number])
    return Answer(body=[call.github.shapes.comment(one, repo) for one in call.page(found)])


@ROUTES.on(f"POST {ISSUE}/comments")
async def create_comment(call: Call) -> Answer:
    """A new comment."""
    repo = call.repo("comments:write")
    made = pulls.comment(call.github, repo, call.pull(repo), call.account, _text(call))
    shown = call.github.shapes.comment(made, repo)
    return Answer(201, shown, {"Location": shown["url"]})


def _comment(call: Call, repo: Repo) -> Comment:
    held = repo.comments.get(call.number("comment_id"))
    if held is None:
        raise NoSuch
    return held


def _own(call: Call, repo: Repo, held: Comment) -> Comment:
    """A comment that the asker may change: their own, or anyone's for maintainers and Apps."""
    may = ROLES.index(repo.role(call.account)) >= ROLES.index("write")
    if held.author is not call.account and call.actor.installation is None and not may:
        raise Refusal(403, "Must have admin rights to Repository.")
    return held


@ROUTES.on(f"GET {COMMENT}")
async def get_comment(call: Call) -> Answer:
    """One comment."""
    repo = call.repo("comments:read")
    return Answer(body=call.github.shapes.comment(_comment(call, repo), repo))


@ROUTES.on(f"PATCH {COMMENT}")
async def update_comment(call: Call) -> Answer:
    """Change a comment."""
    repo = call.repo("comments:write")
    held = _own(call, repo, _comment(call, repo))
    pulls.edit_comment(call.github, repo, held, call.account, _text(call))
    return Answer(body=call.github.shapes.comment(held, repo))


@ROUTES.on(f"DELETE {COMMENT}")
async def delete_comment(call: Call) -> Answer:
    """Delete a comment."""
    repo = call.repo("comments:write")
    pulls.delete_comment(call.github, repo, _own(call, repo, _comment(call, repo)), call.account)
    return Answer(204)


def _labels(call: Call, repo: Repo, pull: Pull) -> list[object]:
    return [call.github.shapes.label(label, repo) for label in pull.labels]


def _names(call: Call) -> list[str]:
    listed = call.body if isinstance(call.body, list) else call.said.get("labels", [])
    return [one["name"] if isinstance(one, dict) else one for one in listed]


@ROUTES.on(f"GET {ISSUE}/labels")
async def list_labels(call: Call) -> Answer:
    """The labels of a pull request."""
    repo = call.repo("labels:read")
    return Answer(body=call.page(_labels(call, repo, call.pull(repo))))


@ROUTES.on(f"POST {ISSUE}/labels")
async def add_labels(call: Call) -> Answer:
    """Add labels; those that the repository has not are made."""
    repo = call.repo("labels:write")
    pull = call.pull(repo)
    pulls.add_labels(call.github, repo, pull, call.account, _names(call))
    return Answer(body=_labels(call, repo, pull))


@ROUTES.on(f"PUT {ISSUE}/labels")
async def set_labels(call: Call) -> Answer:
    """Replace the labels."""
    repo = call.repo("labels:write")
    pull, names = call.pull(repo), _names(call)
    for label in list(pull.labels):
        if label.name not in names:
            pulls.remove_label(call.github, repo, pull, call.account, label.name)
    pulls.add_labels(call.github, repo, pull, call.account, names)
    return Answer(body=_labels(call, repo, pull))


@ROUTES.on(f"DELETE {ISSUE}/labels/{{name}}")
async def remove_label(call: Call) -> Answer:
    """Take a label off."""
    repo = call.repo("labels:write")
    pull = call.pull(repo)
    if not pulls.remove_label(call.github, repo, pull, call.account, call.params["name"]):
        raise Refusal(404, "Label does not exist")
    return Answer(body=_labels(call, repo, pull))


@ROUTES.on(f"GET {REPO}/labels")
async def list_repo_labels(call: Call) -> Answer:
    """The labels of the repository."""
    repo = call.repo("labels:read")
    page = call.page(list(repo.labels.values()))
    return Answer(body=[call.github.shapes.label(label, repo) for label in page])


@ROUTES.on(f"POST {REPO}/labels")
async def create_label(call: Call) -> Answer:
    """A new label. 422 where there is one of that name."""
    repo = call.repo("labels:write")
    name = call.said["name"]
    if name in repo.labels:
        raised = {"resource": "Label", "code": "already_exists", "field": "name"}
        raise Refusal(422, "Validation Failed", errors=[raised])
    label = call.github.label(repo, name)
    label.color = call.said.get("color", label.color)
    return Answer(201, call.github.shapes.label(label, repo))


@ROUTES.on(f"GET {ISSUE}/events")
async def list_events(call: Call) -> Answer:
    """What happened to a pull request, oldest first: who set which label."""
    repo = call.repo("comments:read")
    page = call.page(call.pull(repo).events)
    return Answer(body=[call.github.shapes.issue_event(event, repo) for event in page])


@ROUTES.on(f"GET {ISSUE}/timeline")
async def list_timeline(call: Call) -> Answer:
    """The same with the comments."""
    repo = call.repo("comments:read")
    pull, shapes = call.pull(repo), call.github.shapes
    found = [(event.at_ms, event.id, shapes.issue_event(event, repo)) for event in pull.events]
    for one in repo.comments.values():
        if one.pull == pull.number:
            said = {"event": "commented", "actor": shapes.account(one.author)}
            found.append((one.created_ms, one.id, shapes.comment(one, repo) | said))
    found.sort(key=lambda entry: entry[:2])
    return Answer(body=call.page([entry[2] for entry in found]))
