"""Events as rows and back: a JSON object each, with a type name and a schema version beside it.

The same event gives the same bytes, always: fields stand in their order of declaration, without
white space. Reading is strict. A field that may be missing has a default; a field that is *not
known* is refused, though the JSON is sound: a program that skipped it would fold the same journal
into another state than the program that wrote it, and nobody would be told. Such a row comes from a
newer oya-vcs, and the error says so. Whoever changes a field's meaning, name or type raises the
event's `version` and gives an upcaster here.

This module does not know of SQLite, hashes or sequence numbers, and the core does not know of it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import NamedTuple

import msgspec

from oya_vcs.core.effects import EFFECTS, Effect
from oya_vcs.core.events import EVENTS, Event, Requested
from oya_vcs.core.ids import Key
from oya_vcs.errors import Bug, JournalCorrupt

Encoded = tuple[str, int, str, str | None, bytes]
"""Type name, schema version, subject, unique key (or None), data (JSON in UTF-8)."""

Upcast = Callable[[dict[str, object]], dict[str, object]]
"""Takes the JSON object of one version and returns that of the next."""

UPCASTERS: Mapping[tuple[str, int], Upcast] = {}
"""(type name, version) -> the function that lifts that version to the next. Kept for ever."""

_UPGRADE = (
    "Upgrade oya-vcs to the version that wrote this journal (or a newer one); nothing was changed."
)


_KEY, _EFFECT, _EFFECT_AT = b'{"key":"', b'","effect":{"kind":"', len(b'","effect":')
"""What stands before the key and before the kind in the JSON of `Requested`."""


class _RequestedRow(msgspec.Struct, forbid_unknown_fields=True):
    """The JSON of `Requested`: the effect stays raw until its kind is known."""

    key: Key
    effect: msgspec.Raw


class _Kinded(msgspec.Struct):
    """The one field of an effect's JSON that says which effect it is."""

    kind: str


class _Known(NamedTuple):
    """What the codec holds for one type of event; `write` encodes and reads back."""

    name: str
    version: int
    decode: Callable[[bytes], Event]
    encode: Callable[[Event], bytes]
    write: Callable[[Event], bytes]


