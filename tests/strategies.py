"""Hypothesis strategies for events and effects, built from the fields of their classes."""

from __future__ import annotations

import types
import typing
from dataclasses import fields
from enum import Enum

from hypothesis import strategies as st

from oya_vcs.core import ids
from oya_vcs.core.effects import EFFECTS, Effect
from oya_vcs.core.events import EVENTS, Event
from oya_vcs.core.spec import BeadSpec

INT_64 = st.integers(min_value=-(2**63), max_value=2**63 - 1)
"""What an integer field may hold: 64 bits, as in the journal's columns."""

BEAD_IDS = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_-]{0,20}", fullmatch=True).map(ids.BeadId)
KEYS = st.uuids(version=5).map(lambda uuid: ids.Key(str(uuid)))
COMMIT_IDS = st.binary(min_size=20, max_size=20).map(lambda raw: ids.CommitId(raw.hex()))

_BY_TYPE: dict[object, st.SearchStrategy[typing.Any]] = {
    str: st.text(max_size=40),
    int: INT_64,
    bool: st.booleans(),
    type(None): st.none(),
    ids.BeadId: BEAD_IDS,
    ids.Key: KEYS,
    ids.CommitId: COMMIT_IDS,
    ids.TreeId: COMMIT_IDS,
}


def values(kind: typing.Any) -> st.SearchStrategy[typing.Any]:
    """Values of the type of a field, as the type hints of the core name it."""
    if kind in _BY_TYPE:
        return _BY_TYPE[kind]
    if isinstance(kind, typing.NewType):
        return values(kind.__supertype__)
    if typing.get_origin(kind) in {typing.Union, types.UnionType}:
        return st.one_of([values(each) for each in typing.get_args(kind)])
    if typing.get_origin(kind) is tuple:
        return st.lists(values(typing.get_args(kind)[0]), max_size=4).map(tuple)
    if isinstance(kind, type) and issubclass(kind, Enum):
        return st.sampled_from(list(kind))
    return instances(kind)


def instances(kind: type) -> st.SearchStrategy[typing.Any]:
    """Instances of a data class with every field drawn, also those that have a default."""
    hints = typing.get_type_hints(kind)
    return st.builds(kind, **{field.name: values(hints[field.name]) for field in fields(kind)})


def events(*kinds: type[Event]) -> st.SearchStrategy[Event]:
    """Events of the kinds, or of all kinds."""
    return st.one_of([instances(kind) for kind in kinds or EVENTS])


def effects(*kinds: type[Effect]) -> st.SearchStrategy[Effect]:
    """Effects of the kinds, or of all kinds."""
    return st.one_of([instances(kind) for kind in kinds or EFFECTS])


SPECS: st.SearchStrategy[BeadSpec] = instances(BeadSpec)
"""What beads ask for."""
