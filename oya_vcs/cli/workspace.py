"""`oya-vcs workspace`: which workspaces are ours and why they are kept; one of them closely; what
was in one that is gone; removing those that have served, and what was left behind."""

from __future__ import annotations

import argparse
import asyncio
import re
from collections.abc import Callable, Sequence
from pathlib import Path

from oya_vcs.adapters.clock import SystemClock
from oya_vcs.cli.output import Output, duration, table
from oya_vcs.cli.places import home_of
from oya_vcs.cli.reading import clock_time, world_of
from oya_vcs.core.explain import first_line
from oya_vcs.core.ids import WorkspaceName
from oya_vcs.core.leftovers import Finding
from oya_vcs.core.world import Keep, Workspace, World
from oya_vcs.errors import ConfigurationInvalid, ExitCode
from oya_vcs.tidying import Cleaned, Limits, Look, clean, find, look, restore, show

_UNITS_MS = {"": 1_000, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
NAMED_MAX = 20
"""Names of files that an answer for people lists."""


def workspace(arguments: argparse.Namespace, output: Output) -> ExitCode:
    """One of the verbs below."""
    return _VERBS[arguments.verb](arguments, output)


def _list(arguments: argparse.Namespace, output: Output) -> ExitCode:
    now_ms = SystemClock().now_ms()
    every = world_of(arguments).workspaces.values()
    there = [one for one in every if arguments.all or one.keep is not Keep.REMOVED]
    text = _table(there, now_ms) if there else "There are no workspaces of ours."
    output.answer("workspace-list", [_data(one) for one in there], text)
    return ExitCode.DONE


def _show(arguments: argparse.Namespace, output: Output) -> ExitCode:
    world = world_of(arguments)
    one = world.workspaces[find(world, arguments.workspace)]
    seen = asyncio.run(show(home_of(arguments), world, one.name))
    unsaved = [f"  {name}" for name in seen.unsaved[:NAMED_MAX]]
    more = len(seen.unsaved) - len(unsaved)
    lines = [
        f"{one.name}: {one.keep} since {clock_time(one.since_ms)}",
        f"bead {one.bead}, attempt {one.attempt}, of {one.repo}",
        *([f"why: {first_line(one.detail)}"] if one.detail else []),
        f"base: {_base(world, one) or 'not on record'}",
        f"folder: {seen.path}" + ("" if seen.there else " (gone)"),
        *([f"its folder {seen.trouble}"] if seen.trouble else []),
        *([f"size: {seen.files} files, {seen.bytes:,} bytes"] if seen.there else []),
        f"recorded as: {seen.commit or 'jj does not know it'}",
        *(f"pinned: {commit} ({ref})" for ref, commit in seen.pins.items()),
        *([f"not recorded yet: {len(seen.unsaved)} files", *unsaved] if seen.unsaved else []),
        *([f"  and {more} more"] if more > 0 else []),
    ]
    data = {
        **_data(one),
        "base": _base(world, one),
        "there": seen.there,
        "trouble": seen.trouble,
        "files": seen.files,
        "bytes": seen.bytes,
        "commit": seen.commit,
        "pins": seen.pins,
        "unsaved": list(seen.unsaved),
    }
    output.answer("workspace-show", data, "\n".join(lines))
    return ExitCode.DONE


def _base(world: World, one: Workspace) -> str | None:
    bead = world.beads.get(one.bead)
    return bead.base if bead is not None and bead.workspace == one.name else None


def _restore(arguments: argparse.Namespace, output: Output) -> ExitCode:
    to = Path(arguments.to) if arguments.to else None
    world = world_of(arguments)
    found = asyncio.run(restore(home_of(arguments), world, arguments.workspace, to))
    text = (
        f"Workspace {found.workspace} as it was last ({found.files} files, commit {found.commit}) "
        f"is in {found.into}."
    )
    data = {
        "workspace": found.workspace,
        "commit": found.commit,
        "path": str(found.into),
        "files": found.files,
    }
    output.answer("workspace-restore", data, text)
    return ExitCode.DONE


def _clean(arguments: argparse.Namespace, output: Output) -> ExitCode:
    limits = Limits(
        now_ms=SystemClock().now_ms(),
        older_ms=span_ms(arguments.older_than),
        count=arguments.max,
    )
    if limits.count < 1:
        message = f"--max {arguments.max} would remove nothing."
        raise ConfigurationInvalid(message, "Give it a number from 1.")
    if arguments.dry_run:
        return _dry_run(arguments, output, limits)
    done = asyncio.run(clean(home_of(arguments), limits))
    lines = [_said(done, one.name) for found in done.looks for one in found.kept]
    lines += [_swept(done, one) for found in done.looks for one in found.orphans]
    lines += _explained(done.looks)
    left = [one for one in _kept(done.looks) if done.workspaces[one].keep is not Keep.REMOVED]
    left += [name for name, swept in done.swept.items() if swept is None]
    text = "\n".join(lines) or "Nothing to remove: nothing was kept or left for longer than that."
    data = {
        "dry_run": False,
        "chosen": [_data(done.workspaces[name]) for name in _kept(done.looks)],
        **_found(done.looks, done),
    }
    output.answer("workspace-clean", data, text, ok=not left)
    return ExitCode.WORLD if left else ExitCode.DONE


def _dry_run(arguments: argparse.Namespace, output: Output, limits: Limits) -> ExitCode:
    looks = asyncio.run(look(home_of(arguments), world_of(arguments), limits))
    kept = [one for found in looks for one in found.kept]
    orphans = [one for found in looks for one in found.orphans]
    lines = [_table(kept, limits.now_ms)] if kept else []
    lines += [f"{one.path} ({one.kind}): {one.why}" for one in orphans]
    if kept or orphans:
        lines.append("Would pin and remove these; nothing was changed.")
    else:
        lines.append("Nothing to remove: nothing was kept or left for longer than that.")
    text = "\n".join([*lines, *_explained(looks)])
    data = {"dry_run": True, "chosen": [_data(one) for one in kept], **_found(looks, None)}
    output.answer("workspace-clean", data, text)
    return ExitCode.DONE


def _kept(looks: Sequence[Look]) -> list[WorkspaceName]:
    return [one.name for found in looks for one in found.kept]


def _said(done: Cleaned, name: WorkspaceName) -> str:
    after = done.workspaces[name]
    if after.keep is not Keep.REMOVED:
        return f"Left {name}: {first_line(after.detail)}"
    return f"Removed {name}" + (
        f"; its content is pinned as {after.pinned}." if after.pinned else "."
    )


def _swept(done: Cleaned, one: Finding) -> str:
    swept = done.swept.get(one.name)
    if swept is None:
        return f"Left {one.path} ({one.kind}): it was refused, as said above. {one.why}"
    kept = f" Its content is pinned as {swept.pinned}." if swept.pinned else ""
    return f"Removed {one.path} ({one.kind}): {one.why}{kept}"


def _explained(looks: Sequence[Look]) -> list[str]:
    """What is left alone, and why."""
    lines = [found.problem for found in looks if found.problem]
    for found in looks:
        for one in found.explained:
            young = "Too young, or beyond --max: " if one.safe_to_remove else ""
            lines.append(f"Not touched: {one.path} ({one.kind}). {young}{one.why}")
    return lines


def _found(looks: Sequence[Look], done: Cleaned | None) -> dict[str, object]:
    """What nobody expects, for programs."""
    return {
        "orphans": [_finding(one, found, done) for found in looks for one in found.orphans],
        "explained": [_finding(one, found, None) for found in looks for one in found.explained],
        "problems": [
            {"repo": found.repo, "problem": found.problem} for found in looks if found.problem
        ],
    }


def _finding(one: Finding, found: Look, done: Cleaned | None) -> dict[str, object]:
    swept = done.swept.get(one.name) if done is not None else None
    return {
        "name": one.name,
        "repo": found.repo,
        "kind": str(one.kind),
        "path": one.path,
        "why": one.why,
        "since_ms": one.since_ms,
        "removed": swept is not None,
        "pinned": swept.pinned if swept is not None else None,
    }


def _table(workspaces: Sequence[Workspace], now_ms: int) -> str:
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
    "show": _show,
    "restore": _restore,
    "clean": _clean,
}
