"""What is on disk of a run, in `runs/<key>`: written first what starts, written last how it ended.

    spec.json      the order; the names of the environment's variables, not their values
    pid            {pid, started, boot, at_ms} of the reaper, before the program may start
    started        the program may have been started; its time stamp is the reaper's beat; the
                   reaper turns it into the outcome
    outcome.json   {exit_code, reason, detail, ended_at_ms, output_bytes, log_error, killed,
                   rss_bytes_peak, processes_peak}
    reaper.log     what the reaper itself had to complain about

In the outcome, `exit_code` is negative for a signal, null where nothing was started or the end is
unknown; `reason` is null where the program ended by itself; `output_bytes` counts what the program
wrote, kept or not; `log_error` says why the log is not whole; `killed` counts the processes that
needed SIGKILL. A key with `started` or `outcome.json` is never run again.

Every function here may block on the disk: call it in a thread. Must not know how processes are run.
"""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from oya_vcs.adapters.process.survivors import KEY_VARIABLE, boot_id, lives
from oya_vcs.core.clocks import Clocks, Limits, begun
from oya_vcs.core.events import Reason
from oya_vcs.errors import Bug
from oya_vcs.ports import Finished, Order, Sight

TAIL_BYTES = 4_096


@dataclass(frozen=True, slots=True)
class Outcome:
    """`outcome.json`, checked. `exit_code` None: nothing was started, or its end is unknown."""

    exit_code: int | None
    reason: Reason | None
    detail: str


