"""docs/reference says what the product says of itself: `make docs` writes it."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest

from oya_vcs.cli.parser import build
from oya_vcs.cli.words import words_of
from oya_vcs.config.sections import SECTIONS, QueueConfig, WorkerConfig
from oya_vcs.core.effects import RunWorker
from oya_vcs.core.events import EVENTS, BeadAdded, Requested, Ticked
from tests.reference import configuration, events
from tests.reference.pages import FOLDER, PAGES, standing


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_a_page_is_what_the_code_says_now(path: Path) -> None:
    """Nothing was changed in the code, or in the page by hand, without `make docs` after it."""
    assert PAGES[path](standing(path)) == standing(path), "stale: run `make docs`"


def test_each_key_command_and_event_has_its_place() -> None:
    """Once, whatever the page is written by."""
    keys, commands, kinds = (standing(path) for path in PAGES)
    for section, shape in SECTIONS.items():
        for key in fields(shape):
            assert keys.count(f"\n| `{section}.{key.name}` |") == 1
    for command in words_of(build()).every():
        assert not command.path or commands.count(f"# `{' '.join(command.path)}`\n") == 1
    for kind in EVENTS:
        assert kinds.count(f"\n## `{kind.__name__}`\n") == 1


def test_every_key_has_a_meaning_in_a_template() -> None:
    """And its lines belong together, however many there are."""
    said = configuration.meanings()
    for section, shape in SECTIONS.items():
        for key in fields(shape):
            assert said[f"{section}.{key.name}"]
    assert said["queue.merge"].endswith("what failures allow (docs/MERGE_QUEUE.md)")


def test_limits_are_those_by_which_a_value_is_refused() -> None:
    """Of numbers, words and texts alike; a key without a rule has none."""
    worker = {key.name: configuration.limits(key) for key in fields(WorkerConfig)}
    assert worker["slots"] == "from 1 to 1000"
    assert worker["home"] == "user or private"
    assert worker["preset"] == "empty, codex, claude, opencode or aider"
    assert worker["verify"] == ""
    assert all("\0" not in limit for limit in worker.values())


def test_a_key_keeps_the_version_in_which_it_came() -> None:
    """The page that stands remembers it; what it does not know is of this version."""
    path = FOLDER / "CONFIGURATION.md"
    lines = standing(path).splitlines()
    old = [
        line.replace("| 0.1.0 |", "| 0.0.7 |") if "`worker.slots`" in line else line
        for line in lines
        if "`worker.env`" not in line
    ]
    anew = configuration.written("\n".join(old))
    assert (
        next(line for line in anew.splitlines() if "| `worker.slots`" in line)[-9:] == "| 0.0.7 |"
    )
    assert "| `worker.env` |" in anew


def test_subject_and_key_of_an_event_are_told_by_its_fields() -> None:
    """As the class computes them; an event that is about nothing says so."""
    assert events.returned(BeadAdded, "unique") == "bead:{bead}"
    assert events.returned(Requested, "subject") == "effect.bead"
    assert events.returned(Ticked, "unique") == "None"
    page = standing(FOLDER / "EVENTS.md")
    assert f"## `{RunWorker.__name__}`" in page
    assert "subject none." in page.partition("## `Ticked`")[2].partition("##")[0]
    assert "REQUIREMENTS" not in standing(FOLDER / "CONFIGURATION.md")
    assert QueueConfig.__name__ not in standing(FOLDER / "CONFIGURATION.md")
