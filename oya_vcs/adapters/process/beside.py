"""A server that one command needs beside itself, for as long as it runs itself.

The server holds one end of a pipe to us: however we end, it reads the end of its input, and ends
too. Must not know what it serves.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from oya_vcs.errors import WorldFailed

END_S_MAX = 10
"""How long it may take to end by itself; then it is killed."""
STDERR_TAIL = 4_000
"""Characters of its last words that an error carries."""


@contextmanager
def beside(
    argv: Sequence[str], *, env: Mapping[str, str], cwd: Path, log: Path, last: str
) -> Iterator[dict[str, str]]:
    """What a server says of itself, while the block runs: lines `name = value`, with `last` as the
    last name. It must end at the end of its input; its stderr goes to the file `log`.

    Raises WorldFailed where it cannot be started, or ends before it has said all that.
    """
    with log.open("wb") as errors:
        try:
            process = subprocess.Popen(
                list(argv),
                env=dict(env),
                cwd=cwd,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                start_new_session=True,  # Ctrl-C is for us, who need it until we have ended
            )
        except OSError as error:
            raise WorldFailed(f"{argv[0]} could not be started: {error}.") from error
    with process:
        try:
            yield _card(process.stdout or (), last, argv, log)
        finally:
            _end(process)


def _card(lines: Iterable[str], last: str, argv: Sequence[str], log: Path) -> dict[str, str]:
    said: dict[str, str] = {}
    for line in lines:
        name, _, value = line.strip().partition(" = ")
        said[name] = value
        if name == last:
            return said
    words = log.read_text(encoding="utf-8", errors="replace")[-STDERR_TAIL:].strip()
    message = f"{' '.join(argv[1:3])} ended before it served: {words or 'it said nothing'}"
    raise WorldFailed(message, command=tuple(argv), stderr=words)


def _end(process: subprocess.Popen[str]) -> None:
    if process.stdin is not None:
        process.stdin.close()
    try:
        process.wait(END_S_MAX)
    except subprocess.TimeoutExpired:
        process.kill()
