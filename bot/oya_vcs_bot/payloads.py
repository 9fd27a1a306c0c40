"""A look into JSON that somebody else wrote: whatever is not there, or is something else, is empty.

Nothing here raises, and nothing that comes out is unfit for the record: texts have no half
characters, numbers fit into 63 bits. Knows nothing of GitHub.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec

NUMBER_MAX = 2**63 - 1


_LEVEL = msgspec.json.Decoder(dict[str, msgspec.Raw])
_WHOLE = msgspec.json.Decoder()


class Json:
    """A value in a payload; `payload["pull_request"]["head"]["sha"].text`. One that is still text
    (`msgspec.Raw`) is read as far as it is asked for: most of a payload never is."""

    __slots__ = ("_names", "_value")

    def __init__(self, value: object = None) -> None:
        self._value = value
        self._names: dict[str, object] | None = None

    def __getitem__(self, name: str) -> Json:
        """The value of that name, or an empty one."""
        return Json(self._object().get(name))

    def __bool__(self) -> bool:
        """Whether there is anything: null is nothing."""
        return self.value is not None

    def __contains__(self, name: str) -> bool:
        """Whether there is an object, and it has that name."""
        return name in self._object()

    @property
    def value(self) -> object:
        """What it is; nothing where the text is no JSON after all."""
        if isinstance(self._value, msgspec.Raw):
            self._value = _read(_WHOLE, self._value)
        return self._value

    def _object(self) -> dict[str, object]:
        if self._names is None:
            value = self._value
            if isinstance(value, msgspec.Raw):
                value = _read(_LEVEL, value)
            self._names = value if isinstance(value, dict) else {}
        return self._names

    @property
    def text(self) -> str:
        """The text, or an empty one."""
        value = self.value
        return value.encode("utf-8", "replace").decode("utf-8") if isinstance(value, str) else ""

    @property
    def number(self) -> int:
        """The number, or 0; negative ones and fractions are none."""
        value = self.value
        if not isinstance(value, int) or isinstance(value, bool):
            return 0
        return value if 0 <= value <= NUMBER_MAX else 0

    @property
    def true(self) -> bool:
        """Whether it is true itself, and not something that looks like it."""
        return self.value is True

    @property
    def maybe(self) -> bool | None:
        """True, False, or None where that is not known."""
        value = self.value
        return value if isinstance(value, bool) else None

    @property
    def items(self) -> tuple[Json, ...]:
        """What a list holds, or nothing."""
        value = self.value
        return tuple(map(Json, value)) if isinstance(value, list) else ()

    @property
    def time_ms(self) -> int:
        """Milliseconds since 1970 of a time as RFC 3339 writes it, or 0."""
        try:
            at = datetime.fromisoformat(self.text)
        except ValueError:
            return 0
        aware = at if at.tzinfo else at.replace(tzinfo=UTC)
        return max(0, round(aware.timestamp() * 1_000))


def _read(decoder: msgspec.json.Decoder[Any], text: msgspec.Raw) -> object:
    try:
        return decoder.decode(text)
    except UNREADABLE:
        return None


UNREADABLE = (msgspec.DecodeError, RecursionError, UnicodeDecodeError)
"""What reading JSON raises that is none, or none that can be held."""
