"""One errand at an opencode server: found or started, a session on it, and what comes of that.

Four things may happen in any order, and come in at one place: events, the end of their stream, the
end of the server, and the wish that all this stops. The stream is read by a thread of its own.
"""

from __future__ import annotations

import os
import queue
import secrets
import signal
import socket
import subprocess
import threading
import time
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from oya_vcs.adapters.escort.errand import Errand
from oya_vcs.adapters.escort.opencode import Session, rules
from oya_vcs.adapters.escort.telling import Log, Report
from oya_vcs.adapters.escort.web import WAITS_S, Server, ServerError

USER = "opencode"
PASSWORD = "OPENCODE_SERVER_PASSWORD"  # noqa: S105 - the name of a variable
HEALTH_S = 2.0
"""A server that is starting may take a connection and never answer on it."""
START_S = 120.0
START_LOOK_S = 0.05
LOOK_S = 10.0
"""Events get lost: so often it is asked whether the session has come to its end."""
TURN_S = 1.0
BRIEFLY_S = 5.0
WAITING_MAX = 100
"""Events that wait to be read; then the stream waits."""
FAILED = 1
ENDS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)

Item = tuple[str, Any]


class StoppedError(Exception):
    """We are to stop."""


class FailedError(Exception):
    """The attempt has failed, and why; `reason` as in the report."""

    def __init__(self, detail: str, reason: str = "worker_failed") -> None:
        super().__init__(detail)
        self.reason = reason


