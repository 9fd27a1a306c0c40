"""`bench core` at its smallest: it measures what it says. No test here depends on a time."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from oya_vcs.bench import scheduling
from oya_vcs.cli import main
from oya_vcs.core.beads import State
from tests.integration.test_bench import GATE, OF_CORE


def test_the_command_measures_what_the_gate_judges(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every promised figure, in the answer and in the file's table; each has a limit in the gate
    that stands in the repository."""
    file = tmp_path / "figures.md"
    argv = ["--json", "bench", "core", "--graph", "1001", "--rounds", "1", "--write", str(file)]
    assert main(argv) == 0
    found = json.loads(capsys.readouterr().out)["data"]["figures"]
    assert [one["name"] for one in found] == OF_CORE
    assert "`oya-vcs bench core --graph 1001 --rounds 1`" in file.read_text()
    assert set(json.loads(GATE.read_text())["figures"]) >= set(OF_CORE)


def test_too_few_to_measure_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """A graph that is smaller than the one it is compared with says nothing."""
    assert main(["bench", "core", "--graph", "10"]) == 2
    assert "--graph from 1,000" in capsys.readouterr().err


@pytest.mark.parametrize("near", [None, 50])
def test_the_graph_is_as_large_as_it_is_said_to_be(near: int | None) -> None:
    """Three needs each, of the beads before it; the world holds them all, and most of them wait."""
    beads = scheduling.graph_of(500, near)
    assert sum(len(one.needs) for one in beads) == 3 * 500 - 6
    place = {one.id: number for number, one in enumerate(beads)}
    for one in beads:
        assert all(0 < place[one.id] - place[need] <= (near or 500) for need in one.needs)
    world = scheduling.submitted(beads)
    states = [bead.state for bead in world.beads.values()]
    assert len(states) == 500
    assert states.count(State.READY) == sum(not one.needs for one in beads)
