"""What the daemon asks of a reaper, on one line of JSON. Must not know how it is done."""

from __future__ import annotations


class Orders:
    """One run. `secrets` are taken out of the output; limits of 0 are none; times are in
    milliseconds."""

    def __init__(
        self,
        *,
        run: str,
        argv: list[str],
        cwd: str,
        env: dict[str, str],
        log: str,
        secrets: list[str],
        stop_ms: int,
        beat_ms: int,
        output_bytes_max: int,
        rss_bytes_max: int,
        processes_max: int,
        boxed: bool,
        escorted: bool,
    ) -> None:
        self.run = run
        """The folder of the run."""
        self.argv = argv
        self.cwd = cwd
        self.env = env
        self.log = log
        self.secrets = secrets
        self.stop_ms = stop_ms
        self.beat_ms = beat_ms
        self.output_bytes_max = output_bytes_max
        self.rss_bytes_max = rss_bytes_max
        self.processes_max = processes_max
        self.boxed = boxed
        """Whether `argv` is a sandbox with the program in it: the sandbox's own two processes end
        with the program, and a signal to them would take its time to end away."""
        self.escorted = escorted
        """Whether `argv` begins with an escort, which started the rest, and listens to signals."""

    @property
    def box_depths(self) -> tuple[int, ...]:
        """How far below the program that is started the sandbox's own processes are; empty where
        there is none."""
        above = 1 if self.escorted else 0
        return (above, above + 1) if self.boxed else ()
