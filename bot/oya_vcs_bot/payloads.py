"""A look into JSON that somebody else wrote: whatever is not there, or is something else, is empty.

Nothing here raises, and nothing that comes out is unfit for the record: texts have no half
characters, numbers fit into 63 bits. Knows nothing of GitHub.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

NUMBER_MAX = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Json:
    """A value in a payload; `payload["pull_request"]["head"]["sha"].text`."""

    value: object = None

    def __getitem__(self, name: str) -> Json:
        """The value of that name, or an empty one."""
        return Json(self.value.get(name)) if isinstance(self.value, dict) else _NOTHING

    def __bool__(self) -> bool:
        """Whether there is anything: null is nothing."""
        return self.value is not None

    def __contains__(self, name: str) -> bool:
        """Whether there is an object, and it has that name."""
        return isinstance(self.value, dict) and name in self.value

    @property
    def text(self) -> str:
        """The text, or an empty one."""
        if not isinstance(self.value, str):
            return ""
        return self.value.encode("utf-8", "replace").decode("utf-8")

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
        return self.value if isinstance(self.value, bool) else None

    @property
    def items(self) -> tuple[Json, ...]:
        """What a list holds, or nothing."""
        return tuple(map(Json, self.value)) if isinstance(self.value, list) else ()

    @property
    def time_ms(self) -> int:
        """Milliseconds since 1970 of a time as RFC 3339 writes it, or 0."""
        try:
            at = datetime.fromisoformat(self.text)
        except ValueError:
            return 0
        aware = at if at.tzinfo else at.replace(tzinfo=UTC)
        return max(0, round(aware.timestamp() * 1_000))


_NOTHING = Json()
