"""REST: refs, commits and comparisons."""

from __future__ import annotations

from tests.github_model.bare import GitFailed, Move
from tests.github_model.calls import REPO, ROUTES, Answer, Call, Refusal
from tests.github_model.moves import Refused, move
from tests.github_model.records import Repo
from tests.github_model.shapes import Json

REF = f"{REPO}/git/refs/{{ref}}"


@ROUTES.on(f"GET {REPO}/git/ref/{{ref}}")
async def get_ref(call: Call) -> Answer:
    """One ref: the path says heads/BRANCH."""
    repo = call.repo("contents:read")
    name = f"refs/{call.params['ref']}"
    sha = await repo.bare.ref(name)
    if sha is None:
        raise Refusal(404, "Not Found")
    return Answer(body=call.github.shapes.ref(name, sha, repo))


@ROUTES.on(f"GET {REPO}/git/matching-refs/{{ref}}")
async def list_refs(call: Call) -> Answer:
    """The refs whose name begins so."""
    repo = call.repo("contents:read")
    prefix = f"refs/{call.params['ref']}"
    found = sorted((name, sha) for name, sha in (await repo.bare.refs()).items())
    shown = [
        call.github.shapes.ref(name, sha, repo) for name, sha in found if name.startswith(prefix)
    ]
    return Answer(body=call.page(shown))


async def _moved(call: Call, repo: Repo, one: Move, *, force: bool) -> None:
    try:
        await move(call.github, repo, call.actor, [one], force=[force])
    except Refused as refused:
        raise Refusal(422, str(refused)) from refused


async def _known(repo: Repo, sha: str) -> None:
    """Raise Refusal where the repository has no such commit."""
    if await repo.bare.resolve(sha) != sha:
        raise Refusal(422, "Object does not exist")


@ROUTES.on(f"POST {REPO}/git/refs")
async def create_ref(call: Call) -> Answer:
    """A new ref. 422 where it is there."""
    repo = call.repo("contents:write")
    name, sha = call.said["ref"], call.said["sha"]
    if not name.startswith("refs/") or name.count("/") < 2:
        raise Refusal(422, f"{name} is not a valid ref name.")
    async with repo.writing:
        await _known(repo, sha)
        if await repo.bare.ref(name) is not None:
            raise Refusal(422, "Reference already exists")
        await _moved(call, repo, Move(name, None, sha), force=False)
    shown = call.github.shapes.ref(name, sha, repo)
    return Answer(201, shown, {"Location": shown["url"]})


@ROUTES.on(f"PATCH {REF}")
async def update_ref(call: Call) -> Answer:
    """Move a ref from wherever it is: forward only, unless by force."""
    repo = call.repo("contents:write")
    name, sha = f"refs/{call.params['ref']}", call.said["sha"]
    async with repo.writing:
        await _known(repo, sha)
        old = await repo.bare.ref(name)
        if old is None:
            raise Refusal(422, "Reference does not exist")
        if old != sha:
            await _moved(call, repo, Move(name, old, sha), force=call.said.get("force", False))
    return Answer(body=call.github.shapes.ref(name, sha, repo))


@ROUTES.on(f"DELETE {REF}")
async def delete_ref(call: Call) -> Answer:
    """Delete a ref."""
    repo = call.repo("contents:write")
    name = f"refs/{call.params['ref']}"
    async with repo.writing:
        old = await repo.bare.ref(name)
        if old is None:
            raise Refusal(422, "Reference does not exist")
        await _moved(call, repo, Move(name, old, None), force=True)
    return Answer(204)


@ROUTES.on(f"GET {REPO}/git/commits/{{commit_sha}}")
async def get_git_commit(call: Call) -> Answer:
    """A commit of the git database."""
    repo = call.repo("contents:read")
    sha = await repo.bare.resolve(call.params["commit_sha"])
    if sha is None:
        raise Refusal(404, "Not Found")
    return Answer(body=call.github.shapes.git_commit(await repo.bare.commit(sha), repo))


@ROUTES.on(f"GET {REPO}/commits/{{ref}}")
async def get_commit(call: Call) -> Answer:
    """A commit of the history."""
    repo = call.repo("contents:read")
    sha = await repo.bare.resolve(call.params["ref"])
    if sha is None:
        raise Refusal(422, f"No commit found for SHA: {call.params['ref']}")
    return Answer(body=call.github.shapes.commit(await repo.bare.commit(sha), repo))


@ROUTES.on(f"GET {REPO}/commits")
async def list_commits(call: Call) -> Answer:
    """The history of a branch, newest first."""
    repo = call.repo("contents:read")
    sha = await repo.bare.resolve(call.query.get("sha", repo.default_branch))
    if sha is None:
        raise Refusal(404, "Not Found")
    page = call.page(await repo.bare.commits(sha, limit=1_000))
    return Answer(body=[call.github.shapes.commit(commit, repo) for commit in page])


@ROUTES.on(f"GET {REPO}/compare/{{basehead}}")
async def compare(call: Call) -> Answer:
    """How two commits stand to each other."""
    repo = call.repo("contents:read")
    names = call.params["basehead"].partition("...")[::2]
    base, head = [await repo.bare.resolve(name) for name in names]
    if base is None or head is None:
        raise Refusal(404, "Not Found")
    fork = await repo.bare.merge_base(base, head)
    if fork is None:
        raise Refusal(404, "No common ancestor between these commits.")
    try:
        ahead = await repo.bare.commits(f"{base}..{head}", limit=10_000)
        behind = await repo.bare.commits(f"{head}..{base}", limit=10_000)
        start = await repo.bare.commit(base)
        common = await repo.bare.commit(fork)
    except GitFailed:
        raise Refusal(404, "Not Found") from None
    page = call.page(ahead[::-1])
    status = "diverged" if ahead and behind else "ahead" if ahead else "behind"
    files = await repo.bare.changed(fork, head)
    api = f"{call.github.shapes.api}{call.path}"
    body = {
        "url": api,
        "html_url": api,
        "permalink_url": api,
        "diff_url": f"{api}.diff",
        "patch_url": f"{api}.patch",
        "base_commit": call.github.shapes.commit(start, repo),
        "merge_base_commit": call.github.shapes.commit(common, repo),
        "status": status if ahead or behind else "identical",
        "ahead_by": len(ahead),
        "behind_by": len(behind),
        "total_commits": len(ahead),
        "commits": [call.github.shapes.commit(commit, repo) for commit in page],
        "files": [_file(api, name) for name in files],
    }
    return Answer(body=body)


def _file(api: str, name: str) -> Json:
    """A changed file, by its name only."""
    known: Json = {"sha": None, "filename": name, "status": "modified"}
    zero = {"additions": 0, "deletions": 0, "changes": 0}
    return known | zero | {"blob_url": api, "raw_url": api, "contents_url": api}
