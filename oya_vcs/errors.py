"""Every exception of oya-vcs, sorted by who is at fault.

The user's fault carries the place and the mend and ends in exit code 1, 2, 3, 5 or 6; the world's
fault carries the command and what it said; our own fault is a bug, and crashes loudly. This module
knows nothing of the rest of the package.
"""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """The documented exit codes of the command line (README.md, `oya-vcs --help`)."""

    DONE = 0
    WORK_FAILED = 1
    USAGE = 2
    NOT_FOUND = 3
    WORLD = 4
    LOCKED = 5
    NO_DAEMON = 6
    INTERRUPTED = 130


class OyaError(Exception):
    """The root: a message in a full sentence, and a hint that says the next step."""

    exit_code = ExitCode.WORK_FAILED
    code = "error"

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class InputInvalid(OyaError):
    """The user's fault: a beads file or an argument's content is wrong. The message names file and
    line."""

    code = "input_invalid"


class ConfigurationInvalid(OyaError):
    """The user's fault: configuration or usage. The message names file, line and key."""

    exit_code = ExitCode.USAGE
    code = "configuration_invalid"


class NotFound(OyaError):
    """The user's fault: a bead, change, workspace or repository that is not there."""

    exit_code = ExitCode.NOT_FOUND
    code = "not_found"


class Locked(OyaError):
    """Another daemon works on the same home; the message names its pid."""

    exit_code = ExitCode.LOCKED
    code = "locked"


class NoDaemon(OyaError):
    """The command needs a running daemon and there is none."""

    exit_code = ExitCode.NO_DAEMON
    code = "no_daemon"


class WorldFailed(OyaError):
    """The world's fault: an external program, the disk or a forge failed.

    `command` is the argv without secrets, `stderr` its last lines, `retryable` whether the same
    call may succeed later.
    """

    exit_code = ExitCode.WORLD
    code = "world_failed"

    def __init__(
        self,
        message: str,
        *,
        hint: str = "",
        command: tuple[str, ...] = (),
        stderr: str = "",
        retryable: bool = False,
    ) -> None:
        super().__init__(message, hint)
        self.command = command
        self.stderr = stderr
        self.retryable = retryable


class JournalStopped(WorldFailed):
    """The disk refused the journal, which takes no more: what it acknowledged is safe, the rest may
    be lost. Opening it anew, when the disk is well again, may go on; repeating the call may not."""

    code = "journal_stopped"


class SnapshotIncomplete(WorldFailed):
    """jj left files of a workspace out of its snapshot (and said so); nothing may be concluded from
    it."""

    code = "snapshot_incomplete"


class JournalCorrupt(OyaError):
    """The record does not verify. The message names the sequence number and what to do; nothing is
    written after it."""

    exit_code = ExitCode.WORK_FAILED
    code = "journal_corrupt"


class Interrupted(OyaError):
    """The user stopped us: Ctrl-C, SIGTERM or SIGHUP."""

    exit_code = ExitCode.INTERRUPTED
    code = "interrupted"

    def __init__(self) -> None:
        super().__init__(
            "Interrupted; the workers were stopped.",
            "What was recorded is safe: run the command again to go on.",
        )


class Stopped(OyaError):
    """What was asked to act was stopped, or what it stands on; nothing more of the call is done."""

    code = "stopped"


class GaveUp(OyaError):
    """Our fault: a part of the daemon failed again and again, and starting it anew did not help.
    The message names it, and its last error; the process ends."""

    code = "gave_up"


class Bug(OyaError):
    """Our fault: a broken invariant. Never caught to go on."""

    code = "bug"
