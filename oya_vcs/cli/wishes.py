"""`oya-vcs bead cancel|pause|resume|retry`: what a person asks of beads.

The daemon that works on the home is asked; where there is none, the record itself is changed, under
the home's lock. The answers are the same.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

from oya_vcs.cli.asking import ask, person
from oya_vcs.cli.output import Output
from oya_vcs.cli.places import home_of
from oya_vcs.config import Home
from oya_vcs.core.ids import BeadId
from oya_vcs.core.wishes import Verb, Wish
from oya_vcs.errors import ExitCode, InputInvalid, Locked, NoDaemon
from oya_vcs.housekeeping import grant

TRIES_MAX = 30
PAUSE_S = 0.1
"""A daemon that begins or ends has the home for a moment and does not listen; nor does a command
that changes the record."""


def wish(arguments: argparse.Namespace, output: Output) -> ExitCode:
    """Ask, and say what became of it. 0 where every bead is as it was asked for, or will be; 1
    where one could not be."""
    wished = Wish(
        verb=Verb(arguments.verb),
        beads=tuple(map(BeadId, arguments.beads)),
        who=person(),
        why=arguments.reason,
    )
    told = _granted(home_of(arguments), wished)
    refused = [one for one in told if one["refused"]]
    if refused and len(told) == 1:
        raise InputInvalid(
            refused[0]["said"], f"`oya-vcs bead show {refused[0]['bead']}` says more."
        )
    lines = [one["said"] for one in told]
    output.answer(f"bead-{wished.verb}", {"beads": told}, "\n".join(lines), ok=not refused)
    return ExitCode.WORK_FAILED if refused else ExitCode.DONE


def _granted(home: Home, wished: Wish) -> list[dict[str, Any]]:
    fields = {"beads": wished.beads, "who": wished.who, "why": wished.why}

    def directly() -> list[dict[str, Any]]:
        return [asdict(one) for one in asyncio.run(grant(home, wished))]

    return list(asked(home, f"bead.{wished.verb}", fields, directly))


def asked(
    home: Home, name: str, fields: Mapping[str, object], directly: Callable[[], object]
) -> Any:
    """The answer of the home's daemon; where there is none, that of `directly`, which does the same
    to the record under the home's lock."""
    tried = 0
    while True:
        try:
            return ask(home, name, **fields)
        except NoDaemon:
            try:
                return directly()
            except Locked:
                tried += 1
                if tried >= TRIES_MAX:
                    raise
        time.sleep(PAUSE_S)
