"""The daemon's ear: a Unix socket in its home, on which its own user's commands ask it things.

One JSON object a line, `{"ask": NAME, ...}`, is answered by one, `{"ok": true, "data": ...}` or
`{"ok": false, "error": {code, message, hint}}`, in the order of the lines. What is not such an
object gets an error of that form and changes nothing; a line that has no end within LINE_BYTES_MAX
ends its connection, and no other.

Who may ask: the user whose daemon it is. The home is closed to others (0700) and so is the socket
(0600); where the kernel names the peer (Linux), it is asked as well.

Must not know what can be asked: it is handed a table of names and answers.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import socket
import stat
import struct
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from oya_vcs.config import socket_address
from oya_vcs.errors import ConfigurationInvalid, InputInvalid, OyaError, WorldFailed
from oya_vcs.ports import Answer

log = logging.getLogger(__name__)

LINE_BYTES_MAX = 1_048_576
"""The longest request: ten thousand bead ids fit."""
BACKLOG = 64
PARTING_S = 2.0
"""How long one who is refused may go on talking before the line is cut."""
_PEER = struct.Struct("3i")
"""`struct ucred` of unix(7): pid, uid, gid."""


class ControlSocket:
    """Answers requests on the socket `path` while its `async with` block runs.

    Whoever enters must hold the home's lock: a socket that is there is then a dead daemon's, and is
    replaced. Entering raises WorldFailed where no socket can be made. Leaving removes it, after the
    requests under way were cancelled.
    """

    def __init__(
        self, path: Path, answers: Mapping[str, Answer], *, owner: int | None = None
    ) -> None:
        """`owner` is the uid that may ask: our own, unless given."""
        self._path = path
        self._answers = answers
        self._owner = os.geteuid() if owner is None else owner
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        ear = await asyncio.to_thread(listen, self._path)
        self._server = await asyncio.start_unix_server(
            self._connected, sock=ear, limit=LINE_BYTES_MAX
        )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await asyncio.to_thread(_remove_dead, self._path)
        if self._server is not None:
            self._server.close()
        for task in self._connections:
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._serve(reader, writer), name="control connection")
        self._connections.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._connections.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("a request met a bug of ours", exc_info=error)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with suppress(ConnectionError):
                await self._converse(reader, writer)
        finally:
            writer.close()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if peer(writer.get_extra_info("socket")) not in (None, self._owner):
            stranger = ConfigurationInvalid(
                "This daemon is another user's.", "Ask as its user, or name a --home of your own."
            )
            await _part(reader, writer, stranger)
            return
        while True:
            try:
                line = await reader.readline()
            except ValueError:
                message = f"A request is longer than {LINE_BYTES_MAX} bytes."
                await _part(reader, writer, InputInvalid(message, "Ask in several requests."))
                return
            if not line:
                return
            await _say(writer, await self._answer(line))

    async def _answer(self, line: bytes) -> object:
        try:
            name, fields = understood(line)
            answer = self._answers.get(name)
            if answer is None:
                known = ", ".join(sorted(self._answers))
                message = f"The daemon does not know the request {name!r}."
                raise InputInvalid(message, f"It answers {known}: is it of another version?")
            return {"ok": True, "data": await answer(fields)}
        except OyaError as error:
            return refusal(error)


def understood(line: bytes) -> tuple[str, Mapping[str, object]]:
    """The name of a request and its other fields. Raises InputInvalid where it is none."""
    try:
        found = json.loads(line)
    except (ValueError, RecursionError) as error:
        message = f"A request is not JSON: {str(error) or type(error).__name__}."
        raise InputInvalid(message, 'Send one object a line, such as {"ask": "about"}.') from error
    name = found.pop("ask", None) if isinstance(found, dict) else None
    if not isinstance(name, str):
        message = "A request is no object that says what it asks."
        raise InputInvalid(message, 'Send one object a line, such as {"ask": "about"}.')
    return name, found


def refusal(error: OyaError) -> object:
    """An error as it is answered."""
    what = {"code": error.code, "message": error.message, "hint": error.hint}
    return {"ok": False, "error": what}


async def _say(writer: asyncio.StreamWriter, answer: object) -> None:
    writer.write(json.dumps(answer, ensure_ascii=False).encode(errors="replace") + b"\n")
    await writer.drain()


async def _part(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, error: OyaError
) -> None:
    """Say a last word and hear the other one out for a moment: what is closed with words unread
    may be gone before its last one arrives."""
    await _say(writer, refusal(error))
    writer.write_eof()
    with suppress(TimeoutError):
        async with asyncio.timeout(PARTING_S):
            while await reader.read(LINE_BYTES_MAX):
                pass


def peer(connection: socket.socket) -> int | None:
    """The uid of who is at the other end; None where the kernel does not say."""
    if not hasattr(socket, "SO_PEERCRED"):
        return None
    said = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER.size)
    _, uid, _ = _PEER.unpack(said)
    return int(uid)


def listen(path: Path) -> socket.socket:
    """A listening socket at `path`, in the place of one that is there. Raises WorldFailed where
    something else is, and where the file system has no room or no sockets."""
    ear = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        _remove_dead(path)
        with socket_address(path) as address:
            ear.bind(address)
        path.chmod(0o600)
        ear.listen(BACKLOG)
    except OSError as error:
        ear.close()
        raise WorldFailed(
            f"No socket can be made at {path}: {error.strerror or error}.",
            hint="Commands cannot reach the daemon; move what is there away, or use another home.",
        ) from error
    return ear


def _remove_dead(path: Path) -> None:
    """Remove a socket that nobody may listen on any more. Anything else stays, and is in the
    way."""
    with suppress(FileNotFoundError):
        if stat.S_ISSOCK(path.lstat().st_mode):
            path.unlink()
