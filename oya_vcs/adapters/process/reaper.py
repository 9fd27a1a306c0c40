"""The reaper: a small process beside each program, so that nothing of it outlives the daemon.

A stand-alone program, started by `runner.py` as `python -I -S reaper.py`. It must not know the
package: it imports the standard library only, and of that what starts in milliseconds.

Its standard input is the lifeline, held open by the daemon. On it come lines: the orders as JSON
(never in argv, which everybody can read), then `go`, later perhaps `stop REASON`. Before `go` an
end of the lifeline, a stop or a signal ends the reaper without a trace. After it:

1. `started` appears in the run folder, on disk, with the room that the outcome will need;
2. the program runs in its own session: standard input /dev/null, exactly the environment of the
   orders, no other open file. Its output is copied to the log. At `output_bytes_max` the log ends
   and the program is stopped (`output_limit`); what it still writes is read and thrown away, so
   that output never blocks it;
3. when the lifeline ends (the daemon is dead), a stop is read, or SIGTERM, SIGINT or SIGHUP comes,
   every process of the tree gets SIGTERM and, `stop_ms` later, SIGKILL until none is left. When the
   program itself ends, what it left in the background has LINGER_MS to end too, and is then stopped
   the same way;
4. `started` becomes `outcome.json`, as `folder.py` describes it.

On Linux the reaper is a child subreaper: an orphan of its tree becomes its child, whatever session
it is in, so that "no child is left" means "the tree is gone". Elsewhere (macOS) it can only stop
the program's process group. What cannot be stopped (sudo) makes the outcome `infrastructure`.
"""

from __future__ import annotations

import errno
import json
import os
import select
import signal
import sys
import time

LIFELINE = 0
OUTCOME_BYTES_MAX = 4_096
DETAIL_CHARS_MAX = 500
LINGER_MS = 200
"""How long background processes may outlast the program: a `tee` can write its last lines."""
KILL_MS_MAX = 10_000
"""What SIGKILL did not end by then, and nothing new came, is another user's or hangs."""
PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
LINUX = sys.platform == "linux"


class UnstartableError(Exception):
    """The program cannot be started; args are the reason and a sentence."""


def prctl(option: int, value: int) -> None:
    """Tell the kernel something about this process (Linux). Raises OSError where it refuses."""
    import ctypes  # noqa: PLC0415 - it costs 3 ms, and only Linux needs it

    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(option, value, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl")


class Ears:
    """What the reaper listens to, through one poll: lifeline, signals, the program's output."""

    def __init__(self) -> None:
        self._lines: list[bytes] = []
        self._rest = b""
        self._over = False
        self._output = -1
        self._wake, wake = os.pipe()
        os.set_blocking(wake, False)
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
        for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, lambda *_: None)
        self._poll = select.poll()
        self._poll.register(LIFELINE, select.POLLIN)
        self._poll.register(self._wake, select.POLLIN)

    def hear_output(self, output: int) -> None:
        """From now on listen to the program's output too."""
        os.set_blocking(output, False)
        self._output = output
        self._poll.register(output, select.POLLIN)

    def listen(self, timeout_ms: int | None) -> bytes:
        """Wait until something is heard, or `timeout_ms`; return the output that came."""
        output = b""
        for fd, _ in self._poll.poll(timeout_ms):
            if fd == LIFELINE:
                self._hear_lifeline()
            elif fd == self._wake:
                if any(number != signal.SIGCHLD for number in os.read(fd, 4_096)):
                    self._over = True
            else:
                output = self.read_output()
                if not output:
                    self._poll.unregister(fd)
        return output

    def read_output(self) -> bytes:
        """What the program wrote and nobody read, at most 64 KiB; empty where that is nothing."""
        try:
            return os.read(self._output, 65_536)
        except BlockingIOError:
            return b""

    def line(self) -> bytes | None:
        """The next line of the lifeline; None where it ended or a signal came first."""
        while not self._lines and not self._over:
            self.listen(None)
        return self._lines.pop(0) if self._lines else None

    def stop(self) -> str | None:
        """The reason to stop, once there is one: the first that was said."""
        for line in self._lines:
            if line.startswith(b"stop "):
                return line[5:].decode(errors="replace")
        return "interrupted" if self._over else None

    def _hear_lifeline(self) -> None:
        try:
            heard = os.read(LIFELINE, 65_536)
        except ConnectionError:
            heard = b""
        if not heard:
            self._over = True
            self._poll.unregister(LIFELINE)
        *lines, self._rest = (self._rest + heard).split(b"\n")
        self._lines += lines


