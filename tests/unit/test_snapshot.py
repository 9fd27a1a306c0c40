"""The format of snapshots: its version, what older ones need, and that it forgets no field."""

from __future__ import annotations

from dataclasses import fields

import msgspec
import pytest

from oya_vcs.core.world import World
from oya_vcs.errors import JournalCorrupt
from oya_vcs.journal import snapshot
from oya_vcs.journal.replay import digest
from tests.histories import told

TAPE = list(range(1, 4_000, 7))


def test_the_shape_of_the_state_belongs_to_the_format_version() -> None:
    """A field, class or enum of the state that came, went or changed needs a new FORMAT: raise it,
    add its shape to SHAPES, and say in UPGRADES what an older snapshot lacks, or leave that out."""
    assert snapshot.SHAPES[snapshot.FORMAT] == snapshot.shape()
    assert sorted(snapshot.SHAPES) == list(range(1, snapshot.FORMAT + 1))


def test_every_field_of_the_world_is_in_the_image() -> None:
    """What is not written cannot come back."""
    assert set(snapshot._Image.__struct_fields__) == {one.name for one in fields(World)}


def test_an_older_version_is_lifted_step_by_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each upgrade gets the plain data of its version; the last gives what this program reads."""
    world = told(TAPE, 60).world
    plain = msgspec.msgpack.decode(snapshot.encode(world))
    older = {name: value for name, value in plain.items() if name != "timers"}
    older["clock"] = older.pop("now_ms")

    def to_2(data: dict[str, object]) -> dict[str, object]:
        return {**data, "timers": plain["timers"]}

    def to_3(data: dict[str, object]) -> dict[str, object]:
        return {("now_ms" if name == "clock" else name): one for name, one in data.items()}

    monkeypatch.setattr(snapshot, "FORMAT", 3)
    lifted = snapshot.decode(msgspec.msgpack.encode(older), 1, {1: to_2, 2: to_3})
    assert digest(lifted) == digest(world)
    with pytest.raises(JournalCorrupt, match="no upgrade leads from format 1 to 2"):
        snapshot.decode(msgspec.msgpack.encode(older), 1, {2: to_3})
    with pytest.raises(JournalCorrupt, match="newer oya-vcs"):
        snapshot.decode(msgspec.msgpack.encode(plain), 4)


def test_an_upgrade_that_forgets_a_field_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is missing after the upgrades, or of the wrong type, is no state."""
    plain = msgspec.msgpack.decode(snapshot.encode(told(TAPE, 20).world))
    monkeypatch.setattr(snapshot, "FORMAT", 2)
    for broken in ({"beads": 1}, {"more": 1}, {"open": [["key", "NoEffect", {}]]}):
        with pytest.raises(JournalCorrupt):
            snapshot.decode(msgspec.msgpack.encode({**plain, **broken}), 1, {1: lambda data: data})
