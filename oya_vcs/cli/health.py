"""What `oya-vcs doctor` is made of: checks, what they find, and what they look at. Which checks
there are is known to `doctor.py`."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from oya_vcs.cli.places import home_of
from oya_vcs.cli.reading import world_or_empty
from oya_vcs.config import Home, environment, user_config
from oya_vcs.core.world import World
from oya_vcs.errors import JournalCorrupt
from oya_vcs.journal.lock import holder

Cure = Callable[[], str]
"""Mends what was found and returns a sentence about what it did. Safe: it can lose nobody's work,
and can be repeated. Raises OyaError."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at. `grade` is ok, warning or error; `mend` says what to do, and
    `cure` does it, where that is safe."""

    grade: str
    what: str
    mend: str = ""
    cure: Cure | None = field(default=None, compare=False)


@dataclass(frozen=True)
class Patient:
    """What is looked at: a home, the configuration and the repositories of its user. Read when it
    is asked for, and once."""

    arguments: argparse.Namespace
    say: Callable[[str], None]
    """Hears what a cure that takes long is doing."""

    @cached_property
    def home(self) -> Home:
        """The home. Raises ConfigurationInvalid."""
        return home_of(self.arguments)

    @cached_property
    def environ(self) -> Mapping[str, str]:
        """The environment of whoever asks."""
        return environment()

    @cached_property
    def config_file(self) -> Path | None:
        """The configuration of the user, if there is one."""
        return Path(self.arguments.config) if self.arguments.config else user_config()

    @cached_property
    def pid(self) -> int | None:
        """The process that works on the home."""
        return holder(self.home.lock)

    @cached_property
    def world(self) -> World:
        """The state on record; an empty one where there is no record, or none that can be read,
        which is for the check of the journal to say."""
        try:
            return world_or_empty(self.arguments)
        except JournalCorrupt:
            return World()


@dataclass(frozen=True, slots=True)
class Check:
    """One check by its name for people. `look` changes nothing; what it raises as OyaError is an
    error that was found."""

    name: str
    look: Callable[[Patient], Iterable[Finding]]
