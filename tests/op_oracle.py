"""What the operation log of a repository says was moved, by hand: an oracle for the watcher.

For each operation it lists everything that jj shows there and at the operations it stands on
(`--at-op`, whole lists), and compares the lists as sets. Shares no code with the product but the
names of movements.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

Told = tuple[str, str, str, tuple[str, ...], tuple[str, ...]]
"""Kind, subject, name, commits before, commits after."""
Jj = Callable[..., str]
"""Runs jj as the user, without looking at the working copy."""


@dataclass(frozen=True, slots=True)
class Shown:
    """Everything at one operation."""

    commits: dict[str, tuple[str, bool]]
    bookmarks: dict[str, list[str | None]]
    workspaces: frozenset[str]

    def of_change(self, change: str) -> dict[str, bool]:
        """The visible commits of a change, and whether each is conflicted."""
        return {one: torn for one, (name, torn) in self.commits.items() if name == change}

    def place(self, name: str) -> tuple[str, ...]:
        """The commits of a bookmark."""
        return tuple(sorted({one for one in self.bookmarks.get(name, [])[::2] if one is not None}))

    def torn(self, name: str) -> bool:
        """Whether a bookmark is conflicted."""
        return len(self.bookmarks.get(name, [])) > 1


class Oracle:
    """Reads one repository."""

    def __init__(self, jj: Jj) -> None:
        self._jj = jj
        self.shown = cache(self._shown)

    def operations(self) -> list[dict[str, Any]]:
        """The whole log, oldest first."""
        said = self._jj("op", "log", "--no-graph", "-T", 'json(self) ++ "\\n"')
        return [json.loads(line) for line in said.splitlines()][::-1]

    def _shown(self, operation: str) -> Shown:
        at = ("--at-op", operation)
        row = 'commit_id ++ " " ++ change_id ++ " " ++ conflict ++ "\\n"'
        log = self._jj("log", "--no-graph", "-r", "all()", "-T", row, *at)
        rows = [line.split() for line in log.splitlines()]
        listed = self._jj("bookmark", "list", "-T", 'json(self) ++ "\\n"', *at)
        marks = [json.loads(line) for line in listed.splitlines()]
        names = self._jj("workspace", "list", "-T", 'json(name) ++ "\\n"', *at)
        return Shown(
            {commit: (change, torn == "true") for commit, change, torn in rows},
            {one["name"]: one["target"] for one in marks if "remote" not in one},
            frozenset(json.loads(line) for line in names.splitlines()),
        )

    def moved(self, operation: dict[str, Any]) -> set[Told]:
        """What it moved against all that it stands on."""
        now = self.shown(operation["id"])
        every = [set(_moved(self.shown(one), now)) for one in operation["parents"]]
        first = every[0]
        keys = [{(*one[:3], one[4]) for one in told} for told in every]
        return {one for one in first if all((*one[:3], one[4]) in key for key in keys)}

    def between(self, before: str, after: str) -> set[Told]:
        """What is not at one operation as it is at another."""
        return set(_moved(self.shown(before), self.shown(after)))


def _moved(was: Shown, now: Shown) -> Iterator[Told]:
    for name in {*was.bookmarks, *now.bookmarks}:
        old, new = was.place(name), now.place(name)
        if (old, was.torn(name)) != (new, now.torn(name)):
            yield "bookmark-moved", "bookmark", name, old, new
        if now.torn(name) and not was.torn(name):
            yield "conflict-appeared", "bookmark", name, old, new
    for name in now.workspaces - was.workspaces:
        yield "workspace-added", "workspace", name, (), ()
    for name in was.workspaces - now.workspaces:
        yield "workspace-forgotten", "workspace", name, (), ()
    for change in {name for name, _ in (*was.commits.values(), *now.commits.values())}:
        old_ones, new_ones = was.of_change(change), now.of_change(change)
        before, after = tuple(sorted(old_ones)), tuple(sorted(new_ones))
        told = ("change", change, before, after)
        if before == after:
            continue
        if not before:
            yield "change-added", *told
        elif not after:
            yield "change-abandoned", *told
        else:
            yield "change-rewritten", *told
        if any(new_ones.values()) and not any(old_ones.values()):
            yield "conflict-appeared", *told
        if len(after) > 1 >= len(before):
            yield "divergence-appeared", *told
