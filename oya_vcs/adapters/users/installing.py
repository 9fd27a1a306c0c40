"""Putting what is ours into places of the user's, and taking it away so that all is as it was.

What was there before is written down (a file in the home) before anything is changed. What somebody
has changed since is left, and said. Must not know what an alias or a hook does.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from oya_vcs.adapters.users.places import ASIDE, Found, GitHook, Place
from oya_vcs.errors import InputInvalid, WorldFailed


class Stands(StrEnum):
    """What is in a place."""

    INSTALLED = "installed"
    ABSENT = "absent"
    OLDER = "older"
    """Ours, as an earlier install wrote it."""
    THEIRS = "theirs"


@dataclass(frozen=True, slots=True)
class Item:
    """One place, what we want to be there, what is there, and what that means. `before` is what we
    found in this very place when we first came (None: nothing)."""

    place: Place
    ours: str
    found: Found | None
    stands: Stands
    before: str | None = None


class Ledger:
    """What was there before us, by place, in a file."""

    def __init__(self, path: Path) -> None:
        """Raises WorldFailed where there is something that is no such file."""
        self._path = path
        self._rows: dict[str, dict[str, str | None]] = {}
        try:
            self._rows = json.loads(path.read_text("utf-8"))
        except FileNotFoundError:
            pass
        except (OSError, ValueError) as error:
            message = f"{path}, which says what was there before, cannot be read: {error}."
            raise WorldFailed(message, hint="Look at it; nothing was changed.") from error

    def look(self, wanted: Iterable[tuple[Place, str]]) -> list[Item]:
        """Every place as it is now."""
        return [self._item(place, ours, place.found()) for place, ours in wanted]

    def _item(self, place: Place, ours: str, found: Found | None) -> Item:
        row = self._rows.get(place.key)
        before = None if row is None else row["before"]
        if found is None:
            return Item(place, ours, found, Stands.ABSENT)
        if place.same(found.text, ours):
            return Item(place, ours, found, Stands.INSTALLED, before)
        if row is not None and place.same(found.text, row["ours"] or ""):
            return Item(place, ours, found, Stands.OLDER, before)
        return Item(place, ours, found, Stands.THEIRS, found.text if found.here else None)

    def install(self, items: Sequence[Item]) -> None:
        """Put all of it there that is not."""
        changed = [item for item in items if item.stands is not Stands.INSTALLED]
        for item in changed:
            self._rows[item.place.key] = {"ours": item.ours, "before": item.before}
        self._write()
        for item in changed:
            if isinstance(item.place, GitHook) and item.stands is Stands.OLDER:
                item.place.update(item.ours)
            else:
                item.place.put(item.ours)

    def uninstall(self, items: Sequence[Item]) -> None:
        """Take away what is ours; what was there before is there again."""
        for item in items:
            if item.stands in {Stands.INSTALLED, Stands.OLDER}:
                item.place.restore(item.before)
        self._rows = {}
        self._write()

    def _write(self) -> None:
        if not self._rows:
            self._path.unlink(missing_ok=True)
            return
        self._path.parent.mkdir(parents=True, exist_ok=True)
        draft = self._path.with_suffix(".new")
        draft.write_text(json.dumps(self._rows, ensure_ascii=False, indent=1), "utf-8")
        draft.replace(self._path)


def require_room(items: Iterable[Item]) -> None:
    """Raise InputInvalid where something of somebody's is in a place, with all of it."""
    taken = [item for item in items if item.stands is Stands.THEIRS]
    if taken:
        lines = [f"`{one.place.name}` is somebody's already: {_shown(one.found)}" for one in taken]
        raise InputInvalid(
            "\n".join([*lines, "Nothing was changed."]),
            "With --take-over an alias gives way to ours, and a git hook runs before ours;"
            " `oya-vcs hooks uninstall` puts them back.",
        )


def _shown(found: Found | None) -> str:
    if found is None:
        return ""
    lines = found.text.strip().splitlines() or [""]
    return f"{lines[0]}{' …' if len(lines) > 1 else ''} in {found.where}"


def difference(items: Iterable[Item]) -> list[str]:
    """What installing changes, as people read a diff."""
    lines: list[str] = []
    for item in items:
        if item.stands is Stands.INSTALLED:
            continue
        lines.append(f"{item.place.name} ({item.place.kind}, {item.stands})")
        old = "" if item.found is None else item.found.text
        kept = item.stands is Stands.THEIRS and isinstance(item.place, GitHook)
        if kept:
            lines.append(f"    what is there moves to {item.place.key}{ASIDE}, and runs first")
        else:
            lines += [f"  - {line}" for line in old.splitlines()]
        lines += [f"  + {line}" for line in item.ours.splitlines()]
    return lines


def rows(items: Iterable[Item]) -> list[Mapping[str, str | None]]:
    """The places for programs."""
    return [
        {
            "name": item.place.name,
            "kind": item.place.kind,
            "stands": str(item.stands),
            "where": None if item.found is None else item.found.where,
            "found": None if item.found is None else item.found.text,
            "ours": item.ours,
        }
        for item in items
    ]
