"""`oya-vcs journal`: read, verify, replay and count the record. Never writes to it."""

from __future__ import annotations

import argparse
from collections import deque
from collections.abc import Callable

from oya_vcs.cli import retention
from oya_vcs.cli.output import Output, table
from oya_vcs.cli.places import home_of
from oya_vcs.cli.reading import clock_time, record, row_data
from oya_vcs.cli.replaying import replay_events, take_checkpoint
from oya_vcs.core.event import Event
from oya_vcs.core.operations import OperationSeen, OperationsPassed, sentences
from oya_vcs.errors import ExitCode
from oya_vcs.journal import verify as verification
from oya_vcs.journal.checkpoint import marks


def journal(arguments: argparse.Namespace, output: Output) -> ExitCode:
    """One of the verbs below."""
    return _VERBS[arguments.verb](arguments, output)


def _tail(arguments: argparse.Namespace, output: Output) -> ExitCode:
    wanted = max(0, arguments.n)
    with record(arguments) as reader:
        rows = deque(reader.read(max(0, reader.last_seq() - wanted)), maxlen=wanted)
    shown = [
        (str(row.seq), clock_time(row.at_ms), type(row.event).__name__, row.event.subject)
        for row in rows
    ]
    data = [row_data(row) for row in rows]
    head, *lines = table(("seq", "time", "event", "subject"), shown).splitlines()
    told = zip(lines, rows, strict=True)
    text = "\n".join([head, *(line for one, row in told for line in (one, *_said(row.event)))])
    output.answer("journal-tail", data, text)
    return ExitCode.DONE


def _said(event: Event) -> list[str]:
    """What an event tells in sentences, each a line below its row."""
    if isinstance(event, OperationSeen | OperationsPassed):
        return [f"    {sentence}" for sentence in sentences(event)]
    return []


def _verify(arguments: argparse.Namespace, output: Output) -> ExitCode:
    home = home_of(arguments)
    found = verification.verify(home.journal, remembered=marks(home.checkpoints))
    problems = [{"seq": one.seq, "what": one.what, "mend": one.mend} for one in found.problems]
    data = {
        "rows": found.rows,
        "archived": found.archived,
        "last_seq": found.last_seq,
        "hash": found.last_hash,
    }
    if found.ok:
        text = f"{found.rows} events verify; the last is {found.last_seq}, hash {found.last_hash}."
    else:
        text = "\n".join(
            f"{'The file' if one.seq == 0 else f'Event {one.seq}'}: {one.what}\n  {one.mend}"
            for one in found.problems
        )
    output.answer("journal-verify", {**data, "problems": problems}, text, ok=found.ok)
    return ExitCode.DONE if found.ok else ExitCode.WORK_FAILED


def _stats(arguments: argparse.Namespace, output: Output) -> ExitCode:
    found = verification.stats(home_of(arguments).journal)
    rows = [(name, str(count)) for name, count in sorted(found.by_type.items())]
    text = "\n".join(
        [
            table(("event", "rows"), rows),
            f"{found.rows} events about {found.subjects} subjects in {found.file_bytes} bytes.",
            *_in_archives(found),
        ]
    )
    data = {
        "rows": found.rows,
        "archived": found.archived,
        "file_bytes": found.file_bytes,
        "archive_bytes": found.archive_bytes,
        "subjects": found.subjects,
        "by_type": dict(found.by_type),
        "first_at_ms": found.first_at_ms,
        "last_at_ms": found.last_at_ms,
    }
    output.answer("journal-stats", data, text)
    return ExitCode.DONE


def _in_archives(found: verification.Stats) -> list[str]:
    if not found.archived:
        return []
    return [f"{found.archived} of them are in archives of {found.archive_bytes} bytes."]


_VERBS: dict[str, Callable[[argparse.Namespace, Output], ExitCode]] = {
    "tail": _tail,
    "verify": _verify,
    "replay": replay_events,
    "checkpoint": take_checkpoint,
    "stats": _stats,
    "export": retention.export,
    "import": retention.import_,
    "compact": retention.compact,
}
