from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oya_vcs.core.effects import Effect
from oya_vcs.core.events import EVENTS, Event, Requested
from oya_vcs.core.ids import Key
from oya_vcs.journal.chain import GENESIS, link
from oya_vcs.journal.codec import decode, encode
from tests.strategies import INT_64, effects, events


@pytest.mark.parametrize("kind", EVENTS)
def test_every_event_comes_back_equal(kind: type[Event]) -> None:
    """decode(encode(event)) is the event, of its own type, for every type and any field values."""

    @given(event=events(kind))
    def comes_back(event: Event) -> None:
        name, version, subject, key, data = encode(event)
        back = decode(name, version, data)
        assert type(back) is type(event)
        assert back == event
        assert (subject, key) == (event.subject, event.unique)
        assert encode(back)[4] == data
        assert decode(name, version, data.decode()) == event

    comes_back()


@given(effect=effects(), key=st.uuids())
def test_every_effect_comes_back_inside_its_request(effect: Effect, key: object) -> None:
    """A Requested carries any effect through the journal, named by `kind` in the JSON."""
    event = Requested(key=Key(str(key)), effect=effect)
    name, version, _, _, data = encode(event)
    assert decode(name, version, data) == event
    assert json.loads(data)["effect"]["kind"] == type(effect).__name__


ROWS = st.tuples(
    INT_64,
    INT_64,
    st.binary(max_size=8),
    INT_64,
    st.binary(max_size=8),
    st.none() | st.binary(max_size=8),
    st.binary(max_size=8),
)


@given(one=ROWS, two=ROWS)
def test_different_rows_have_different_hashes(
    one: tuple[int, int, bytes, int, bytes, bytes | None, bytes],
    two: tuple[int, int, bytes, int, bytes, bytes | None, bytes],
) -> None:
    """No bytes can move from one column to the next, and NULL is not the empty key."""
    assert (link(GENESIS, one) == link(GENESIS, two)) == (one == two)


@given(row=ROWS, cut=st.integers(0, 8))
def test_moving_a_boundary_between_columns_changes_the_hash(
    row: tuple[int, int, bytes, int, bytes, bytes | None, bytes], cut: int
) -> None:
    """The same bytes split otherwise over subject, key and data are another row."""
    seq, at_ms, kind, version, subject, key, data = row
    joined = subject + data
    moved = (seq, at_ms, kind, version, joined[:cut], key, joined[cut:])
    assert (link(GENESIS, row) == link(GENESIS, moved)) == (row == moved)
