"""REST: pull requests and their reviews."""

from __future__ import annotations

from tests.github_model import pulls
from tests.github_model.bare import Move
from tests.github_model.calls import REPO, ROUTES, Answer, Call, Refusal
from tests.github_model.clock import millis
from tests.github_model.github import NoSuch
from tests.github_model.judge import HEADS, missing_checks
from tests.github_model.moves import moved
from tests.github_model.records import Pull, Repo
from tests.github_model.shapes import Json

PULL = f"{REPO}/pulls/{{pull_number}}"


async def shown(call: Call, repo: Repo, pull: Pull) -> Json:
    """A pull request with what the background job knows of it."""
    known, state = await pulls.mergeable(call.github, repo, pull)
    return call.github.shapes.pull(pull, repo, known, state)


@ROUTES.on(f"GET {REPO}/pulls")
async def list_pulls(call: Call) -> Answer:
    """Pull requests, newest first unless asked otherwise."""
    repo = call.repo("pull_requests:read")
    state = call.query.get("state", "open")
    found = [pull for pull in repo.pulls.values() if state in {"all", pull.state}]
    if "base" in call.query:
        found = [pull for pull in found if pull.base_ref == call.query["base"]]
    if "head" in call.query:
        owner, _, branch = call.query["head"].partition(":")
        found = [p for p in found if (p.head_owner.login, p.head_ref) == (owner, branch)]
    by_update = call.query.get("sort") == "updated"
    found.sort(key=lambda pull: (pull.updated_ms if by_update else pull.created_ms, pull.number))
    if call.query.get("direction", "desc") == "desc":
        found.reverse()
    return Answer(body=[call.github.shapes.pull_simple(pull, repo) for pull in call.page(found)])


@ROUTES.on(f"POST {REPO}/pulls")
async def create_pull(call: Call) -> Answer:
    """Open a pull request."""
    repo = call.repo("pull_requests:write")
    pull = await pulls.open_pull(
        call.github,
        repo,
        call.account,
        head=call.said["head"],
        base=call.said["base"],
        title=call.said.get("title", ""),
        body=call.said.get("body"),
        draft=call.said.get("draft", False),
    )
    return Answer(201, await shown(call, repo, pull))


@ROUTES.on(f"GET {PULL}")
async def get_pull(call: Call) -> Answer:
    """One pull request."""
    repo = call.repo("pull_requests:read")
    return Answer(body=await shown(call, repo, call.pull(repo)))


@ROUTES.on(f"PATCH {PULL}")
async def update_pull(call: Call) -> Answer:
    """Change title, body, base or state."""
    repo = call.repo("pull_requests:write")
    pull = call.pull(repo)
    said = call.said
    await pulls.edit(
        call.github,
        repo,
        pull,
        call.account,
        title=said.get("title"),
        body=said.get("body"),
        base=said.get("base"),
    )
    if said.get("state") == "closed" and pull.state == "open":
        pulls.close(call.github, repo, pull, call.account)
    elif said.get("state") == "open" and pull.state == "closed":
        await pulls.reopen(call.github, repo, pull, call.account)
    return Answer(body=await shown(call, repo, pull))


@ROUTES.on(f"GET {PULL}/commits")
async def list_commits(call: Call) -> Answer:
    """The commits of a pull request, oldest first; at most 250, as GitHub."""
    repo = call.repo("pull_requests:read")
    pull = call.pull(repo)
    listed = await repo.bare.commits(f"{pull.base_sha}..{pull.head_sha}")
    page = call.page(listed[::-1])
    return Answer(body=[call.github.shapes.commit(commit, repo) for commit in page])


@ROUTES.on(f"GET {PULL}/merge")
async def is_merged(call: Call) -> Answer:
    """204 where it is merged, else 404."""
    repo = call.repo("pull_requests:read")
    if not call.pull(repo).merged:
        raise NoSuch
    return Answer(204)


@ROUTES.on(f"PUT {PULL}/merge")
async def merge_pull(call: Call) -> Answer:
    """Merge as by hand. Once more after it was done is 405, but not if the head moved between."""
    repo = call.repo("contents:write")
    pull = call.pull(repo)
    async with repo.writing:
        sha = await _merge(call, repo, pull)
    done = {"sha": sha, "merged": True, "message": "Pull Request successfully merged"}
    return Answer(body=done)


async def _merge(call: Call, repo: Repo, pull: Pull) -> str:
    if pull.state != "open" or pull.draft:
        raise Refusal(405, "Pull Request is not mergeable")
    if call.said.get("sha", pull.head_sha) != pull.head_sha:
        raise Refusal(409, "Head branch was modified. Review and try the merge again.")
    base = await repo.bare.ref(f"{HEADS}{pull.base_ref}")
    assert base is not None
    tree = await repo.bare.merge_tree(base, pull.head_sha)
    if tree is None:
        raise Refusal(405, "Pull Request has merge conflicts")
    if await pulls.behind(call.github, repo, pull, base):
        raise Refusal(405, "Head branch is out of date. Review and try the merge again.")
    if missing_checks(call.github, repo, pull.base_ref, pull.head_sha):
        raise Refusal(405, "Required status check is expected.")
    title = f"Merge pull request #{pull.number} from {pull.head_owner.login}/{pull.head_ref}"
    message = f"{call.said.get('commit_title', title)}\n\n{pull.title}\n"
    parents = [base] if call.said.get("merge_method") == "squash" else [base, pull.head_sha]
    sha = await repo.bare.commit_tree(tree, message, *parents)
    one = Move(f"{HEADS}{pull.base_ref}", base, sha)
    if not await repo.bare.move([one]):
        raise Refusal(409, "Base branch was modified. Review and try the merge again.")
    if len(parents) == 1:
        pulls.merged(call.github, repo, pull, sha, call.account)
    await moved(call.github, repo, call.account, [one])
    return sha


def _remarks(call: Call, number: int | None = None) -> Answer:
    repo = call.repo("pull_requests:read")
    found = [one for one in repo.remarks.values() if number in {None, one.pull}]
    if "since" in call.query:
        least = millis(call.query["since"])
        found = [one for one in found if one.updated_ms // 1000 * 1000 >= least]
    by_update = call.query.get("sort") == "updated"
    found.sort(key=lambda one: (one.updated_ms if by_update else one.created_ms, one.id))
    if call.query.get("direction") == "desc":
        found.reverse()
    return Answer(body=[call.github.shapes.remark(one, repo) for one in call.page(found)])


@ROUTES.on(f"GET {REPO}/pulls/comments")
async def list_all_remarks(call: Call) -> Answer:
    """The comments on lines of all pull requests, by age or by change."""
    return _remarks(call)


@ROUTES.on(f"GET {PULL}/comments")
async def list_remarks(call: Call) -> Answer:
    """Those of one pull request."""
    return _remarks(call, call.pull(call.repo("pull_requests:read")).number)


@ROUTES.on(f"GET {PULL}/reviews")
async def list_reviews(call: Call) -> Answer:
    """Reviews, oldest first."""
    repo = call.repo("pull_requests:read")
    pull = call.pull(repo)
    page = call.page(pull.reviews)
    return Answer(body=[call.github.shapes.review(one, pull, repo) for one in page])


@ROUTES.on(f"POST {PULL}/reviews")
async def create_review(call: Call) -> Answer:
    """Submit a review."""
    repo = call.repo("pull_requests:write")
    pull = call.pull(repo)
    verdict, body = call.said.get("event", "COMMENT"), call.said.get("body", "")
    made = pulls.review(call.github, repo, pull, call.account, verdict, body)
    return Answer(body=call.github.shapes.review(made, pull, repo))
