"""What the checks of one commit add up to.

Pure: what is required and what GitHub has about the commit in, a verdict out. The first result of a
check that is one counts, whatever is run again later; none at all is waiting, never passing. Knows
no request.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

OWN_CHECK = "oya-vcs"
"""The check that we show on a pull request: it waits for the queue, and the queue never for it."""
PASSING = frozenset({"success", "neutral", "skipped"})
"""The conclusions with which GitHub itself regards a required check as fulfilled."""
STILL = frozenset({"", "stale"})
"""No result: stale is what GitHub makes of a run that was silent for two weeks."""
DETAIL_MAX = 4_000
"""Characters of what a failed check says."""


@dataclass(frozen=True, slots=True, order=True)
class Required:
    """A check that has to pass; `app` is the App that must have run it (0: anybody)."""

    name: str
    app: int = 0


@dataclass(frozen=True, slots=True)
class Seen:
    """A check run or a commit status at a commit. `at` orders results (ISO 8601); `result` is
    empty until there is one."""

    name: str
    app: int
    result: str
    at: str
    detail: str

    def fulfils(self, required: Required) -> bool:
        """Whether it is one of what is required."""
        return self.name == required.name and required.app in (0, self.app)


@dataclass(frozen=True, slots=True)
class Verdict:
    """`failed` is the check that decides against the commit; `waiting` are those without a result;
    `begun` says that somebody has begun one. Passed: neither."""

    failed: Seen | None
    waiting: tuple[Required, ...]
    begun: bool


def weigh(required: Sequence[Required], seen: Iterable[Seen], own_app: int) -> Verdict:
    """The verdict. Our own check is no part of it, whoever requires it."""
    known = [one for one in seen if not _own(one.name, one.app, own_app)]
    failed: list[Seen] = []
    waiting = []
    for need in required:
        if _own(need.name, need.app, own_app):
            continue
        results = [one for one in known if one.fulfils(need) and one.result not in STILL]
        first = min(results, key=lambda one: one.at, default=None)
        if first is None:
            waiting.append(need)
        elif first.result not in PASSING:
            failed.append(first)
    return Verdict(
        failed=min(failed, key=lambda one: one.at, default=None),
        waiting=tuple(waiting),
        begun=any(one.fulfils(need) for one in known for need in required),
    )


def others(required: Iterable[Required], own_app: int) -> tuple[Required, ...]:
    """What is required beside our own check, each once."""
    return tuple(sorted({one for one in required if not _own(one.name, one.app, own_app)}))


def _own(name: str, app: int, own_app: int) -> bool:
    return (own_app > 0 and app == own_app) or name == OWN_CHECK


# --- From GitHub's words --------------------------------------------------------------------------


def of_protection(branch: Mapping[str, Any]) -> list[Required]:
    """What the classic protection of a branch requires, as `GET branches/BRANCH` shows it to
    whoever may read."""
    protection = branch.get("protection") or {}
    needed = protection.get("required_status_checks") or {}
    if protection.get("enabled") is False or needed.get("enforcement_level") == "off":
        return []
    checks = [Required(one["context"], _app(one.get("app_id"))) for one in needed.get("checks", ())]
    named = {one.name for one in checks}
    plain = [Required(name) for name in needed.get("contexts", ()) if name not in named]
    return checks + plain


def of_rules(rules: Iterable[Mapping[str, Any]]) -> list[Required]:
    """What rulesets require, as `GET rules/branches/BRANCH` lists their rules."""
    return [
        Required(one["context"], _app(one.get("integration_id")))
        for rule in rules
        if rule.get("type") == "required_status_checks"
        for one in (rule.get("parameters") or {}).get("required_status_checks", ())
    ]


def of_run(run: Mapping[str, Any]) -> Seen:
    """A check run."""
    done = run.get("status") == "completed"
    result = (run.get("conclusion") or "") if done else ""
    output = run.get("output") or {}
    lines = [f"It ended with {result}." if result else ""]
    lines += [run.get("details_url") or run.get("html_url") or ""]
    lines += [output.get("title") or "", output.get("summary") or "", output.get("text") or ""]
    return Seen(
        name=run.get("name") or "",
        app=_app((run.get("app") or {}).get("id")),
        result=result,
        at=run.get("completed_at") or "",
        detail=_joined(lines),
    )


def of_status(status: Mapping[str, Any]) -> Seen:
    """A commit status: the older kind of check, which no App is bound to."""
    state = status.get("state") or ""
    lines = [status.get("description") or "", status.get("target_url") or ""]
    return Seen(
        name=status.get("context") or "",
        app=0,
        result="" if state == "pending" else state,
        at=status.get("created_at") or "",
        detail=_joined(lines),
    )


def _app(number: object) -> int:
    """An App's id; null and -1 are anybody."""
    return number if isinstance(number, int) and number > 0 else 0


def _joined(lines: Iterable[str]) -> str:
    return "\n".join(line for line in lines if line)[-DETAIL_MAX:]
