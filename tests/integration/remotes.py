"""A bare repository that a target is pushed to, over file:// and over smart HTTP on loopback.

The server is git's own `http-backend` behind a few lines of CGI; a test may let it refuse, fail
before or after it has done what was asked, or not answer.
"""

from __future__ import annotations

import base64
import os
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from tests.integration.conftest import UserRepo

USER, PASSWORD = "uma", "pa55word"


@dataclass
class Origin:
    """The bare repository. `url` is how it is reached; `hits` are the requests of an HTTP one."""

    bare: Path
    user: UserRepo
    url: str
    fault: str = ""
    """What the server does: "" all well; "401", "403", "404", "500"; "500 after", "drop after":
    a push is done and then not acknowledged; "down": nobody answers."""
    hits: list[str] = field(default_factory=list)

    def git(self, *args: str) -> str:
        """Git at the bare repository."""
        return self.user.run(self.user.tools.git, f"--git-dir={self.bare}", *args).strip()

    def main(self) -> str:
        """Where its main is; empty where there is none."""
        return self.git("for-each-ref", "--format=%(objectname)", "refs/heads/main")

    def offer(self, commit: str) -> bool:
        """Somebody pushes a commit to its main, not by force; whether that was taken."""
        argv = [str(self.user.tools.git), f"--git-dir={self.user.peek('git', 'root').strip()}"]
        argv += ["push", "-q", str(self.bare), f"{commit}:refs/heads/main"]
        ran = subprocess.run(argv, env=self.user.environ, capture_output=True, check=False)
        return ran.returncode == 0

    def put(self, commit: str) -> None:
        """Somebody pushes a commit of the user's repository to its main, by force."""
        self.user.git("push", "-q", "--force", str(self.bare), f"{commit}:refs/heads/main")

    def hook(self, text: str) -> None:
        """Let a pre-receive hook judge pushes."""
        hook = self.bare / "hooks" / "pre-receive"
        hook.parent.mkdir(exist_ok=True)
        hook.write_text(f"#!/bin/sh\n{text}\n")
        hook.chmod(0o755)

    def overtake(self, ref: str, commit: str) -> None:
        """Let the ref be moved by somebody else while the server takes a push: after it has said
        where the ref stands, before it moves it."""
        self.hook(f"unset GIT_QUARANTINE_PATH\ngit update-ref {ref} {commit}")


@contextmanager
def origin_of(user: UserRepo, folder: Path, way: str) -> Iterator[Origin]:
    """An empty bare repository that the user's has as its remote `origin`, with main pushed."""
    origin = Origin(folder / "origin.git", user, "")
    user.run(user.tools.git, "init", "-q", "--bare", "-b", "main", origin.bare)
    for key, value in (
        ("receive.denyDeleteCurrent", "ignore"),
        ("http.receivepack", "true"),
        ("receive.advertisePushOptions", "true"),
    ):
        origin.git("config", key, value)
    if way == "file":
        origin.url = f"file://{origin.bare}"
        _connect(origin)
        yield origin
        return
    with _serving(origin) as port:
        origin.url = f"http://{USER}:{PASSWORD}@127.0.0.1:{port}/origin.git"
        _connect(origin)
        yield origin


def _connect(origin: Origin) -> None:
    user = origin.user
    user.peek("git", "remote", "add", "origin", origin.url)
    user.peek("git", "export")
    user.git("push", "-q", str(origin.bare), "refs/heads/main:refs/heads/main")


class _Server(ThreadingHTTPServer):
    """Knows what it serves."""

    origin: Origin


class _Handler(BaseHTTPRequestHandler):
    """CGI, and what goes wrong with it."""

    @property
    def origin(self) -> Origin:
        assert isinstance(self.server, _Server)
        return self.server.origin

    def do_GET(self) -> None:
        self._answer(b"")

    def do_POST(self) -> None:
        self._answer(self._body())

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        body = b""
        while size := int(self.rfile.readline(), 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def _answer(self, body: bytes) -> None:
        path, _, query = self.path.partition("?")
        self.origin.hits.append(f"{self.command} {path} {query}")
        known = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        push = "git-receive-pack" in self.path
        if self.origin.fault == "down":
            self.close_connection = True
        elif self.origin.fault.isdecimal() and (push or self.origin.fault != "403"):
            self._refuse(int(self.origin.fault))
        elif self.headers.get("Authorization") != f"Basic {known}":
            self._refuse(401)
        else:
            said = self._backend(path, query, body)
            if push and body and self.origin.fault == "500 after":
                self._refuse(500)
            elif push and body and self.origin.fault == "drop after":
                self.close_connection = True
            else:
                self._pass_on(said)

    def _refuse(self, code: int) -> None:
        self.send_response(code)
        if code == 401:
            self.send_header("WWW-Authenticate", 'Basic realm="x"')
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _backend(self, path: str, query: str, body: bytes) -> bytes:
        env = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.origin.user.home),
            "GIT_PROJECT_ROOT": str(self.origin.bare.parent),
            "GIT_HTTP_EXPORT_ALL": "1",
            "REQUEST_METHOD": self.command,
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "CONTENT_LENGTH": str(len(body)),
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
            "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
            "REMOTE_USER": USER,
        }
        argv = [str(self.origin.user.tools.git), "http-backend"]
        return subprocess.run(argv, input=body, env=env, capture_output=True, check=True).stdout

    def _pass_on(self, said: bytes) -> None:
        head, _, content = said.partition(b"\r\n\r\n")
        fields = [line.partition(": ")[::2] for line in head.decode().split("\r\n")]
        status = next((value for name, value in fields if name == "Status"), "200 OK")
        self.send_response(int(status.split()[0]))
        for name, value in fields:
            if name != "Status":
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (as in the base)
        """Nobody reads it."""


@contextmanager
def _serving(origin: Origin) -> Iterator[int]:
    server = _Server(("127.0.0.1", 0), _Handler)
    server.origin = origin
    serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    serving.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
        serving.join()
