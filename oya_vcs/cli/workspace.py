"""`oya-vcs workspace`: which workspaces are ours and why they are kept; removing those that have
served."""

from __future__ import annotations

import argparse
import asyncio
import re
from collections.abc import Callable

from oya_vcs.adapters.clock import SystemClock
from oya_vcs.cli.output import Output, duration, table
from oya_vcs.cli.places import home_of
from oya_vcs.cli.reading import world_of
from oya_vcs.core.explain import first_line
from oya_vcs.core.world import Keep, Workspace
from oya_vcs.errors import ConfigurationInvalid, ExitCode
from oya_vcs.housekeeping import discard

_UNITS_MS = {"": 1_000, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}


def workspace(arguments: argparse.Namespace, output: Output) -> ExitCode:
    """One of the verbs below."""
    return _VERBS[arguments.verb](arguments, output)


def _list(arguments: argparse.Namespace, output: Output) -> ExitCode:
    now_ms = SystemClock().now_ms()
    there = [one for one in world_of(arguments).workspaces.values() if one.keep is not Keep.REMOVED]
    text = _table(there, now_ms) if there else "There are no workspaces of ours."
    output.answer("workspace-list", [_data(one) for one in there], text)
    return ExitCode.DONE


def _clean(arguments: argparse.Namespace, output: Output) -> ExitCode:
    limit_ms = span_ms(arguments.older_than)
    if arguments.max < 1:
        message = f"--max {arguments.max} would remove nothing."
        raise ConfigurationInvalid(message, "Give it a number from 1.")
    now_ms = SystemClock().now_ms()
    kept = [one for one in world_of(arguments).workspaces.values() if one.keep is Keep.KEPT]
    due = [one for one in kept if now_ms - one.since_ms >= limit_ms]
    chosen = sorted(due, key=lambda one: one.since_ms)[: arguments.max]
    data = {"dry_run": bool(arguments.dry_run), "chosen": [_data(one) for one in chosen]}
    if not chosen:
        text = f"Nothing to remove: {len(kept)} workspaces are kept, none for longer than that."
        output.answer("workspace-clean", data, text)
        return ExitCode.DONE
    if arguments.dry_run:
        text = f"{_table(chosen, now_ms)}\nWould pin and remove these; nothing was changed."
        output.answer("workspace-clean", data, text)
        return ExitCode.DONE
    after = asyncio.run(discard(home_of(arguments), [one.name for one in chosen]))
    left = [after[one.name] for one in chosen if after[one.name].keep is not Keep.REMOVED]
    lines = [
        f"Removed {one.name}" + (f"; its content is pinned as {one.pinned}." if one.pinned else ".")
        for one in (after[old.name] for old in chosen)
        if one.keep is Keep.REMOVED
    ]
    lines += [f"Left {one.name}: {first_line(one.detail)}" for one in left]
    lines += [f"{len(due) - len(chosen)} more are due (--max)."] if len(due) > len(chosen) else []
    data = {"dry_run": False, "chosen": [_data(after[one.name]) for one in chosen]}
    output.answer("workspace-clean", data, "\n".join(lines), ok=not left)
    return ExitCode.WORLD if left else ExitCode.DONE


def _table(workspaces: list[Workspace], now_ms: int) -> str:
    rows = [
        (
            one.name,
            one.keep,
            duration(max(0, now_ms - one.since_ms)),
            one.path,
            first_line(one.detail),
        )
        for one in workspaces
    ]
    return table(("workspace", "is", "for", "path", "why"), rows)


def _data(one: Workspace) -> dict[str, object]:
    return {
        "name": one.name,
        "repo": one.repo,
        "bead": one.bead,
        "attempt": one.attempt,
        "state": str(one.keep),
        "path": one.path,
        "since_ms": one.since_ms,
        "pinned": one.pinned,
        "detail": one.detail,
    }


def span_ms(text: str) -> int:
    """`30m`, `24h`, `7d`, `90s` or plain seconds, in milliseconds. Raises ConfigurationInvalid."""
    found = re.fullmatch(r"(\d+)([smhd]?)", text.strip())
    if found is None:
        message = f"{text!r} is no span of time."
        raise ConfigurationInvalid(message, "Write 30m, 24h or 7d.")
    return int(found[1]) * _UNITS_MS[found[2]]


_VERBS: dict[str, Callable[[argparse.Namespace, Output], ExitCode]] = {
    "list": _list,
    "clean": _clean,
}
