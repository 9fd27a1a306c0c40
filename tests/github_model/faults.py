"""What goes wrong with requests, when a test asks for it. Knows no route and no state."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Fault(StrEnum):
    """What happens to a request instead of an answer."""

    FAIL_BEFORE = "500 and nothing is done"
    FAIL_AFTER = "500 though it is done"
    DROP_BEFORE = "the connection ends and nothing is done"
    DROP_AFTER = "the connection ends though it is done"
    TWICE = "it is done twice, as by a proxy that tries again"
    SECONDARY = "403 for the secondary rate limit, with Retry-After"
    PRIMARY = "403 because the hour's requests are used up"
    STALE = "answered as at the last time that it was asked and was different"
    DELAY = "answered late, by the model's clock"
    UNAUTHORISED = "401, as for a token that has ended"
    CONFLICT = "409, which is over as soon as it is asked again"
    NOT_YET = "409 that says not authorised, which is over as soon as it is asked again"
    UNKNOWN_FIELD = "200 of GraphQL that does not know the mutation, as of an older server"
    BROKEN = "200 of GraphQL whose body says that something went wrong; nothing is done"


ALWAYS = 1 << 30


@dataclass
class Planned:
    """A fault to come: for requests of `route` ("METHOD /path/{template}", "*" for any)."""

    route: str
    fault: Fault
    times: int
    skip: int
    value: int


class Faults:
    """The faults to come, and those that came."""

    def __init__(self) -> None:
        self._planned: list[Planned] = []
        self.happened: list[tuple[str, Fault]] = []

    def on(
        self, route: str, fault: Fault, *, times: int = 1, skip: int = 0, value: int = 0
    ) -> None:
        """Let the next `times` requests of `route` meet `fault`, after `skip` that do not.

        `value`: seconds of Retry-After, milliseconds of a delay.
        """
        self._planned.append(Planned(route, fault, times, skip, value))

    def clear(self) -> None:
        """No more of them."""
        self._planned.clear()

    def next(self, route: str) -> Planned | None:
        """What this request of `route` meets."""
        for planned in self._planned:
            method = planned.route.partition(" ")
            if planned.route not in {"*", route} and (
                method[1:] != (" ", "*") or method[0] != route.partition(" ")[0]
            ):
                continue
            if planned.skip:
                planned.skip -= 1
                continue
            planned.times -= 1
            if not planned.times:
                self._planned.remove(planned)
            self.happened.append((route, planned.fault))
            return planned
        return None
