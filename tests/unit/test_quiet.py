"""The daemon's own words without secrets."""

from __future__ import annotations

import io
import logging
from functools import partial

from oya_vcs.adapters.clock import ManualClock
from oya_vcs.adapters.reaper.quiet import Hidden, cleaned, quiet
from oya_vcs.adapters.reaper.redaction import literals
from oya_vcs.core import effects as f
from oya_vcs.core import events as e
from oya_vcs.core.ids import BeadId, ChangeId, CommitId, Key, RepoId
from oya_vcs.errors import WorldFailed
from oya_vcs.ports import Probe, Recorded, Report
from oya_vcs.runtime.executor import Executor
from oya_vcs.runtime.outbox import Outbox, of_one

SECRETS = literals(["hunter2!"])
SAID = "fatal: https://bob:hunter3@host/x: hunter2! refused"
SHOWN = "fatal: https://bob:[redacted]@host/x: [redacted] refused"


class Refusing:
    """A performer whose world refuses, and says too much."""

    @property
    def kinds(self) -> tuple[type[f.Effect], ...]:
        return (f.OpenChange,)

    async def do(self, _key: Key, _effect: f.Effect, _report: Report) -> e.Event:
        raise WorldFailed(SAID)

    async def probe(self, _key: Key, _effect: f.Effect) -> e.Event | Probe:
        return Probe.ABSENT

    async def stopped(self, _key: Key, _effect: f.Effect, _reason: e.Reason) -> e.Event | None:
        return None


async def test_what_an_effect_says_is_recorded_without_secrets() -> None:
    """The message of a refusal, in which git named an address with a password."""
    offered: list[e.Event] = []

    async def offer(event: e.Event) -> None:
        offered.append(event)

    async def find(_key: str) -> Recorded | None:
        return None

    outbox = Outbox(
        performers=of_one(RepoId("repo"), [Refusing()]),
        executor=Executor(find),
        offer=offer,
        clock=ManualClock(),
        clean=partial(cleaned, SECRETS),
    )
    effect = f.OpenChange(
        repo=RepoId("repo"),
        bead=BeadId("b"),
        attempt=1,
        change=ChangeId("b.1"),
        head=CommitId("c"),
        title="hunter2!",
    )
    outbox.publish([Recorded(1, 0, e.Requested(key=f.effect_key(effect), effect=effect))])
    await outbox.drain()
    [failed] = offered
    assert isinstance(failed, e.EffectFailed)
    assert failed.message == SHOWN


def test_only_words_are_cleaned() -> None:
    """Names and ids stay what they are: they are what effects are found by."""
    failed = e.EffectFailed(
        key=Key("hunter2!"), bead=BeadId("hunter2!"), kind="Land", workspace=None, message=SAID
    )
    found = cleaned(SECRETS, failed)
    assert (found.key, found.bead, found.message) == ("hunter2!", "hunter2!", SHOWN)
    assert cleaned(SECRETS, e.Ticked()) == e.Ticked()


def test_the_log_holds_no_secret() -> None:
    """Message, arguments and traceback; afterwards the handlers are what they were."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    before = logging.Formatter("at: %(message)s")
    handler.setFormatter(before)
    root = logging.getLogger()
    root.addHandler(handler)
    try:
        with quiet(Hidden(["hunter2!"])):
            root.error("refused %s", "hunter2!", exc_info=WorldFailed(SAID))
    finally:
        root.removeHandler(handler)
    assert stream.getvalue().startswith("at: refused [redacted]\n")
    assert SHOWN in stream.getvalue()
    assert "hunter" not in stream.getvalue()
    assert handler.formatter is before
