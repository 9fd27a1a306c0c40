"""The page's own files, from the package: read once, served by name, and nothing else of the
disk."""

from __future__ import annotations

from hashlib import sha256
from importlib.resources import files as resources
from typing import Any

from litestar import Request, Response, get
from litestar.params import FromPath

from oya_vcs.errors import NotFound

KINDS = {
    "html": "text/html",
    "js": "text/javascript",
    "css": "text/css",
    "svg": "image/svg+xml",
    "json": "application/manifest+json",
}


def _read() -> dict[str, tuple[bytes, str, str]]:
    found = {}
    for one in resources("oya_vcs_bot").joinpath("page").iterdir():
        kind = KINDS.get(one.name.rpartition(".")[2])
        if one.is_file() and kind is not None:
            content = one.read_bytes()
            found[one.name] = content, kind, f'"{sha256(content).hexdigest()[:16]}"'
    return found


_FILES = _read()


def _served(request: Request[Any, Any, Any], name: str) -> Response[bytes]:
    found = _FILES.get(name)
    if found is None:
        raise NotFound(f"There is no page {name!r} here.", "The page is at /.")
    content, kind, tag = found
    headers = {"ETag": tag, "Cache-Control": "no-cache"}
    if request.headers.get("if-none-match") == tag:
        return Response(b"", status_code=304, headers=headers)
    return Response(content, media_type=kind, headers=headers)


@get("/", include_in_schema=False, sync_to_thread=False)
def page(request: Request[Any, Any, Any]) -> Response[bytes]:
    """The page."""
    return _served(request, "index.html")


@get("/page/{name:str}", include_in_schema=False, sync_to_thread=False)
def file(request: Request[Any, Any, Any], name: FromPath[str]) -> Response[bytes]:
    """One of its files."""
    return _served(request, name)


@get("/favicon.ico", include_in_schema=False, sync_to_thread=False)
def icon(request: Request[Any, Any, Any]) -> Response[bytes]:
    """What a browser asks for by itself."""
    return _served(request, "icon.svg")
