"""REST: repositories, branches and their protection, people, the rate limit."""

from __future__ import annotations

from tests.github_model.calls import REPO, ROUTES, Answer, Call, Refusal
from tests.github_model.check_shapes import protection_json, rules_json
from tests.github_model.judge import HEADS
from tests.github_model.records import ANYBODY, Account, Repo

BRANCH = f"{REPO}/branches/{{branch}}"


@ROUTES.on(f"GET {REPO}")
async def get_repo(call: Call) -> Answer:
    """A repository, and what the asker may do there."""
    repo = call.repo("metadata:read")
    role = repo.role(call.account) if call.actor.installation is None else "write"
    return Answer(body=call.github.shapes.repo(repo, role=role))


@ROUTES.on(f"GET {BRANCH}")
async def get_branch(call: Call) -> Answer:
    """A branch, and whether it is protected: all that may be seen without administration."""
    repo = call.repo("contents:read")
    name = call.params["branch"]
    sha = await repo.bare.ref(f"{HEADS}{name}")
    if sha is None:
        raise Refusal(404, "Branch not found")
    classic = [rule for rule in call.github.rules(repo, name) if rule.ruleset is None]
    checks = [check for rule in classic for check in rule.checks]
    own = f"{call.github.shapes.api}/repos/{repo.full_name}/branches/{name}"
    body = {
        "name": name,
        "commit": call.github.shapes.commit(await repo.bare.commit(sha), repo),
        "_links": {"html": f"{call.github.shapes.web}/{repo.full_name}/tree/{name}", "self": own},
        "protected": bool(call.github.rules(repo, name)),
        "protection": {
            "enabled": bool(classic),
            "required_status_checks": {
                "enforcement_level": "everyone" if checks else "off",
                "contexts": checks,
                "checks": [{"context": check, "app_id": None} for check in checks],
            },
        },
        "protection_url": f"{own}/protection",
    }
    return Answer(body=body)


@ROUTES.on(f"GET {BRANCH}/protection")
async def get_protection(call: Call) -> Answer:
    """Classic protection: with the permission "administration" only."""
    repo = call.repo("administration:read")
    name = call.params["branch"]
    if await repo.bare.ref(f"{HEADS}{name}") is None:
        raise Refusal(404, "Branch not found")
    classic = [rule for rule in call.github.rules(repo, name) if rule.ruleset is None]
    if not classic:
        raise Refusal(404, "Branch not protected")
    return Answer(body=protection_json(call.github.shapes, classic[0], repo, name))


@ROUTES.on(f"GET {REPO}/rules/branches/{{branch}}")
async def get_rules(call: Call) -> Answer:
    """What rulesets ask of a branch: everybody who may read sees it; a branch may be missing."""
    repo = call.repo("metadata:read")
    found = [
        entry
        for rule in call.github.rules(repo, call.params["branch"])
        if rule.ruleset is not None
        for entry in rules_json(rule, repo)
    ]
    return Answer(body=call.page(found))


@ROUTES.on(f"GET {REPO}/collaborators/{{username}}/permission")
async def get_permission(call: Call) -> Answer:
    """What a user may do: the old four words in `permission`, the role in `role_name`."""
    repo = call.repo("metadata:read")
    account = _known(call, call.params["username"])
    role = repo.role(account)
    old = {"maintain": "write", "triage": "read"}.get(role, role)
    shown = call.github.shapes.account(account) | {"role_name": role}
    level = call.github.shapes.repo(repo, role=role)["permissions"]
    body = {"permission": old, "role_name": role, "user": shown | {"permissions": level}}
    return Answer(body=body)


def _known(call: Call, login: str) -> Account:
    account = call.github.accounts.get(login)
    if account is None:
        raise Refusal(404, "Not Found")
    return account


@ROUTES.on("GET /user")
async def get_self(call: Call) -> Answer:
    """Whose token it is: not for Apps."""
    if call.actor.installation is not None:
        raise Refusal(403, "Resource not accessible by integration")
    if call.actor is ANYBODY:
        raise Refusal(401, "Requires authentication")
    return Answer(body=call.github.shapes.public_account(call.account))


@ROUTES.on("GET /user/{account_id}")
async def get_by_id(call: Call) -> Answer:
    """An account by its number, which stays when the login changes."""
    number = call.number("account_id")
    for account in call.github.accounts.values():
        if account.id == number:
            return Answer(body=call.github.shapes.public_account(account))
    raise Refusal(404, "Not Found")


@ROUTES.on("GET /users/{username}")
async def get_by_login(call: Call) -> Answer:
    """An account by its login."""
    return Answer(body=call.github.shapes.public_account(_known(call, call.params["username"])))


@ROUTES.on("GET /rate_limit")
async def get_limits(call: Call) -> Answer:
    """What is left of the hour; asking is free."""
    window = call.github.limits.window(call.actor.token, call.github.clock.now_ms())
    limit = call.github.limits.requests_an_hour
    rate = {
        "limit": limit,
        "used": window.used,
        "remaining": max(0, limit - window.used),
        "reset": window.ends_ms // 1000,
    }
    return Answer(body={"resources": {"core": rate, "search": rate, "graphql": rate}, "rate": rate})


def readable(call: Call) -> list[Repo]:
    """The repositories of the installation that asks."""
    return call.actor.installation.repos if call.actor.installation else []
