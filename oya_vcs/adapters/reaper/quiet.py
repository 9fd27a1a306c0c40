"""The daemon's own words without secrets: what it logs, and what it records of effects.

The one module here that the reaper does not load. Must not know where the secrets come from.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import is_dataclass, replace
from typing import Any, TypeVar

from oya_vcs.adapters.reaper.redaction import literals, redact

TEXTS = ("detail", "message")
"""The fields of an outcome that hold what a program or a person said."""
Said = TypeVar("Said")


def cleaned(secrets: tuple[bytes, ...], outcome: Said) -> Said:
    """The outcome without secrets in what it says: jj and git may have named an address with a
    password in it."""
    found: dict[str, Any] = {name: getattr(outcome, name, None) for name in TEXTS}
    texts = {name: redact(text, secrets) for name, text in found.items() if isinstance(text, str)}
    if not is_dataclass(outcome) or isinstance(outcome, type) or not texts:
        return outcome
    return replace(outcome, **texts)


class Hidden:
    """The secrets of a process: they may become more while it runs, and never less."""

    def __init__(self, values: Iterable[str] = ()) -> None:
        self.values: list[str] = []
        """What no log and no record may hold. Whoever keeps the list sees it grow."""
        self.literals: tuple[bytes, ...] = ()
        self.add(values)

    def add(self, values: Iterable[str]) -> None:
        """Hide these, too."""
        self.values += [value for value in values if value not in self.values]
        self.literals = literals(self.values)


@contextmanager
def quiet(hidden: Hidden) -> Iterator[None]:
    """While the block runs, what this process logs holds no secret."""
    before = [(handler, handler.formatter) for handler in logging.getLogger().handlers]
    for handler, formatter in before:
        handler.setFormatter(_Quiet(formatter or logging.Formatter(), hidden))
    try:
        yield
    finally:
        for handler, formatter in before:
            handler.setFormatter(formatter)


class _Quiet(logging.Formatter):
    """Another formatter's lines without secrets."""

    def __init__(self, inner: logging.Formatter, hidden: Hidden) -> None:
        super().__init__()
        self._inner = inner
        self._hidden = hidden

    def format(self, record: logging.LogRecord) -> str:
        """The whole record: message, arguments and traceback."""
        return redact(self._inner.format(record), self._hidden.literals)
