"""A stream of events (server-sent events) as its bytes come, cut anywhere.

Pure. Must not know where the bytes come from, nor what an event means.
"""

from __future__ import annotations

FRAME_BYTES_MAX = 32 * 1024 * 1024
"""What one event may have; servers send whole files and diffs in one."""


class FrameTooLongError(Exception):
    """An event without end."""


class Frames:
    """Takes bytes and gives the data of each event that is whole. What was not ended when the
    stream broke off is lost with this object: the next stream begins anew. Names and ids of events
    are passed over: our servers use none (WHATWG HTML, 9.2.6)."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._data: list[bytes] = []
        self._size = 0

    def feed(self, chunk: bytes) -> list[bytes]:
        """The data of the events that these bytes end. Raises FrameTooLongError."""
        self._size += len(chunk)
        if self._size > FRAME_BYTES_MAX:
            raise FrameTooLongError
        self._pieces.append(chunk)
        if b"\n" not in chunk and b"\r" not in chunk:
            return []
        text = b"".join(self._pieces)
        half = text[-1:] == b"\r"  # the other half of a line's end may be on its way
        text = text[: len(text) - half].replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        *lines, rest = text.split(b"\n")
        self._pieces = [rest + b"\r" * half]
        found = [data for line in lines if (data := self._line(line)) is not None]
        self._size = len(self._pieces[0]) + sum(map(len, self._data))
        return found

    def _line(self, line: bytes) -> bytes | None:
        """The data of the event that this line ends; None where it ends none."""
        if line:
            name, _, text = line.removeprefix(b"\xef\xbb\xbf").partition(b":")
            if name == b"data":
                self._data.append(text.removeprefix(b" "))
            return None
        data, self._data = self._data, []
        return b"\n".join(data) if data else None
