"""Agents that are spoken to: a run with an escort between the reaper and the agent.

What an escort is and does is its own room's (`adapters/escort`), which is a program and not
imported; here is what it is asked, and what is read of its report. The report is the agent's own
word, put down by us: figures, a session, and why it failed. That it succeeded is nobody's word.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from oya_vcs.adapters.agents import opencode
from oya_vcs.adapters.agents.brief import Brief, Manner
from oya_vcs.config import OpencodeConfig, WorkerConfig
from oya_vcs.core.effects import RunWorker
from oya_vcs.core.events import Reason
from oya_vcs.core.usage import Usage
from oya_vcs.ports import Order

ESCORT = Path(__file__).parents[1] / "escort" / "__main__.py"
REPORT_BYTES_MAX = 100_000
SESSION_CHARS_MAX = 200
FAULTS = frozenset({Reason.WORKER_FAILED, Reason.WORKER_MISSING, Reason.OUTPUT_LIMIT})
"""What an escort may say of the end of its agent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What an escort reported. `usage` None: nothing was counted."""

    usage: Usage | None = None
    session: str = ""
    reason: Reason | None = None
    detail: str = ""


def tongue_of(settings: WorkerConfig, *, own: bool) -> str:
    """What the escort is to speak with the worker; empty for a worker without one. `own`: the bead
    names its worker itself, which is then any program, or, by kind, any agent."""
    if settings.kind == "acp":
        return "acp"
    if settings.kind == "opencode":
        return opencode.TONGUE
    return "" if own else settings.preset


def manner_of(settings: WorkerConfig, tongue: str) -> Manner | None:
    """How the worker is spoken to; None for a program that is not. One that will be refused a tool
    is told before it asks: some end their turn at a refusal, and say that they are done."""
    if not tongue:
        return None
    if tongue != "acp" or "all" in settings.permissions:
        return Manner()
    if not settings.permissions:
        return Manner("Whatever you ask leave for is refused: do what you can without asking.")
    kinds = ", ".join(settings.permissions)
    return Manner(
        f"You get leave for tools of these kinds: {kinds}. Others are refused: do without."
    )


def escorted(
    order: Order,
    brief: Brief,
    work: RunWorker,
    tongue: str,
    settings: WorkerConfig,
    *,
    fed: bool,
    server: OpencodeConfig,
) -> Order:
    """The order with an escort before its program. Writes the errand; blocks on the disk."""
    errand = {
        "tongue": tongue,
        "cwd": work.path,
        "prompt": str(brief.prompt),
        "report": str(report_of(brief)),
        "feed": str(brief.prompt) if fed else "",
        "session": work.session,
        "allowed": settings.permissions,
        "bytes_max": settings.output_bytes_max,
        **(opencode.errand_of(server) if tongue == opencode.TONGUE else {}),
    }
    file = brief.folder / "errand.json"
    file.write_text(json.dumps(errand), encoding="utf-8")
    argv = (sys.executable, "-I", "-S", str(ESCORT), str(file), *order.argv)
    return replace(order, argv=argv, escorted=True)


def report_of(brief: Brief) -> Path:
    """Where the escort writes."""
    return brief.folder / "report.json"


def told(brief: Brief) -> Told:
    """What the escort reported so far; nothing where there is no report that makes sense."""
    try:
        with report_of(brief).open("rb") as file:
            found = json.loads(file.read(REPORT_BYTES_MAX))
    except (OSError, ValueError):
        return Told()
    if not isinstance(found, dict):
        return Told()
    usage = Usage(
        tokens_in=_count(found, "tokens_in"),
        tokens_out=_count(found, "tokens_out"),
        cost_micros=_count(found, "cost_micros"),
    )
    session, reason = _text(found, "session"), _text(found, "reason")
    return Told(
        usage=usage if usage != Usage() else None,
        session=session if len(session) <= SESSION_CHARS_MAX else "",
        reason=next((one for one in FAULTS if one == reason), None),
        detail=_text(found, "detail"),
    )


def _count(found: dict[str, Any], name: str) -> int:
    value = found.get(name)
    return value if isinstance(value, int) and 0 <= value < 2**53 else 0


def _text(found: dict[str, Any], name: str) -> str:
    value = found.get(name)
    return value if isinstance(value, str) else ""
