"""What is answered when an agent asks for leave to use a tool. Nothing is allowed that was not
allowed beforehand.

The kind of a tool and the paths that it touches are the agent's own word: this keeps an honest
agent within bounds, and is no wall around another. Must not know how it is asked.
"""

from __future__ import annotations

import os
from typing import Any

from oya_vcs.adapters.escort.telling import short

KINDS = (
    *("read", "edit", "delete", "move", "search"),
    *("execute", "think", "fetch", "switch_mode", "other"),
)
"""The kinds of tools that the protocol names (ACP v1, ToolKind)."""
ALL = "all"


def refusal(call: dict[str, Any], allowed: list[str], cwd: str) -> str:
    """Why the tool may not be used; empty where it may."""
    kind = call.get("kind")
    kind = kind if kind in KINDS else "other"
    if ALL not in allowed and kind not in allowed:
        return f"[worker] permissions does not hold {kind!r}"
    for place in call.get("locations") or ():
        path = place.get("path") if isinstance(place, dict) else None
        if isinstance(path, str) and not _within(path, cwd):
            return f"{short(path)} is not in the workspace"
    return ""


def answer(options: object, *, allow: bool) -> dict[str, Any]:
    """The outcome that says so: leave for this once where that is offered, never for all of its
    kind unless there is nothing less; a refusal for this once. Where what would have to be said is
    not offered, the question is cancelled."""
    wanted = ("allow_once", "allow_always") if allow else ("reject_once", "reject_always")
    offered = [one for one in options if isinstance(one, dict)] if isinstance(options, list) else []
    for kind in wanted:
        for one in offered:
            if one.get("kind") == kind and isinstance(one.get("optionId"), str):
                return {"outcome": "selected", "optionId": one["optionId"]}
    return {"outcome": "cancelled"}


def _within(path: str, folder: str) -> bool:
    """Whether a path is in the folder, or it, once its links are followed."""
    real = os.path.realpath(os.path.join(folder, path))  # noqa: PTH118 - pathlib costs 5 ms
    root = os.path.realpath(folder)
    return real == root or real.startswith(root.rstrip("/") + "/")