@dataclass(frozen=True, slots=True)
class RunFolder:
    """The folder of one run."""

    path: Path

    def prepare(self, order: Order) -> None:
        """Make the folder and describe the order. Raises Bug where the key was run before."""
        if self.was_started():
            raise Bug(f"The run {order.key} was carried out before; ask for its outcome.")
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        order.log.parent.mkdir(parents=True, exist_ok=True)
        spec = {
            "program": order.argv[0],
            "part_of": order.part_of or order.key,
            "cwd": str(order.cwd),
            "env_names": sorted(order.env),
            "log": str(order.log.absolute()),
            "heartbeat": str(order.heartbeat.absolute()) if order.heartbeat else None,
            "lease_ms": order.lease_ms,
            "wall_ms_max": order.wall_ms_max,
            "stop_ms": order.stop_ms,
            "output_bytes_max": order.output_bytes_max,
            "rss_bytes_max": order.rss_bytes_max,
            "processes_max": order.processes_max,
        }
        (self.path / "pid").unlink(missing_ok=True)
        self._write("spec.json", spec)
        sync_folder(self.path.parent)

    def orders(self, order: Order, secrets: Sequence[str], beat_ms: int) -> dict[str, object]:
        """What the reaper is told (`adapters/reaper/orders.py`); the environment's values and the
        secrets go nowhere else."""
        return {
            "run": str(self.path.absolute()),
            "argv": order.argv,
            "cwd": str(order.cwd.absolute()),
            "env": {**order.env, KEY_VARIABLE: order.key},
            "log": str(order.log.absolute()),
            "secrets": list(secrets),
            "stop_ms": order.stop_ms,
            "beat_ms": beat_ms,
            "output_bytes_max": order.output_bytes_max,
            "rss_bytes_max": order.rss_bytes_max,
            "processes_max": order.processes_max,
            "boxed": order.boxed,
            "escorted": order.escorted,
        }

    def spec(self) -> dict[str, Any]:
        """The order as described; {} where there is none."""
        return read_object(self.path / "spec.json")

    def write_pid(self, pid: int, started: int, at_ms: int) -> None:
        """Record which process the reaper is, and since when."""
        self._write("pid", {"pid": pid, "started": started, "boot": boot_id(), "at_ms": at_ms})

    def reaper(self) -> int | None:
        """The pid of the recorded reaper, if exactly that process still runs."""
        found = read_object(self.path / "pid")
        pid, started = found.get("pid"), found.get("started")
        if not isinstance(pid, int) or not isinstance(started, int):
            return None
        return pid if found.get("boot") == boot_id() and lives(pid, started) else None

    def limits(self) -> Limits:
        """The limits that its clocks are judged by."""
        spec = self.spec()
        return Limits(
            lease_ms=int(spec.get("lease_ms", 0)), wall_ms_max=int(spec.get("wall_ms_max", 0))
        )

    def clocks(self) -> Clocks | None:
        """What the clocks of the run show, in Unix time, to somebody who looks from outside; None
        where it does not run."""
        if self.reaper() is None:
            return None
        spec, limits = self.spec(), self.limits()
        at_ms = int(read_object(self.path / "pid").get("at_ms", 0))
        beats = [Path(str(spec[name])) for name in ("log", "heartbeat") if spec.get(name)]
        beat_ms, awake_ms = (
            max([at_ms, *(mark[1] // 1_000_000 for mark in marks(files) if mark is not None)])
            for files in (beats, [self.path / "started"])
        )
        return Clocks(
            process_ms=at_ms,
            transport_ms=max(awake_ms, beat_ms),
            progress_ms=beat_ms,
            deadline_ms=begun(at_ms, limits).deadline_ms,
        )

    def sight(self) -> Sight:
        """What a look at the run shows: a few small files, and one line of /proc."""
        if not (self.path / "pid").exists():
            return Sight(None, None)
        spec = self.spec()
        files = [Path(str(spec[name])) for name in ("log", "heartbeat") if spec.get(name)]
        return Sight(self.reaper() is not None, tuple(marks(files)))

    def was_started(self) -> bool:
        """Whether the program may have been started."""
        return (self.path / "started").exists() or (self.path / "outcome.json").exists()

    def outcome(self) -> Outcome | None:
        """The outcome as recorded; None where there is none that makes sense."""
        found = read_object(self.path / "outcome.json")
        exit_code, reason = found.get("exit_code"), found.get("reason")
        if not isinstance(exit_code, int | None) or (reason is not None and not known(reason)):
            return None
        if exit_code is None and reason is None:
            return None
        failed = Reason.WORKER_FAILED if exit_code else None
        detail = str(found.get("detail", ""))
        return Outcome(exit_code, Reason(reason) if reason else failed, detail)

    def write_interrupted(self, at_ms: int) -> None:
        """Record that the reaper was killed, so that every later question has one answer."""
        detail = "The program and its reaper were killed; how far it came is unknown."
        outcome = {"exit_code": None, "reason": Reason.INTERRUPTED, "detail": detail}
        self._write("outcome.json", {**outcome, "ended_at_ms": at_ms})

    def blame(self, limit: Reason | None, at_ms: int) -> None:
        """Record whose doing the end was, where the outcome says INTERRUPTED though the daemon
        lives and did not cancel the run: it broke a `limit`, and its reaper did not live to say
        so; or somebody killed or stopped the reaper, which counts as the program's failure, for
        nobody else has a reason to."""
        outcome = self.outcome()
        if outcome is None or outcome.reason is not Reason.INTERRUPTED:
            return
        blamed: dict[str, object] = {"exit_code": outcome.exit_code, "reason": limit}
        if limit is None:
            how = "killed" if outcome.exit_code is None else "told to stop"
            detail = f"The program was ended from outside: its reaper was {how}, not by its daemon."
            blamed.update(reason=Reason.WORKER_FAILED, detail=detail)
        self._write("outcome.json", {**blamed, "ended_at_ms": at_ms})

    def finished(self) -> Finished | None:
        """The outcome in words, with the end of the log."""
        outcome = self.outcome()
        if outcome is None:
            return None
        spec = self.spec()
        return Finished(
            reason=outcome.reason,
            exit_code=outcome.exit_code,
            detail=outcome.detail or sentence(outcome, spec),
            tail=tail(Path(str(spec["log"]))) if "log" in spec else "",
        )

    def complaint(self) -> str:
        """What the reaper itself said."""
        return tail(self.path / "reaper.log")

    def _write(self, name: str, value: object) -> None:
        """Write JSON so that a reader, or a crash, finds all of it or nothing. Durable."""
        part = self.path / f"{name}.part"
        with part.open("w", encoding="utf-8") as file:
            json.dump(value, file)
            file.flush()
            os.fsync(file.fileno())
        part.replace(self.path / name)
        sync_folder(self.path)


def known(reason: object) -> bool:
    """Whether this is the text of a Reason."""
    return isinstance(reason, str) and reason in set(Reason)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    fd = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def read_object(path: Path) -> dict[str, Any]:
    """A JSON object, or {} where there is none that can be read."""
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def sentence(outcome: Outcome, spec: dict[str, Any]) -> str:
    """How the run ended, for people."""
    match outcome.reason:
        case Reason.LEASE_EXPIRED:
            silence = f"{spec.get('lease_ms', 0) / 1000:g} s"
            return f"The program gave no output and no heartbeat for {silence} and was stopped."
        case Reason.WALL_TIME:
            limit = f"{spec.get('wall_ms_max', 0) / 1000:g} s"
            return f"The program ran longer than its limit of {limit} and was stopped."
        case Reason.OUTPUT_LIMIT:
            limit = f"{spec.get('output_bytes_max')} bytes"
            return f"The program wrote more output than its limit of {limit} and was stopped."
        case Reason.MEMORY_LIMIT:
            limit = f"{spec.get('rss_bytes_max', 0):,} bytes"
            return f"The program and what it started took more memory than {limit} and were killed."
        case Reason.PROCESS_LIMIT:
            limit = f"{spec.get('processes_max')} processes"
            return f"The program started more than {limit} and was killed with all of them."
        case Reason.TRANSPORT_LOST:
            return "The program's reaper gave no sign of life and was killed with all it watched."
        case Reason.INTERRUPTED:
            return "The program was stopped before its end, because its daemon stopped."
        case _ if outcome.exit_code is not None and outcome.exit_code < 0:
            return f"The program was ended by signal {signal_name(-outcome.exit_code)}."
        case _:
            return f"The program exited with status {outcome.exit_code}."


def signal_name(number: int) -> str:
    """The number and the name, as in `9 (SIGKILL)`."""
    names = {one.value: one.name for one in signal.Signals}
    return f"{number} ({names[number]})" if number in names else str(number)


def tail(path: Path) -> str:
    """The last 4 kB of a file, whatever they are; empty where there is none."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - TAIL_BYTES))
            return file.read().decode(errors="replace")
    except OSError:
        return ""


def marks(files: list[Path]) -> list[tuple[int, int] | None]:
    """What a beat changes: each file's size and time stamp. Only *that* they change counts."""
    found: list[tuple[int, int] | None] = []
    for file in files:
        try:
            stat = file.stat()
        except OSError:
            found.append(None)
        else:
            found.append((stat.st_size, stat.st_mtime_ns))
    return found