class Log:
    """The program's output on disk, up to a limit. Raises UnstartableError where it cannot be."""

    def __init__(self, path: str, bytes_max: int) -> None:
        self.seen = 0
        self.error = ""
        self.bytes_max = bytes_max
        try:
            self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        except OSError as error:
            raise UnstartableError("infrastructure", f"No log can be written: {error}.") from error

    def write(self, chunk: bytes) -> None:
        """Keep what still fits. A disk that refuses costs the log, never the outcome."""
        keep = chunk[: max(0, self.bytes_max - self.seen)]
        self.seen += len(chunk)
        while keep:
            try:
                keep = keep[os.write(self._fd, keep) :]
            except OSError as error:
                self.error = str(error)
                return


def look(pid: int) -> tuple[int, int]:
    """The parent of a process, and when it started in clock ticks; zeros where it is gone."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as stat:  # noqa: PTH123 - pathlib costs 5 ms
            fields = stat.read().rpartition(b")")[2].split()
    except OSError:
        return 0, 0
    return int(fields[1]), int(fields[19])


def tell(pid: int, number: int) -> bool:
    """Send a signal; whether it could be sent."""
    try:
        os.kill(pid, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True


class Tree:
    """The program and all that came of it."""

    def __init__(self) -> None:
        self.main = 0
        self.exit_code: int | None = None
        self.gone = False
        self._strangers: set[int] = set()

    def bury(self) -> None:
        """Wait for every child that has ended; learn whether any is left."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                self.gone = LINUX or not tell(-self.main, 0)
                return
            if pid == 0:
                return
            if pid == self.main:
                self.exit_code = os.waitstatus_to_exitcode(status)

    def strike(self, *numbers: int) -> set[int]:
        """Send signals to every process of the tree, and return which were found.

        Each is hit the moment it is seen, so that one which does nothing but fork and exit is hit
        too. What started before the reaper is a stranger and looked at only once.
        """
        if not LINUX:
            return {self.main for number in numbers if tell(-self.main, number)}
        reaper = os.getpid()
        born = look(reaper)[1]
        here = {int(name) for name in os.listdir("/proc") if name.isdigit()}  # noqa: PTH208
        self._strangers &= here
        unknown = sorted(here - self._strangers - {reaper})
        family = {reaper}
        for pid in unknown * 2:  # twice, since pids wrap: a child's may be below its parent's
            parent, started = look(pid)
            if parent in family and pid not in family:
                family.add(pid)
                for number in numbers:
                    tell(pid, number)
            elif 0 < started < born:
                self._strangers.add(pid)
        return family - {reaper}


def become(argv: list[str], env: dict[str, str], output: int) -> None:
    """In the child: become the program. Every other open file closes by itself (PEP 446)."""
    reaper = os.getppid()
    os.setsid()
    signal.set_wakeup_fd(-1)
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    if LINUX:
        prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != reaper:
        os._exit(1)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.execvpe(argv[0], argv, env)  # noqa: S606 - no shell is the point


def spawn(argv: list[str], cwd: str, env: dict[str, str]) -> tuple[int, int]:
    """Start the program; return its pid and the end of its output. Raises UnstartableError."""
    try:
        os.chdir(cwd)
        output, into = os.pipe()
        failure, fail = os.pipe()
        pid = os.fork()
    except OSError as error:
        raise UnstartableError("infrastructure", f"No program can be started: {error}.") from error
    if pid == 0:
        try:
            become(argv, env, into)
        except (OSError, ValueError) as error:
            os.write(fail, str(getattr(error, "errno", errno.EINVAL)).encode())
        finally:
            os._exit(127)
    os.chdir("/")
    os.close(into)
    os.close(fail)
    number = os.read(failure, 16)
    os.close(failure)
    if number:
        os.waitpid(pid, 0)
        raise refusal(argv[0], env.get("PATH", os.defpath), int(number))
    return pid, output


def refusal(program: str, path: str, number: int) -> UnstartableError:
    """What an errno of execve(2) means for the one who named the program."""
    where = "in the workspace" if "/" in program else f"on PATH ({path})"
    said = {
        errno.ENOENT: f"it, or the interpreter named in its first line, is not there ({where})",
        errno.EACCES: "it may not be executed; run chmod +x on it",
        errno.ENOEXEC: "it is no binary of this machine and does not begin with #!",
    }
    reason = "worker_missing" if number in said else "infrastructure"
    text = said.get(number, os.strerror(number))
    return UnstartableError(reason, f"The program {program} cannot be run: {text}.")