class Visit:
    """`argv` starts a server; empty where the errand names some that run."""

    def __init__(self, errand: Errand, argv: Sequence[str], log: Log, report: Report) -> None:
        self._errand = errand
        self._argv = list(argv)
        self._log = log
        self._report = report
        self._inbox = queue.SimpleQueue[Item]()
        self._process: subprocess.Popen[bytes] | None = None
        self._server: Server | None = None
        self._session: Session | None = None

    def run(self) -> int:
        """Carry the errand out; the status to exit with."""
        try:
            with _heeding_signals(self._inbox):
                self._server = self._start() if self._argv else self._find()
                self._attend(self._server)
        except FailedError as error:
            self._report.fail(str(error), error.reason)
        except ServerError as error:
            self._report.fail(str(error))
        except StoppedError:
            self._report.fail("The agent was asked to stop.")
        if self._report.reason:
            self._log.line("escort", self._report.detail)
        self._leave()
        return FAILED if self._report.reason else 0

    def _start(self) -> Server:
        """A server of our own, for this attempt alone. Raises FailedError."""
        password = secrets.token_hex(24)
        port = _free_port()
        where = ("--hostname", "127.0.0.1", "--port", str(port))
        try:
            self._process = subprocess.Popen(
                (*self._argv, *where),
                stdin=subprocess.DEVNULL,
                env={**os.environ, PASSWORD: password},
                restore_signals=True,
            )
        except OSError as error:
            said = os.strerror(error.errno or 0)
            message = f"The agent's program {self._argv[0]} cannot be run: {said}."
            raise FailedError(message, "worker_missing") from None
        url, cwd = f"http://127.0.0.1:{port}", self._errand.cwd
        server = Server(url, USER, password, cwd, self._require_process)
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline:
            if self._is_well(server):
                return server
            time.sleep(START_LOOK_S)
        raise FailedError(f"The server did not answer within {START_S:g} s of its start.")

    def _find(self) -> Server:
        """One of those that run: the first that is well, beginning with another one for each
        attempt. Raises FailedError."""
        urls = self._errand.urls
        first = zlib.crc32(self._errand.cwd.encode()) % len(urls)
        password = os.environ.get(PASSWORD, "")
        for wait_s in (*WAITS_S, None):
            for url in urls[first:] + urls[:first]:
                server = Server(url, USER, password, self._errand.cwd)
                if self._is_well(server):
                    return server
            if wait_s is not None:
                time.sleep(wait_s)
        raise FailedError(f"No opencode server is well at {', '.join(urls)}.")

    def _is_well(self, server: Server) -> bool:
        """By what it says of itself: any server answers with 200. Raises FailedError where it does
        not let us in."""
        try:
            health = server.ask("GET", "/global/health", limit_s=HEALTH_S, tries=1)
        except ServerError as error:
            if error.status in {401, 403}:
                raise FailedError(f"The server at {server.url} refuses our password.") from None
            return False
        if not isinstance(health, dict) or health.get("healthy") is not True:
            return False
        self._log.line("escort", f"opencode {health.get('version')} at {server.url}")
        return True

    def _attend(self, server: Server) -> None:
        """A session, from its beginning to its end."""
        asked = {
            "title": self._errand.cwd.rpartition("/")[2],
            "permission": rules(self._errand.allowed),
        }
        made = server.ask("POST", "/session", asked)
        number = made.get("id") if isinstance(made, dict) else None
        if not isinstance(number, str):
            raise FailedError("The server opened a session without a name.")
        session = self._session = Session(number, self._log, self._report)
        threading.Thread(target=self._listen, args=(server,), daemon=True).start()
        self._wait_for_stream()
        self._prompt(server, number)
        due = time.monotonic() + LOOK_S
        while True:
            kind, item = self._next(TURN_S)
            if kind == "event":
                for path, body in session.hear(item):
                    self._tell(server, path, body)
            elif kind == "back":
                self._catch_up(server, session)
                session.at_rest = True  # it may have come to its end meanwhile: look
            if session.gave_up:
                raise FailedError(session.gave_up)
            if server.heard_bytes > self._errand.bytes_max:
                limit = self._errand.bytes_max
                message = f"The agent wrote more than its limit of {limit} bytes."
                raise FailedError(message, "output_limit")
            if session.at_rest or time.monotonic() > due:
                due = time.monotonic() + LOOK_S
                session.at_rest = False
                if self._look(server, session):
                    return
            self._report.write()

    def _wait_for_stream(self) -> None:
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline:
            if self._next(TURN_S)[0] == "event":  # `server.connected`, the first of each stream
                return
        raise FailedError("The server's stream of events does not begin.")

    def _prompt(self, server: Server, number: str) -> None:
        """Say once what is asked. Where no answer tells whether it was taken, the session does."""
        with open(self._errand.prompt, encoding="utf-8") as file:  # noqa: PTH123 - as in errand.py
            body: dict[str, Any] = {"parts": [{"type": "text", "text": file.read()}]}
        if self._errand.model:
            provider, _, model = self._errand.model.partition("/")
            body["model"] = {"providerID": provider, "modelID": model}
        if self._errand.agent:
            body["agent"] = self._errand.agent
        for wait_s in (*WAITS_S, None):
            try:
                server.ask("POST", f"/session/{number}/prompt_async", body, tries=1)
            except ServerError as error:
                if wait_s is None or 0 < error.status < 500:
                    raise
                time.sleep(wait_s)
                if server.ask("GET", f"/session/{number}/message"):
                    return
            else:
                return

    def _look(self, server: Server, session: Session) -> bool:
        """Whether the session has come to its end; all that was said is read only where nothing is
        being done."""
        statuses = server.ask("GET", "/session/status")
        if isinstance(statuses, dict) and session.number in statuses:
            return session.look(statuses, [])
        return session.look({}, server.ask("GET", f"/session/{session.number}/message"))

    def _catch_up(self, server: Server, session: Session) -> None:
        """Answer what was asked while nobody listened."""
        for asked in server.ask("GET", "/permission") or []:
            if session.concerns(asked):
                self._tell(server, *session.refuse(asked))
        for asked in server.ask("GET", "/question") or []:
            if session.concerns(asked):
                self._tell(server, f"/question/{asked.get('id')}/reject", {})

    def _tell(self, server: Server, path: str, body: object) -> None:
        try:
            server.ask("POST", path, body)
        except ServerError as error:
            if error.status != 404:  # it was answered already
                raise

    def _listen(self, server: Server) -> None:
        """A thread: what the server tells."""

        def heard(event: object) -> None:
            while self._inbox.qsize() > WAITING_MAX:
                time.sleep(0.01)
            self._inbox.put(("event", event))

        try:
            server.listen("/event", heard, lambda: self._inbox.put(("back", None)))
        except ServerError as error:
            self._inbox.put(("deaf", error))

    def _next(self, limit_s: float) -> Item:
        """What happens next; nothing, where nothing does. Raises FailedError where it is an end."""
        try:
            kind, item = self._inbox.get(timeout=limit_s)
        except queue.Empty:
            return "", None
        if kind == "child":
            self._require_process()
        if kind == "deaf":
            self._require_process()
            raise item
        return kind, item

    def _require_process(self) -> None:
        """Raises FailedError where our server has ended."""
        status = None if self._process is None else self._process.poll()
        if status is not None:
            how = f"with status {status}" if status >= 0 else f"by signal {-status}"
            when = "before" if self._session is None else "in the middle of"
            raise FailedError(f"The server ended {how} {when} the session.")

    def _leave(self) -> None:
        """Leave nothing behind: no work under way, and no server of ours."""
        if self._server is not None and self._session is not None:
            with suppress(ServerError):
                if self._report.reason:
                    path = f"/session/{self._session.number}/abort"
                    self._server.ask("POST", path, {}, limit_s=BRIEFLY_S, tries=1)
                if self._process is None:  # what it keeps of this folder in memory
                    self._server.ask("POST", "/instance/dispose", {}, limit_s=BRIEFLY_S, tries=1)
        if self._process is not None:
            self._process.terminate()
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(BRIEFLY_S)


@contextmanager
def _heeding_signals(inbox: queue.SimpleQueue[Item]) -> Iterator[None]:
    """While the block runs, a wish to stop breaks whatever is waited for; after it, none does."""

    def stop(*_: object) -> None:
        ignore()
        raise StoppedError

    def ignore() -> None:
        for number in ENDS:
            signal.signal(number, signal.SIG_IGN)

    signal.signal(signal.SIGCHLD, lambda *_: inbox.put(("child", None)))
    try:
        for number in ENDS:
            signal.signal(number, stop)
        yield
    finally:
        ignore()


def _free_port() -> int:
    """A port that nobody listens at. Port 0 would mean another to opencode."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    return int(port)
