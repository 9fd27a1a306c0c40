"""The start of the program, or a sentence that says why it cannot be started.

Must not know what becomes of it.
"""

from __future__ import annotations

import errno
import os
import signal

from oya_vcs.adapters.reaper.tree import LINUX, PR_SET_PDEATHSIG, prctl


class UnstartableError(Exception):
    """The program cannot be started; args are the reason and a sentence."""


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
