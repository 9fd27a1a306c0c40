"""Which bead is next, as a user configures it: real jj, real processes, one slot."""

from __future__ import annotations

import json

import pytest

from tests.conftest import NewProject
from tests.projects import Project, agent

BEADS: tuple[dict[str, object], ...] = (
    {"id": "a", "title": "A", "priority": 3, "metadata": {"oya": {"tenant": "x"}}},
    {"id": "b", "title": "B", "priority": 1, "metadata": {"oya": {"tenant": "x"}}},
    {"id": "c", "title": "C", "priority": 2, "metadata": {"oya": {"tenant": "y"}}},
    {
        "id": "d",
        "title": "D",
        "priority": 0,
        "metadata": {"oya": {"tenant": "y"}},
        "dependencies": [
            {"depends_on_id": "a", "type": "blocks"},
            {"depends_on_id": "c", "type": "prefers"},
        ],
    },
)


def claimed(project: Project) -> dict[str, int]:
    """The beads in the order in which their attempts began, and when, out of the record."""
    rows = json.loads(project.oya("journal", "tail", "-n", "1000", "--json").out)["data"]
    claims = [row for row in rows if row["type"] == "AttemptClaimed"]
    return {row["data"]["bead"]: row["at_ms"] for row in claims}


@pytest.mark.parametrize(
    ("strategy", "order"),
    [("fifo", "a b c d"), ("lifo", "c b a d"), ("priority", "b c a d"), ("round_robin", "a c b d")],
)
def test_one_slot_lands_beads_in_the_order_of_the_strategy(
    new_project: NewProject, strategy: str, order: str
) -> None:
    """Begun and landed in the promised order, each choice with its reason on record."""
    project = new_project()
    env = {"OYA_QUEUE__STRATEGY": strategy}
    argv = ["run", str(project.beads(*BEADS)), "--repo", str(project.root), "--slots", "1"]
    ran = project.oya(*argv, "--worker", agent("honest"), "--json", env=env)
    assert ran.code == 0, ran.err
    assert " ".join(claimed(project)) == order
    assert " ".join(project.trailers("Oya-Bead")) == order
    shown = project.oya("bead", "show", "d", "--json").data
    slots = shown["slots"]
    assert isinstance(slots, list)
    assert [(one["attempt"], one["slot"]) for one in slots] == [(1, 0)]
    assert slots[0]["why"]
    text = project.oya("bead", "show", "d").out
    assert "weighs: priority 0, tenant y, rather after c" in text
    assert slots[0]["why"] in text
    project.assert_no_leaks()


def test_a_tenant_begins_no_more_than_its_rate(new_project: NewProject) -> None:
    """One attempt at once and two a second: with four free slots a tenant's three beads begin half
    a second apart, another tenant's bead with the first, and all land."""
    project = new_project()
    beads: list[dict[str, object]] = [
        {"id": name, "title": name, "metadata": {"oya": {"tenant": name[0]}}}
        for name in ("x1", "x2", "x3", "y1")
    ]
    env = {"OYA_QUEUE__TOKENS_MAX": "1", "OYA_QUEUE__TOKENS_PER_S": "2"}
    argv = ["run", str(project.beads(*beads)), "--repo", str(project.root), "--slots", "4"]
    ran = project.oya(*argv, "--worker", agent("honest"), env=env)
    assert ran.code == 0, ran.err
    at_ms = claimed(project)
    assert at_ms["y1"] == at_ms["x1"]
    assert at_ms["x2"] - at_ms["x1"] >= 500
    assert at_ms["x3"] - at_ms["x2"] >= 500
    pool = json.loads(project.oya("status", "--json").out)["data"]["repos"].popitem()[1]["slots"]
    assert pool == {"total": 4, "idle": 4, "claimed": 0, "unhealthy": 0}
    assert "Worker slots of" in project.oya("status").out
