"""The whole world as bytes and back: what a checkpoint holds.

MessagePack by msgspec, straight from the data classes of the core; only what is no data class
(queue, graph) or does not name its kind (effects) is put into another form. Order is kept
everywhere, so that a world that comes back goes on exactly as the one that went in.

The bytes have a format version, and whoever changes what the fold makes of events raises it: a
world that an older program folded lacks what this one would have kept. `shape()` is the form of the
world in this program; a test fails where it is not the one that stands in `SHAPES` under the
version. An older version is lifted by the functions in `UPGRADES`; where one is missing, its
checkpoints are passed over, which costs a longer replay and nothing else.

This module knows no file, no journal and no sequence number.
"""

from __future__ import annotations

import types
import typing
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from hashlib import sha256

import msgspec

from oya_vcs.core.beads import Bead
from oya_vcs.core.effects import EFFECTS, Effect
from oya_vcs.core.graph import Graph
from oya_vcs.core.ids import BeadId, ChangeId, Key, PullKey, RepoId, WorkspaceName
from oya_vcs.core.merge import Change
from oya_vcs.core.merge.order import Line
from oya_vcs.core.pull_request import Pull
from oya_vcs.core.queues import ReadyBeads
from oya_vcs.core.reasons import Reason
from oya_vcs.core.world import Repo, Workspace, World
from oya_vcs.errors import JournalCorrupt
from oya_vcs.journal import collector

FORMAT = 3
"""The version of the bytes that this program writes."""

Upgrade = Callable[[dict[str, object]], dict[str, object]]
"""Takes the plain data (`plain_of`) of one format version and returns that of the next."""

UPGRADES: Mapping[int, Upgrade] = {}
"""Format version -> the function that lifts it to the next. Kept as long as it costs nothing."""

SHAPES: Mapping[int, str] = {
    1: "76449a5c83015ad124ac6b2842398550fc2ffb853d72215c154544878e59e12c",
    2: "7558cc19b732ba825b36cbd6fa595efffdb10347ff3b2a9956330cbc064bfed1",
    3: "7644b7a1f1f210bfe4dc9a900603e04155df739399a9771d60c0e8c048514dc0",
}
"""Format version -> `shape()` of the program that wrote it. Never changed, only added to."""


class _Image(msgspec.Struct, forbid_unknown_fields=True):
    """A `World`, field by field."""

    now_ms: int
    repos: dict[RepoId, Repo]
    beads: dict[BeadId, Bead]
    graph: Graph
    changes: dict[ChangeId, Change]
    workspaces: dict[WorkspaceName, Workspace]
    of_bead: dict[BeadId, list[WorkspaceName]]
    open: list[tuple[Key, str, dict[str, typing.Any]]]
    stops: dict[Key, Reason]
    timers: list[tuple[int, BeadId]]
    pulls: dict[PullKey, Pull]
    pull_of: dict[BeadId, PullKey]


def _plain(value: object) -> object:
    if isinstance(value, ReadyBeads):
        return list(value)
    if isinstance(value, Graph | Line):
        return value.snapshot()
    message = f"{type(value).__name__} cannot be part of a snapshot."
    raise NotImplementedError(message)


def _rich(kind: typing.Any, value: typing.Any) -> object:
    if kind is ReadyBeads:
        return ReadyBeads(value)
    if kind is Graph:
        return Graph.restore(value)
    if kind is Line:
        return Line.restore(value)
    if typing.get_origin(kind) is OrderedDict:
        return OrderedDict(value)
    message = f"{kind} cannot be part of a snapshot."
    raise NotImplementedError(message)


_encoder = msgspec.msgpack.Encoder(enc_hook=_plain)
_decoder = msgspec.msgpack.Decoder(_Image, dec_hook=_rich)
_plain_decoder = msgspec.msgpack.Decoder(dict[str, typing.Any])
_KINDS: Mapping[str, type[Effect]] = {kind.__name__: kind for kind in EFFECTS}


def encode(world: World) -> bytes:
    """The world as bytes. Costs the size of the world: about 3 ms for 1,000 beads (measured), on
    whatever thread; the world must not change meanwhile."""
    with collector.held(stays=False):
        return _encoder.encode(
            {name: getattr(world, name) for name in _Image.__struct_fields__ if name != "open"}
            | {"open": [(key, type(one).__name__, one) for key, one in world.open.items()]}
        )


def decode(
    image: bytes, version: int | None = None, upgrades: Mapping[int, Upgrade] | None = None
) -> World:
    """The world that gave these bytes, which are of this format version (None: of `FORMAT`).

    Raises JournalCorrupt for bytes that hold no world, and for a version that no upgrade leads from
    to the one of this program.
    """
    version = FORMAT if version is None else version
    try:
        with collector.held(stays=True):
            return _world(_image(image, version, UPGRADES if upgrades is None else upgrades))
    except (ValueError, KeyError, TypeError) as error:
        message = f"The snapshot (format {version}) cannot be read: {error}."
        raise JournalCorrupt(
            message, "The state is found without it, by a longer replay."
        ) from error


def _image(image: bytes, version: int, upgrades: Mapping[int, Upgrade]) -> _Image:
    if version == FORMAT:
        return _decoder.decode(image)
    if version > FORMAT:
        message = f"it was written by a newer oya-vcs (format {FORMAT} is known)"
        raise ValueError(message)
    data = _plain_decoder.decode(image)
    for step in range(version, FORMAT):
        if step not in upgrades:
            message = f"no upgrade leads from format {step} to {step + 1}"
            raise ValueError(message)
        data = upgrades[step](data)
    return msgspec.convert(data, _Image, dec_hook=_rich)


def _world(image: _Image) -> World:
    world = World()
    for name in image.__struct_fields__:
        setattr(world, name, getattr(image, name))
    world.open = {key: msgspec.convert(plain, _KINDS[kind]) for key, kind, plain in image.open}
    return world


def shape() -> str:
    """SHA-256 (hex) over the form of the world: every class in it, with its fields and their types,
    the same on every version of Python."""
    return sha256("\n".join(sorted(set(_described(World)))).encode()).hexdigest()


def _described(kind: typing.Any) -> Iterator[str]:
    """A line for every data class that a value of this type can hold. The members of an enum do not
    count: an older snapshot holds none of a new one."""
    if typing.get_origin(kind) is not None or isinstance(kind, typing.NewType):
        for part in _parts(kind):
            yield from _described(part)
    elif is_dataclass(kind) and isinstance(kind, type):
        hints = typing.get_type_hints(kind)
        form = ", ".join(f"{one.name} {_name(hints[one.name])}" for one in fields(kind))
        yield f"{kind.__name__}: {form}"
        for one in fields(kind):
            yield from _described(hints[one.name])


def _parts(kind: typing.Any) -> tuple[typing.Any, ...]:
    return (kind.__supertype__,) if isinstance(kind, typing.NewType) else typing.get_args(kind)


def _name(kind: typing.Any) -> str:
    """A type as text."""
    if typing.get_origin(kind) in {typing.Union, types.UnionType}:
        return " | ".join(sorted(map(_name, _parts(kind))))
    if typing.get_origin(kind) is not None:
        return f"{typing.get_origin(kind).__name__}[{', '.join(map(_name, _parts(kind)))}]"
    return str(getattr(kind, "__name__", kind))
