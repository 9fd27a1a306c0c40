"""One errand, from the start of the agent to the end of its work."""

from __future__ import annotations

import os
import signal

from oya_vcs.adapters.escort.acp import Conversation
from oya_vcs.adapters.escort.child import Child, LineTooLongError
from oya_vcs.adapters.escort.dialects import DIALECTS
from oya_vcs.adapters.escort.errand import Errand, read_errand
from oya_vcs.adapters.escort.telling import Log, Report

FAREWELL_S = 2.0
"""How long an agent may take to end by itself once nobody talks to it any more."""
TURN_MS = 1_000
"""How often the report is brought up to date while the agent says nothing."""
FAILED = 1


def main(errand_file: str, argv: list[str]) -> int:
    """Carry the errand out; the status to exit with."""
    errand = read_errand(errand_file)
    log, report = Log(), Report(errand.report)
    if errand.tongue == "opencode-server":
        # Imported here: the other tongues need no HTTP, which takes 50 ms to load.
        from oya_vcs.adapters.escort.attending import Visit  # noqa: PLC0415

        status = Visit(errand, argv, log, report).run()
        log.close()
        report.write(last=True)
        return status
    talking = errand.tongue == "acp"
    try:
        child = Child(argv, talking=talking, feed=errand.feed)
    except OSError as error:
        said = os.strerror(error.errno or 0)
        report.fail(f"The agent's program {argv[0]} cannot be run: {said}.", "worker_missing")
        log.line("escort", report.detail)
        report.write(last=True)
        return FAILED
    try:
        status = _talk(errand, child, log, report) if talking else _read(errand, child, log, report)
    except LineTooLongError:
        report.fail("The agent sent a message without end.")
        log.line("escort", report.detail)
        status = FAILED
    log.close()
    report.write(last=True)
    return status


def _talk(errand: Errand, child: Child, log: Log, report: Report) -> int:
    """A conversation on the agent's standard input and output."""
    with open(errand.prompt, encoding="utf-8") as file:  # noqa: PTH123 - pathlib costs 5 ms
        conversation = Conversation(errand, file.read(), log, report)
    for line in conversation.begin():
        child.send(line)
    while not conversation.over:
        heard = child.hear(TURN_MS)
        if heard is None:
            conversation.gone(child.status(FAREWELL_S))
            break
        for line in heard:
            for reply in [] if conversation.over else conversation.hear(line):
                child.send(reply)
        if child.asked_to_end:
            for line in conversation.cancel():
                child.send(line)
        _require_measure(errand, child, report)
        if report.reason:
            break
        report.write()
    child.hang_up()
    if child.status(FAREWELL_S) is None:
        child.tell_to_end()
    return FAILED if report.reason else 0


def _read(errand: Errand, child: Child, log: Log, report: Report) -> int:
    """A program that is given its task and prints what it does."""
    dialect = DIALECTS[errand.tongue](log, report)
    while (heard := child.hear(TURN_MS)) is not None:
        for line in heard:
            dialect.hear(line)
        _require_measure(errand, child, report)
        if report.reason == "output_limit":
            return FAILED
        report.write()
    status = child.status(FAREWELL_S)
    if status is None:
        report.fail("The agent closed its output and did not end.")
        return FAILED
    if status < 0:
        name = signal.Signals(-status).name
        report.fail(f"The agent was ended by signal {-status} ({name}).")
        return FAILED
    if status:
        report.fail(f"The agent exited with status {status}.")
    return status or (FAILED if report.reason else 0)


def _require_measure(errand: Errand, child: Child, report: Report) -> None:
    """What an agent says is told shortly, so it is weighed here and not where the log is."""
    if child.seen_bytes > errand.bytes_max:
        report.fail(
            f"The agent wrote more than its limit of {errand.bytes_max} bytes.", "output_limit"
        )