class Codec:
    """Encodes and decodes a fixed set of events, with decoders made once.

    Raises Bug where an event's version has no complete line of upcasters behind it.
    """

    def __init__(
        self,
        events: Sequence[type[Event]] = EVENTS,
        effects: Sequence[type[Effect]] = EFFECTS,
        upcasters: Mapping[tuple[str, int], Upcast] = UPCASTERS,
    ) -> None:
        self._upcasters = upcasters
        self._json = msgspec.json.Encoder()
        self._object = msgspec.json.Decoder(dict[str, object])
        self._requested = msgspec.json.Decoder(_RequestedRow)
        self._kind = msgspec.json.Decoder(_Kinded)
        self._effects: dict[str, Callable[[bytes], Effect]] = {
            effect.__name__: msgspec.json.Decoder(effect).decode for effect in effects
        }
        self._by_kind = {kind.encode(): decode for kind, decode in self._effects.items()}
        self._effect_parts: dict[type[Effect], tuple[bytes, Callable[[bytes], Effect]]] = {
            effect: (b'{"kind":"%s",' % effect.__name__.encode(), self._effects[effect.__name__])
            for effect in effects
        }
        self._known: dict[str, _Known] = {}
        self._by_type: dict[type[Event], _Known] = {}
        for event in events:
            name = event.__name__
            for version in range(1, event.version):
                if (name, version) not in upcasters:
                    message = f"{name} version {version} has no upcaster in UPCASTERS."
                    raise Bug(message)
            if event is Requested:
                encode = self._data_of_requested
                write = partial(encode, read_back=True)
                known = _Known(name, event.version, self._decode_requested, encode, write)
            else:
                known = self._plain(name, event)
            self._known[name] = self._by_type[event] = known

    def encode(self, event: Event) -> Encoded:
        """The event as a row, read back once, so that no journal holds what cannot be read.

        Raises Bug for a type that is not one of the codec's, and for a field whose value is not of
        its declared type (text that is not Unicode included).
        """
        known = self._by_type.get(type(event))
        if known is None:
            name = type(event).__name__
            message = f"{name} is not an event of this codec; add it to EVENTS in core/events.py."
            raise Bug(message)
        try:
            data = known.write(event)
        except (TypeError, ValueError) as error:
            message = f"{known.name} cannot be written to the journal: {error}."
            raise Bug(message) from error
        return known.name, known.version, event.subject, event.unique, data

    def decode(self, type_name: str, version: int, data: bytes | str) -> Event:
        """The event of a row. Raises JournalCorrupt, with what to do, for what it does not know."""
        known = self._known.get(type_name)
        if known is None:
            message = f"The event type {type_name!r} is not known to this version of oya-vcs."
            raise JournalCorrupt(message, _UPGRADE)
        if isinstance(data, str):
            data = data.encode()
        if version != known.version:
            data = self._upcast(type_name, version, known.version, data)
        try:
            event = known.decode(data)
            again = known.encode(event)
        except ValueError as error:
            message = f"The data of a {type_name} cannot be read: {error}."
            raise JournalCorrupt(message, "Run `oya-vcs journal verify`.") from error
        if again != data:
            self._refuse_unknown_fields(type_name, stored=data, again=again)
        return event

    def _plain(self, name: str, event: type[Event]) -> _Known:
        decode, encode = msgspec.json.Decoder(event).decode, self._json.encode

        def write(one: Event) -> bytes:
            data = encode(one)
            decode(data)
            return data

        return _Known(name, event.version, decode, encode, write)

    def _data_of_requested(self, event: Event, *, read_back: bool = False) -> bytes:
        """Reads back the two parts: in half the time of the whole, and no less strictly."""
        if not isinstance(event, Requested) or not isinstance(event.key, str):
            message = f"{event!r} is no Requested with a key"
            raise TypeError(message)
        part = self._effect_parts.get(type(event.effect))
        if part is None:
            message = f"{type(event.effect).__name__} is not an effect of this codec"
            raise TypeError(message)
        head, decode = part
        effect = self._json.encode(event.effect)
        if read_back:
            decode(effect)
        return b'{"key":%s,"effect":%s%s}' % (self._json.encode(event.key), head, effect[1:])

    def _decode_requested(self, data: bytes) -> Event:
        """In one pass where the row stands as `_data` writes it, which `decode` compares."""
        end = data.find(_EFFECT)
        kind_at = end + len(_EFFECT)
        decode = self._by_kind.get(data[kind_at : data.find(b'"', kind_at)])
        key = data[len(_KEY) : end]
        if decode is not None and data.startswith(_KEY) and b"\\" not in key:
            try:
                return Requested(key=Key(key.decode()), effect=decode(data[end + _EFFECT_AT : -1]))
            except ValueError:
                pass  # the slow way says what is wrong
        return self._decode_requested_slowly(data)

    def _decode_requested_slowly(self, data: bytes) -> Event:
        row = self._requested.decode(data)
        raw = bytes(row.effect)
        kind = self._kind.decode(raw).kind
        decode = self._effects.get(kind)
        if decode is None:
            message = f"The effect {kind!r} is not known to this version of oya-vcs."
            raise JournalCorrupt(message, _UPGRADE)
        return Requested(key=row.key, effect=decode(raw))

    def _upcast(self, name: str, version: int, wanted: int, data: bytes) -> bytes:
        if not 0 < version < wanted:
            message = (
                f"A {name} has schema version {version}, and this oya-vcs knows 1 to {wanted} only."
            )
            raise JournalCorrupt(message, _UPGRADE)
        try:
            fields = self._object.decode(data)
        except ValueError as error:
            message = f"The data of a {name} (version {version}) cannot be read: {error}."
            raise JournalCorrupt(message, "Run `oya-vcs journal verify`.") from error
        for step in range(version, wanted):
            fields = self._upcasters[name, step](fields)
        return self._json.encode(fields)

    def _refuse_unknown_fields(self, name: str, *, stored: bytes, again: bytes) -> None:
        """The bytes differ: a row from before a field, an upcast one, or one from the future."""
        unknown = _unknown_field(self._object.decode(stored), self._object.decode(again), "")
        if unknown:
            message = f"A {name} has the field {unknown!r}, which this oya-vcs does not know."
            raise JournalCorrupt(message, _UPGRADE)


def _unknown_field(stored: object, again: object, place: str) -> str:
    """The path of the first field that stands in `stored` and not in `again`, or nothing."""
    if isinstance(stored, dict) and isinstance(again, dict):
        for field, value in stored.items():
            path = f"{place}.{field}" if place else str(field)
            if field not in again:
                return path
            found = _unknown_field(value, again[field], path)
            if found:
                return found
    return ""


CODEC = Codec()
"""The codec of this version's events."""

encode = CODEC.encode
decode = CODEC.decode
