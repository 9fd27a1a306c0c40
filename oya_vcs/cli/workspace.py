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
from oya_vcs.config import Home
from oya_vcs.core.explain import first_line
from oya_vcs.core.ids import WorkspaceName
from oya_vcs.core.leftovers import Finding
from oya_vcs.core.world import Keep, Workspace, World
from oya_vcs.errors import ConfigurationInvalid, ExitCode
from oya_vcs.tidying import Cleaned, Limits, Look, clean, find, look, restore, show

_UNITS_MS = {"": 1_000, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
NAMED_MAX = 20
"""Names of files that an answer for people lists."""
NOTHING = "Nothing to remove."


def workspace(arguments: argparse.Namespace, output: Output) -> ExitCode:
    """One of the verbs below."""
    return _VERBS[arguments.verb](arguments, output)


def _list(arguments: argparse.Namespace, output: Output) -> ExitCode:
    now_ms = SystemClock().now_ms()
    every = world_of(arguments).workspaces.values()
    there = [one for one in every if arguments.all or one.keep is not Keep.REMOVED]
    text = _by_folder(home_of(arguments), there, now_ms) or "There are no workspaces of ours."
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
        *([f"size: {_files(seen.files)}, {seen.bytes:,} bytes"] if seen.there else []),
        f"recorded as: {seen.commit or 'jj does not know it'}",
        *(f"pinned: {commit} ({ref})" for ref, commit in seen.pins.items()),
        *([f"not recorded yet: {_files(len(seen.unsaved))}", *unsaved] if seen.unsaved else []),
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
        f"Workspace {found.workspace} as it was last is in {found.into}\n"
        f"({_files(found.files)}, commit {found.commit})."
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
    home = home_of(arguments)
    done = asyncio.run(clean(home, limits))
    removed, refused = _outcomes(home, done)
    lines = [*_listed("Removed", removed), *_listed("Not removed", refused)] or [NOTHING]
    lines += _left(home, done.looks, limits)
    data = {
        "dry_run": False,
        "chosen": [_data(done.workspaces[one.name]) for found in done.looks for one in found.kept],
        **_found(done.looks, done),
    }
    output.answer("workspace-clean", data, "\n".join(lines), ok=not refused)
    return ExitCode.WORLD if refused else ExitCode.DONE


def _dry_run(arguments: argparse.Namespace, output: Output, limits: Limits) -> ExitCode:
    home = home_of(arguments)
    looks = asyncio.run(look(home, world_of(arguments), limits))
    kept = [one for found in looks for one in found.kept]
    due = [_entry(one, limits.now_ms) for one in kept]
    due += [_named(home, found, one) for found in looks for one in found.orphans]
    what = "Would be removed, and pinned first where it holds what is nowhere else"
    lines = [*(_listed(what, due) or [NOTHING]), *_left(home, looks, limits)]
    data = {"dry_run": True, "chosen": [_data(one) for one in kept], **_found(looks, None)}
    output.answer("workspace-clean", data, "\n".join([*lines, "Nothing was changed."]))
    return ExitCode.DONE


def _outcomes(home: Home, done: Cleaned) -> tuple[list[_Entry], list[_Entry]]:
    """What was removed, with the way back to it, and what was refused."""
    removed: list[_Entry] = []
    refused: list[_Entry] = []
    for found in done.looks:
        for kept in found.kept:
            after = done.workspaces[kept.name]
            gone = after.keep is Keep.REMOVED
            said = _back(kept.name, after.pinned) if gone else first_line(after.detail)
            (removed if gone else refused).append((kept.name, said))
        for one in found.orphans:
            swept = done.swept.get(one.name)
            label, why = _named(home, found, one)
            if swept is None:
                refused.append((label, f"{why} It was refused, as said above."))
            elif swept.pinned is None:
                removed.append((label, why))
            else:
                removed.append((label, f"{why} {_back(one.name, swept.pinned)}"))
    return removed, refused


def _back(name: WorkspaceName, pinned: str | None) -> str:
    """What is left of a workspace that was removed."""
    if pinned is None:
        return "Everything in it is in the repository."
    return f"Pinned as {pinned}: `oya-vcs workspace restore {name}` brings it back."


def _left(home: Home, looks: Sequence[Look], limits: Limits) -> list[str]:
    """What is left alone, by why."""
    young: list[_Entry] = []
    beyond: list[_Entry] = []
    theirs: list[_Entry] = []
    for found in looks:
        for kept in found.waiting:
            place = young if limits.now_ms - kept.since_ms < limits.older_ms else beyond
            place.append(_entry(kept, limits.now_ms))
        for one in found.explained:
            place = young if limits.now_ms - (one.since_ms or 0) < limits.older_ms else beyond
            if one.safe_to_remove:
                place.append(_named(home, found, one))
            else:
                theirs.append((f"{one.path} ({one.kind})", one.why))
    return [
        *(found.problem for found in looks if found.problem),
        *_listed(f"Left, for it is younger than {_span(limits.older_ms)} (--older-than)", young),
        *_listed(f"Left, for it is beyond {limits.count} (--max)", beyond),
        *_listed("Left for you to look at, and never touched", theirs),
    ]


_Entry = tuple[str, str]
"""Which workspace, and a sentence about it."""


def _listed(what: str, entries: Sequence[_Entry]) -> list[str]:
    """A heading and what stands under it, readable in a narrow terminal; nothing for nothing."""
    lines = [line for label, said in entries for line in (f"  {label}", f"      {said}")]
    return [f"{what}:", *lines] if lines else []


def _entry(one: Workspace, now_ms: int) -> _Entry:
    age = duration(max(0, now_ms - one.since_ms))
    return f"{one.name} (kept for {age})", first_line(one.detail) or "It is kept to be looked into."


def _named(home: Home, found: Look, one: Finding) -> _Entry:
    """A finding, by its name where that says where it is."""
    usual = str(home.workspaces / found.repo / one.name)
    return f"{one.name if one.path == usual else one.path} ({one.kind})", one.why


def _found(looks: Sequence[Look], done: Cleaned | None) -> dict[str, object]:
    """What nobody expects, for programs."""
    return {
        "orphans": [_finding(one, found, done) for found in looks for one in found.orphans],
        "waiting": [_data(one) for found in looks for one in found.waiting],
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


def _by_folder(home: Home, workspaces: Sequence[Workspace], now_ms: int) -> str:
    """A table for each repository, with its folder above it: the names are those of the folders."""
    parts = []
    for repo in dict.fromkeys(one.repo for one in workspaces):
        rows = [
            (
                one.name,
                one.keep,
                duration(max(0, now_ms - one.since_ms)),
                first_line(one.detail),
            )
            for one in workspaces
            if one.repo == repo
        ]
        parts.append(f"{home.workspaces / repo}:\n{table(('workspace', 'is', 'for', ''), rows)}")
    return "\n\n".join(parts)


def _files(count: int) -> str:
    return f"{count:,} file" if count == 1 else f"{count:,} files"


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


def _span(ms: int) -> str:
    """A span as `--older-than` takes it."""
    unit = next(one for one in ("d", "h", "m", "s") if ms % _UNITS_MS[one] == 0)
    return f"{ms // _UNITS_MS[unit]}{unit}"


_VERBS: dict[str, Callable[[argparse.Namespace, Output], ExitCode]] = {
    "list": _list,
    "show": _show,
    "restore": _restore,
    "clean": _clean,
}
