"""`oya-vcs journal export|import|compact`: the record as a file, back again, and its old rows into
archives."""

from __future__ import annotations

import argparse
import sys
from functools import partial
from pathlib import Path

from oya_vcs.cli.output import Output
from oya_vcs.cli.places import home_of
from oya_vcs.config import Home
from oya_vcs.errors import ConfigurationInvalid, ExitCode
from oya_vcs.journal import compact as compaction
from oya_vcs.journal import transfer
from oya_vcs.journal.checkpoint import newest
from oya_vcs.journal.lock import HomeLock
from oya_vcs.journal.reader import open_reader
from oya_vcs.journal.schema import HighWater

STDOUT = "-"
"""The file name that means standard output."""


def export(arguments: argparse.Namespace, output: Output) -> ExitCode:
    """Write the whole record as JSON lines to FILE or to standard output."""
    journal = home_of(arguments).journal
    progress = partial(_say_done, output)
    if arguments.file == STDOUT:
        if output.json:
            message = "With --json, standard output holds the answer and cannot hold the export."
            raise ConfigurationInvalid(message, "Name a file: oya-vcs journal export FILE --json")
        transfer.export(journal, sys.stdout.buffer, progress)
        sys.stdout.buffer.flush()
        return ExitCode.DONE
    target = Path(arguments.file).absolute()
    mark = transfer.export_to(journal, target, progress)
    text = f"{mark.seq} events are in {target}; hash {mark.digest.hex()}."
    output.answer("journal-export", {"file": str(target), **_end(mark)}, text)
    return ExitCode.DONE


def import_(arguments: argparse.Namespace, output: Output) -> ExitCode:
    """Make the record of an empty home from an export."""
    home, source = home_of(arguments), Path(arguments.file).absolute()
    transfer.require_none(home.journal)
    with HomeLock(home.lock):
        mark = transfer.import_(source, home.journal, partial(_say_done, output))
    text = f"{mark.seq} events are in {home.journal}; hash {mark.digest.hex()}."
    output.answer("journal-import", {"file": str(source), **_end(mark)}, text)
    return ExitCode.DONE


def compact(arguments: argparse.Namespace, output: Output) -> ExitCode:
    """Archive the oldest events, or say what would be archived."""
    home = home_of(arguments)
    if arguments.dry_run:
        done = _plan(arguments, home)
    else:
        with open_reader(home.journal):
            pass  # refuses a home without a record before a lock is made in it
        with HomeLock(home.lock):
            wanted = _plan(arguments, home)
            done = wanted
            if wanted.rows:
                say = output.say
                done = compaction.compact(
                    home.journal, wanted, lambda rows, of: say(f"{rows} of {of} events archived")
                )
    files = [one.file for one in done.archives]
    data = {
        "first": done.first,
        "last": done.last,
        "rows": done.rows,
        "dry_run": arguments.dry_run,
        "archives": files,
        "freed_bytes": done.freed_bytes,
    }
    output.answer("journal-compact", data, _said(done, dry_run=arguments.dry_run))
    return ExitCode.DONE


def _plan(arguments: argparse.Namespace, home: Home) -> compaction.Compaction:
    with open_reader(home.journal) as reader:
        checkpoint = newest(home.checkpoints, reader.hash_at)
    covered = 0 if checkpoint is None else checkpoint.seq
    return compaction.plan(
        home.journal, before=arguments.before, keep=arguments.keep, covered=covered
    )


def _said(done: compaction.Compaction, *, dry_run: bool) -> str:
    if not done.rows:
        return "There is nothing to archive."
    span = f"events {done.first} to {done.last}"
    if dry_run:
        return f"{done.rows} rows, {span}, would be archived; nothing was changed."
    names = "\n".join(f"  {one.file}  {one.size_bytes} bytes" for one in done.archives)
    return (
        f"{done.rows} rows, {span}, are archived; the database is {done.freed_bytes} bytes smaller."
        f"\n{names}\nKeep these files with the journal: a backup needs both."
    )


def _end(mark: HighWater) -> dict[str, object]:
    return {"rows": mark.seq, "hash": mark.digest.hex()}


def _say_done(output: Output, seq: int) -> None:
    output.say(f"{seq} events")
