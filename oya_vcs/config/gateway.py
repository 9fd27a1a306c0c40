"""`[gateway]`: which providers of models workers reach without holding their keys.

It stands in the user's own configuration only: a repository, which workers write to, has no say in
where keys are and where they are sent. Must not read any key.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from oya_vcs.config.rules import between, shown

_NAME = r"[a-z][a-z0-9-]{0,31}"
_KEY = rf"{_NAME}=(env:[A-Za-z_]\w*|file:(/|~/).+)"
_URL = rf"{_NAME}=(https://[^\s?#@]+|http://(localhost|127\.0\.0\.1|\[::1\])(:\d+)?(/[^\s?#@]*)?)"
_PRICE = r"[^\s=]+=\d+(\.\d+)?(/\d+(\.\d+)?){1,3}"
KNOWN_URLS: Mapping[str, str] = {
    "anthropic": "https://api.anthropic.com/v1",
    "openai": "https://api.openai.com/v1",
}
"""Where the providers are that need no `urls`, with the version of their API."""


def _each(pattern: str, form: str) -> dict[str, object]:
    """A list whose entries have this form, and no name twice."""

    def rule(value: tuple[str, ...]) -> str:
        wrong = next((one for one in value if re.fullmatch(pattern, one, re.ASCII) is None), None)
        if wrong is not None:
            return f"must hold entries such as {form}, and holds {shown(wrong)}"
        names = [one.partition("=")[0] for one in value]
        twice = next((name for name in names if names.count(name) > 1), None)
        return "" if twice is None else f"names {twice} twice"

    return {"rule": rule}


@dataclass(frozen=True, slots=True)
class Price:
    """What tokens cost, in millionths of a US dollar for a million of them: those that are read
    anew, written, read from a cache, and put into one."""

    read: int
    written: int
    cached: int
    stored: int


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayConfig:
    """`keys` says where the key of each provider is; without any there is no gateway. `urls` is
    where those are that are not known by name. `prices` are dollars for a million tokens, by a
    pattern of the model's name: read, written, read from a cache, put into one. `requests_per_min`
    are taken for one provider, from all workers together; 0: any number."""

    keys: tuple[str, ...] = field(default=(), metadata=_each(_KEY, '"openai=env:OPENAI_API_KEY"'))
    urls: tuple[str, ...] = field(
        default=(), metadata=_each(_URL, '"local=http://127.0.0.1:8080/v1" (or https)')
    )
    prices: tuple[str, ...] = field(default=(), metadata=_each(_PRICE, '"claude-*=3/15/0.3"'))
    requests_per_min: int = field(default=0, metadata=between(0, 1_000_000))

    @property
    def providers(self) -> Iterator[tuple[str, str, str]]:
        """Each provider's name, its address (empty where nobody says), and where its key is."""
        urls = {**KNOWN_URLS, **dict(one.split("=", 1) for one in self.urls)}
        for entry in self.keys:
            name, where = entry.split("=", 1)
            yield name, urls.get(name, "").rstrip("/"), where

    @property
    def variables(self) -> tuple[str, ...]:
        """The environment variables that hold keys."""
        where = (entry.split("=", 1)[1] for entry in self.keys)
        return tuple(one.removeprefix("env:") for one in where if one.startswith("env:"))

    @property
    def table(self) -> tuple[tuple[str, Price], ...]:
        """The prices in their order: the first pattern that fits a model counts."""
        return tuple(map(_price, self.prices))


def _price(entry: str) -> tuple[str, Price]:
    pattern, _, text = entry.rpartition("=")
    dollars = [round(float(one) * 1_000_000) for one in text.split("/")]
    read, written, *more = dollars
    cached, stored = (*more, *(read, read)[len(more) :])
    return pattern, Price(read=read, written=written, cached=cached, stored=stored)