class Run:
    """One program from its start to the end of its tree."""

    def __init__(self, ears: Ears, log: Log, stop_ms: int) -> None:
        self._ears = ears
        self._log = log
        self._stop_ms = stop_ms
        self._tree = Tree()
        self._killed: set[int] = set()

    def carry_out(self, argv: list[str], cwd: str, env: dict[str, str]) -> dict[str, object]:
        """Return the program's outcome, its whole tree gone. Raises UnstartableError."""
        self._tree.main, output = spawn(argv, cwd, env)
        self._ears.hear_output(output)
        reason = self._until_ended()
        if reason is None:
            self._until_gone(LINGER_MS)
        if not self._tree.gone:
            self._tree.strike(signal.SIGTERM, signal.SIGCONT)
            self._until_gone(self._stop_ms)
        detail = self._kill_rest()
        while chunk := self._ears.read_output():
            self._log.write(chunk)
        return {
            "exit_code": self._tree.exit_code,
            "reason": "infrastructure" if detail else reason,
            "detail": detail,
            "output_bytes": self._log.seen,
            "log_error": self._log.error,
            "killed": len(self._killed),
        }

    def _until_ended(self) -> str | None:
        """Wait for the program's end (None) or a reason to stop it."""
        while True:
            self._turn(None)
            if self._tree.exit_code is not None:
                return None
            full = self._log.seen > self._log.bytes_max
            if reason := "output_limit" if full else self._ears.stop():
                return reason

    def _until_gone(self, limit_ms: int) -> None:
        deadline = time.monotonic() + limit_ms / 1000
        while not self._tree.gone and (left := deadline - time.monotonic()) > 0:
            self._turn(int(left * 1000) + 1)

    def _kill_rest(self) -> str:
        """Kill until nothing is left; a sentence about what could not be killed."""
        deadline = time.monotonic() + KILL_MS_MAX / 1000
        while not self._tree.gone:
            found = self._tree.strike(signal.SIGKILL)
            if found - self._killed:
                deadline = time.monotonic() + KILL_MS_MAX / 1000
            elif time.monotonic() > deadline:
                left = ", ".join(map(str, sorted(found)))
                return f"Processes that cannot be stopped are left: {left}."[:DETAIL_CHARS_MAX]
            self._killed |= found
            self._turn(1)
        return ""

    def _turn(self, timeout_ms: int | None) -> None:
        self._log.write(self._ears.listen(timeout_ms))
        self._tree.bury()


def reserve(folder: str) -> int:
    """Say that the program may be started, durably, and take the room its outcome will need."""
    part = f"{folder}/started.part"
    fd = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(fd, 0, OUTCOME_BYTES_MAX)
    os.rename(part, f"{folder}/started")  # noqa: PTH104
    sync(fd, folder)
    return fd


def settle(fd: int, folder: str, outcome: dict[str, object]) -> None:
    """Make the outcome visible, whole and durable. Needs no room on the disk."""
    data = json.dumps({**outcome, "ended_at_ms": time.time_ns() // 1_000_000}).encode()
    os.pwrite(fd, data, 0)
    os.ftruncate(fd, len(data))
    os.fsync(fd)
    os.rename(f"{folder}/started", f"{folder}/outcome.json")  # noqa: PTH104
    sync(fd, folder)


def sync(fd: int, folder: str) -> None:
    """Return when a file and its name are on disk."""
    os.fsync(fd)
    at = os.open(folder, os.O_RDONLY)
    os.fsync(at)
    os.close(at)


def main() -> None:
    """Hear the orders, wait for the word, run, record."""
    if os.getsid(0) != os.getpid():
        os.setsid()
    os.chdir("/")
    ears = Ears()
    line = ears.line()
    if LINUX:
        prctl(PR_SET_CHILD_SUBREAPER, 1)
    if line is None or ears.line() != b"go":
        return
    orders = json.loads(line)
    folder = orders["run"]
    os.dup2(os.open(f"{folder}/reaper.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), 2)
    fd = reserve(folder)
    try:
        run = Run(ears, Log(orders["log"], orders["output_bytes_max"]), orders["stop_ms"])
        outcome = run.carry_out(orders["argv"], orders["cwd"], orders["env"])
    except UnstartableError as error:
        reason, detail = error.args
        outcome = {"exit_code": None, "reason": reason, "detail": detail[:DETAIL_CHARS_MAX]}
    settle(fd, folder, outcome)


if __name__ == "__main__":
    main()
