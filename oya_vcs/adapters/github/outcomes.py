"""What GitHub's answers mean: one error, whose `why` is what there is to decide on.

Pure: a status, headers and a body in. Knows no request and not what follows from an answer.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import Enum
from typing import Any, NamedTuple

import gidgethub
from gidgethub import sansio

from oya_vcs.errors import WorldFailed

SAID_MAX = 1_000
"""Characters of what GitHub said that an error carries."""


class Why(Enum):
    """Why GitHub did not do what was asked."""

    CONFLICT = "conflict"
    """What was asked does not go with what is there now (409)."""
    UNAUTHORISED = "unauthorised"
    """It does not know us, or we may not (401, 403, and some 409)."""
    NOT_FORWARD = "not fast-forward"
    """The ref would not be moved forwards (422)."""
    MISSING = "missing"
    """There is no such thing, or none that we may see (404, 410)."""
    INVALID = "invalid"
    """It understands what was asked, and will not do it (422 and other 4xx)."""
    LIMITED = "limited"
    """Too much was asked: nothing was done, and later it may be (403, 429)."""
    UNKNOWN = "unknown"
    """It failed, or did not answer: what was asked may have been done all the same (5xx)."""


class GithubFailed(WorldFailed):
    """GitHub did not do what was asked; `why` tells the cases apart, `status` is HTTP's (0: there
    was no answer)."""

    code = "github_failed"

    def __init__(
        self, why: Why, message: str, *, status: int = 0, hint: str = "", retryable: bool = False
    ) -> None:
        passes = retryable or why in {Why.LIMITED, Why.UNKNOWN}
        super().__init__(message, hint=hint, retryable=passes)
        self.why = why
        self.status = status


class Reply(NamedTuple):
    """A good answer: its JSON, and the address of the next page where there is one."""

    data: Any
    next_page: str | None


_TRANSIENT = re.compile(r"not authori[sz]ed|resource not accessible", re.IGNORECASE)
_NOT_FORWARD = re.compile(r"not a fast[ -]forward", re.IGNORECASE)
_SECONDARY = re.compile(r"secondary rate limit|abuse detection|rate limit exceeded", re.IGNORECASE)
_BY_STATUS = {
    401: Why.UNAUTHORISED,
    403: Why.UNAUTHORISED,
    404: Why.MISSING,
    409: Why.CONFLICT,
    410: Why.MISSING,
    429: Why.LIMITED,
}
_HINTS = {
    Why.UNAUTHORISED: "Run `oya-vcs doctor --repo REPO`: it says which permission is missing.",
    Why.MISSING: "Look at [github] repo in the configuration, and at what the token may see.",
}


def is_limited(status: int, headers: Mapping[str, str], body: bytes) -> bool:
    """Whether an answer says that too much was asked, whatever its status.

    A secondary limit is a plain 403 whose body, or Retry-After, tells it from a refusal.
    """
    if status == 429:
        return True
    if status != 403:
        return False
    spent = headers.get("x-ratelimit-remaining") == "0"
    said = body[:4_096].decode("utf-8", "replace")
    return spent or "retry-after" in headers or _SECONDARY.search(said) is not None


def read_answer(what: str, status: int, headers: Mapping[str, str], body: bytes) -> Reply:
    """What an answer to `what` (method and path) holds. Raises GithubFailed."""
    limited = is_limited(status, headers, body)
    try:
        data, _, next_page = sansio.decipher_response(status, headers, body)
    except gidgethub.GitHubBroken as error:
        raise _failed(Why.UNKNOWN, what, status, str(error)) from error
    except gidgethub.HTTPException as error:
        said = str(error)
        why = Why.LIMITED if limited else _why(status, said)
        # The 409 by which GitHub says for a moment that we may not is the one that passes.
        passes = status == 409 and why is Why.UNAUTHORISED
        raise _failed(why, what, status, said, passes=passes) from error
    except (KeyError, LookupError, ValueError) as error:
        why = Why.UNKNOWN if status < 300 else _why(status, "")
        raise _failed(why, what, status, "its answer cannot be read") from error
    return Reply(data, next_page)


def no_answer(what: str, error: Exception) -> GithubFailed:
    """The error of a request that got no answer, or not all of one."""
    return _failed(Why.UNKNOWN, what, 0, str(error) or type(error).__name__)


def graphql_failed(what: str, errors: object) -> GithubFailed:
    """The error that the body of a GraphQL answer holds, whatever its status was."""
    listed = [one for one in errors if isinstance(one, dict)] if isinstance(errors, list) else []
    kinds = {str(one.get("type", "")) for one in listed}
    said = "; ".join(str(one.get("message", "")) for one in listed) or "it gave no reason"
    if "RATE_LIMITED" in kinds or _SECONDARY.search(said):
        return _failed(Why.LIMITED, what, 200, said)
    if kinds & {"FORBIDDEN", "INSUFFICIENT_SCOPES", "UNAUTHORIZED"}:
        return _failed(Why.UNAUTHORISED, what, 200, said)
    if "NOT_FOUND" in kinds:
        return _failed(Why.MISSING, what, 200, said)
    if kinds & {"INTERNAL", "SERVICE_UNAVAILABLE"} or "went wrong" in said:
        return _failed(Why.UNKNOWN, what, 200, said)
    return _failed(_why(422, said), what, 200, said)


def _why(status: int, said: str) -> Why:
    if status == 409 and _TRANSIENT.search(said):
        return Why.UNAUTHORISED
    if status == 422 and _NOT_FORWARD.search(said):
        return Why.NOT_FORWARD
    return Why.UNKNOWN if status >= 500 else _BY_STATUS.get(status, Why.INVALID)


def _failed(why: Why, what: str, status: int, said: str, *, passes: bool = False) -> GithubFailed:
    sentence = said.strip()[:SAID_MAX].rstrip(".")
    answered = f"answered {what} with {status}" if status else f"did not answer {what}"
    return GithubFailed(
        why,
        f"GitHub {answered}: {sentence}.",
        status=status,
        hint=_HINTS.get(why, ""),
        retryable=passes,
    )
