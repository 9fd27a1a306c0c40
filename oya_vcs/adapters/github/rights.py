"""What we must be allowed to do on GitHub, why, and whether we are.

`bot/github-app.yml` lists the same for whoever makes the App; a test compares them. Asks, and
changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any

from oya_vcs.adapters.github.auth import App
from oya_vcs.adapters.github.client import Github
from oya_vcs.adapters.github.outcomes import GithubFailed
from oya_vcs.adapters.github.verdict import of_protection, of_rules, others


@dataclass(frozen=True, slots=True)
class Need:
    """A permission of an App, the least level that will do, and what for."""

    name: str
    level: str
    why: str


NEEDED = (
    Need("metadata", "read", "what the rules require, and what people may do"),
    Need("contents", "write", "candidates are pushed, and the target is moved"),
    Need("pull_requests", "write", "pull requests are opened, commented on and labelled"),
    Need("issues", "read", "comments and labels of pull requests are read, and told of"),
    Need("checks", "write", "results are read, and our own check is shown"),
    Need("statuses", "read", "results of the older kind are read"),
)
OPTIONAL = (
    Need("workflows", "write", "changes to .github/workflows cannot land without it"),
    Need("administration", "read", "a change of the branch's protection is heard of at once"),
)
EVENTS = (
    "check_run",
    "check_suite",
    "create",
    "delete",
    "issue_comment",
    "pull_request",
    "pull_request_review",
    "pull_request_review_comment",
    "push",
    "status",
)
"""The webhooks that an App is to be sent. Without one, what it tells is found by polling."""
SKEW_S_MAX = 30
"""Between our clock and GitHub's: what an App signs is dated a minute back, no more."""
_LEVELS = ("none", "read", "write", "admin")


@dataclass(frozen=True, slots=True)
class Looked:
    """One thing that was looked at. `grade` is ok, warning or error."""

    grade: str
    what: str
    mend: str = ""


async def look(api: Github, app: App | None, target: str, named: int) -> list[Looked]:
    """All that is needed, and what of it is missing. `named` checks are in oya.toml. Raises
    GithubFailed where nothing can be told."""
    found = await _of_token(api) if app is None else await _of_app(app)
    shown = await api.get(api.here(""))
    found.append(Looked("ok", f"{shown['full_name']} is there"))
    return [*found, *await _of_target(api, target, named)]


async def _of_app(app: App) -> list[Looked]:
    about, given = await app.about(), await app.installation()
    found = [Looked("ok", f"we are the App {about['slug']}")]
    if given.get("suspended_at"):
        mend = "Lift that in the settings of the account, under GitHub Apps."
        found.append(Looked("error", "the App's installation is suspended", mend))
    found += lacking(given.get("permissions") or {})
    failed = await app.failed_deliveries()
    if failed:
        mend = "Compare address and secret in the App's settings; the daemon asks for them again."
        found.append(Looked("warning", f"{len(failed)} webhooks of late reached nobody", mend))
    missing = [name for name in EVENTS if name not in (given.get("events") or ())]
    if missing:
        mend = "Tick them in the App's settings; until then polling finds what they tell."
        found.append(Looked("warning", f"the App is not sent {', '.join(missing)}", mend))
    return found


async def clock_of(api: Github, now_ms: int) -> Looked:
    """Whether our clock, which says `now_ms`, and GitHub's agree: what an App signs is good for
    minutes, and a wait that GitHub asks for ends by its clock. Raises GithubFailed."""
    heard = await api.wire.ask("GET", api.here(""), token=await api.token())
    try:
        theirs = parsedate_to_datetime(heard.headers["date"])
    except (KeyError, ValueError):
        return Looked("ok", "GitHub does not say what time it is")
    ahead_s = (now_ms - int(theirs.timestamp() * 1_000)) // 1_000
    if abs(ahead_s) <= SKEW_S_MAX:
        return Looked("ok", "our clock is GitHub's")
    how = "ahead of" if ahead_s > 0 else "behind"
    mend = "Set it, and let it be kept (NTP): GitHub lets no App in whose clock is wrong."
    return Looked("warning", f"our clock is {abs(ahead_s)} s {how} GitHub's", mend)


def lacking(given: Mapping[str, str]) -> list[Looked]:
    """Which of the permissions an installation was not given."""
    found = []
    for grade, needs in (("error", NEEDED), ("warning", OPTIONAL)):
        for need in needs:
            if _rank(given.get(need.name)) < _rank(need.level):
                what = f"the App lacks the permission {need.name}: {need.level} ({need.why})"
                mend = "Give it in the App's settings, then accept it where it is installed."
                found.append(Looked(grade, what, mend))
    return found or [Looked("ok", "the App has the permissions that it needs")]


def _rank(level: str | None) -> int:
    return _LEVELS.index(level) if level in _LEVELS else 0


async def _of_token(api: Github) -> list[Looked]:
    token = await api.token()
    heard = await api.wire.ask("GET", api.here(""), token=token)
    shown: Any = {} if heard.reply is None else heard.reply.data
    found = [Looked("ok", "we have a token of a user's")]
    if not (shown.get("permissions") or {}).get("push"):
        mend = "Give its user write access, or the token the permissions of bot/github-app.yml."
        found.append(Looked("error", "the token may not push", mend))
    scopes = heard.headers.get("x-oauth-scopes")
    if scopes is not None and not {"repo", "public_repo"} & set(scopes.split(", ")):
        mend = "Make one with the scope repo, or better a GitHub App."
        found.append(Looked("error", "the token lacks the scope repo", mend))
    mend = "Use a GitHub App for that: github.app_id and github.private_key_file."
    found.append(Looked("warning", "with a token no check of ours is shown", mend))
    return found


async def _of_target(api: Github, target: str, named: int) -> list[Looked]:
    shown = await api.find(api.here(f"/branches/{target}"))
    if shown is None:
        mend = f"Push it: `jj git push --bookmark {target}`."
        return [Looked("error", f"there is no branch {target} on GitHub", mend)]
    rules = api.each(api.here(f"/rules/branches/{target}"))
    try:
        required = others([*of_protection(shown), *of_rules([r async for r in rules])], 0)
    except GithubFailed as error:
        return [Looked("error", error.message, error.hint)]
    if required:
        listed = ", ".join(one.name for one in required)
        return [Looked("ok", f"required checks of {target}: {listed}")]
    if named:
        return [Looked("ok", f"{target} requires no checks on GitHub; those of oya.toml count")]
    mend = "Require one in the branch's protection or a ruleset, or name it under [checks]."
    return [Looked("error", f"no checks are required for {target}, so nothing may land", mend)]
