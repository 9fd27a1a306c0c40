"""HTTP to one server: a request and its JSON, and a stream of events that comes back after every
break. Blocks; each call has a limit. Must not know what is asked, nor of whom.
"""

from __future__ import annotations

import base64
import http.client
import json
import time
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote, urlsplit

from oya_vcs.adapters.escort.frames import Frames, FrameTooLongError

WAITS_S = (1.0, 2.0, 4.0)
"""Before a request is made again, or a stream is opened again."""
ANSWER_S = 300.0
ANSWER_BYTES_MAX = 64 * 1024 * 1024
CHUNK_BYTES = 262_144
SILENT_S = 60.0
"""A stream that is silent for so long is taken for lost: servers send a sign of life every ten to
thirty seconds, which proves nothing but that the stream is there."""


class ServerError(Exception):
    """The server did not do what was asked: `status` 0 means that it did not answer."""

    def __init__(self, said: str, status: int = 0) -> None:
        super().__init__(said)
        self.status = status


class Server:
    """`url` is where it is; `user` and `password` are what lets us in; what is asked concerns
    `directory`. `again` is called before something is asked again, and may raise."""

    def __init__(
        self,
        url: str,
        user: str,
        password: str,
        directory: str,
        again: Callable[[], None] = lambda: None,
    ) -> None:
        self.url = url.rstrip("/")
        self._again = again
        self.heard_bytes = 0
        """Of all streams."""
        self._parts = urlsplit(self.url)
        login = base64.b64encode(f"{user}:{password}".encode()).decode()
        self._headers = {"authorization": f"Basic {login}"} if password else {}
        self._where = f"?directory={quote(directory, safe='')}" if directory else ""

    def ask(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        limit_s: float = ANSWER_S,
        tries: int = 1 + len(WAITS_S),
    ) -> Any:
        """The JSON that is answered, None for none. Asked again where nobody answers or the server
        is in trouble (5xx), so only for what may be done twice, or with `tries` 1. Raises
        ServerError."""
        for wait_s in (*WAITS_S[: tries - 1], None):
            try:
                return self._ask(method, path, body, limit_s)
            except ServerError as error:
                self._again()
                if wait_s is None or 0 < error.status < 500:
                    raise
                time.sleep(wait_s)
        raise AssertionError("the last try returns or raises")

    def listen(self, path: str, heard: Callable[[object], None], back: Callable[[], None]) -> None:
        """Hand every event to `heard`, and call `back` when the stream is there, each time anew:
        what happened meanwhile has to be looked up. Returns never; raises ServerError when the
        stream cannot be had again, or an event has no end."""
        failures = 0
        while True:
            try:
                for data in self._stream(path, back):
                    failures = 0
                    heard(data)
            except FrameTooLongError:
                raise ServerError("The server sent an event without end.", 200) from None
            except ServerError as error:
                if failures == len(WAITS_S) or 0 < error.status < 500:
                    raise
            time.sleep(WAITS_S[min(failures, len(WAITS_S) - 1)])
            failures += 1

    def _ask(self, method: str, path: str, body: object, limit_s: float) -> Any:
        connection = self._connect(limit_s)
        try:
            content = None if body is None else json.dumps(body).encode()
            kind = {} if content is None else {"content-type": "application/json"}
            connection.request(method, path + self._where, content, self._headers | kind)
            answer = connection.getresponse()
            text = answer.read(ANSWER_BYTES_MAX + 1)
        except (OSError, http.client.HTTPException) as error:
            raise ServerError(f"The server at {self.url} does not answer: {error!r}.") from None
        finally:
            connection.close()
        if not 200 <= answer.status < 300:
            said = text[:300].decode(errors="replace")
            message = f"The server answered {method} {path} with {answer.status}: {said}"
            raise ServerError(message, answer.status)
        if not text:
            return None
        try:
            return json.loads(text)
        except (ValueError, RecursionError):
            # A server that knows no such path may answer with a page of its user interface.
            raise ServerError(f"What {method} {path} is answered with is no JSON.", 404) from None

    def _stream(self, path: str, back: Callable[[], None]) -> Iterator[object]:
        connection = self._connect(SILENT_S)
        try:
            connection.request("GET", path + self._where, headers=self._headers)
            answer = connection.getresponse()
            kind = answer.headers.get_content_type()
            if answer.status != 200 or kind != "text/event-stream":
                said = f"The server has no stream of events at {path}: {answer.status} {kind}."
                raise ServerError(said, answer.status if answer.status != 200 else 404)
            back()
            frames = Frames()
            while chunk := answer.read1(CHUNK_BYTES):
                self.heard_bytes += len(chunk)
                for data in frames.feed(chunk):
                    try:
                        yield json.loads(data)
                    except (ValueError, RecursionError):
                        continue  # what it would have told is looked up in the end
        except (OSError, http.client.HTTPException) as error:
            raise ServerError(f"The stream of events broke off: {error!r}.") from None
        finally:
            connection.close()

    def _connect(self, limit_s: float) -> http.client.HTTPConnection:
        host, port = self._parts.hostname or "", self._parts.port
        if self._parts.scheme == "https":
            return http.client.HTTPSConnection(host, port, timeout=limit_s)
        return http.client.HTTPConnection(host, port, timeout=limit_s)
