"""How the API answers: with a tag that a browser asks again by, and refusals as problems of RFC
9457."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import msgspec
from litestar import Request, Response
from litestar.openapi.datastructures import ResponseSpec

from oya_vcs import __version__
from oya_vcs.errors import (
    Bug,
    ConfigurationInvalid,
    InputInvalid,
    Locked,
    NotFound,
    OyaError,
    WorldFailed,
)

T = TypeVar("T")


class Problem(msgspec.Struct, kw_only=True):
    """Why something was not done (RFC 9457). `hint` is what to do about it."""

    status: int
    title: str
    detail: str
    hint: str = ""


PROBLEM = "application/problem+json"
_STATUS: tuple[tuple[type[OyaError], int], ...] = (
    (NotFound, 404),
    (InputInvalid, 422),
    (ConfigurationInvalid, 422),
    (Locked, 409),
    (WorldFailed, 503),
    (Bug, 500),
)

RESPONSES = {
    status: ResponseSpec(Problem, generate_examples=False, description=what, media_type=PROBLEM)
    for status, what in (
        (401, "It takes a token."),
        (404, "There is no such thing."),
        (422, "It is not of its form, or cannot be had."),
        (503, "The daemon cannot do it at this moment."),
    )
}


def problem(_request: Request[Any, Any, Any], error: OyaError) -> Response[Problem]:
    """An error of ours as an answer."""
    status = next((status for kind, status in _STATUS if isinstance(error, kind)), 503)
    told = Problem(status=status, title=error.code, detail=error.message, hint=error.hint)
    return Response(told, status_code=status, media_type=PROBLEM)


def refused(title: str, detail: str, status: int = 409) -> Response[Any]:
    """What cannot be had, now that it was asked."""
    told = Problem(status=status, title=title, detail=detail)
    return Response(told, status_code=status, media_type=PROBLEM)


def tagged(request: Request[Any, Any, Any], seq: int, make: Callable[[], T]) -> Response[T]:
    """What `make` returns, which is the same as long as the last event is; or nothing, where the
    asker has it."""
    tag = f'W/"{__version__}-{seq}"'
    headers = {"ETag": tag, "Cache-Control": "no-cache"}
    asked = request.headers.get("if-none-match", "")
    if tag in (one.strip() for one in asked.split(",")):
        return Response(None, status_code=304, headers=headers)  # type: ignore[arg-type]
    return Response(make(), headers=headers)
