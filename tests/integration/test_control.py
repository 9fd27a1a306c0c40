"""The daemon's socket and the command's side of it: real sockets, no daemon behind them."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import stat
from collections.abc import Mapping
from pathlib import Path

import pytest

from oya_vcs.adapters.control import LINE_BYTES_MAX, ControlSocket
from oya_vcs.cli.asking import ask
from oya_vcs.config import Home, socket_address
from oya_vcs.errors import (
    Bug,
    ConfigurationInvalid,
    ExitCode,
    InputInvalid,
    NoDaemon,
    NotFound,
    WorldFailed,
)
from oya_vcs.ports import Answer


async def echo(fields: Mapping[str, object]) -> object:
    """What was asked."""
    return dict(fields)


async def nowhere(_fields: Mapping[str, object]) -> object:
    """An error of the user's."""
    raise NotFound("There is no such thing.", "Look elsewhere.")


async def stumble(_fields: Mapping[str, object]) -> object:
    """A bug that nobody thought of."""
    raise ZeroDivisionError


TABLE: dict[str, Answer] = {"echo": echo, "nowhere": nowhere, "stumble": stumble}


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A home, as its lock's holder made it."""
    root = tmp_path / "home"
    root.mkdir(mode=0o700)
    return Home(root)


async def told(home: Home, name: str, **fields: object) -> object:
    """Ask as a command does, in a thread: it blocks."""
    return await asyncio.to_thread(ask, home, name, **fields)


async def converse(home: Home, *lines: bytes) -> list[dict[str, object]]:
    """Say lines as they are on one connection, and hear all answers to its end."""
    with socket_address(home.socket) as address:
        reader, writer = await asyncio.open_unix_connection(address)
    for line in lines:
        writer.write(line)
    writer.write_eof()
    heard = (await reader.read()).splitlines()
    writer.close()
    return [json.loads(line) for line in heard]


async def test_what_is_asked_is_answered(home: Home) -> None:
    """Fields go in and data comes out; a connection may ask many things, answered in order; what
    has no newline at its end is heard, too."""
    async with ControlSocket(home.socket, TABLE):
        assert await told(home, "echo", a=1, b=["é", None]) == {"a": 1, "b": ["é", None]}
        answers = await converse(
            home, b'{"ask": "echo", "n": 1}\n{"ask": "nowhere"}\n', b'{"ask": "echo", "n": 2}'
        )
        assert [one["ok"] for one in answers] == [True, False, True]
        assert answers[2]["data"] == {"n": 2}


async def test_an_error_of_the_daemon_is_an_error_of_the_command(home: Home) -> None:
    """Its kind, its exit code and its words; an unknown name says what there is."""
    async with ControlSocket(home.socket, TABLE):
        with pytest.raises(NotFound, match="no such thing") as caught:
            await told(home, "nowhere")
        assert caught.value.hint == "Look elsewhere."
        with pytest.raises(InputInvalid, match="does not know the request 'dance'") as unknown:
            await told(home, "dance")
        assert "echo, nowhere, stumble" in unknown.value.hint


@pytest.mark.parametrize(
    "line",
    [
        b"\n",
        b"hello\n",
        b"[1]\n",
        b'{"ask": 7}\n',
        b"{}\n",
        b'{"ask": "echo"\n',
        b"\xff\xfe\n",
        b"[" * 100_000 + b"\n",
    ],
)
async def test_a_bad_line_gets_an_error_and_hurts_nobody(home: Home, line: bytes) -> None:
    """The error says so, and the next line of the same connection is answered."""
    async with ControlSocket(home.socket, TABLE):
        first, second = await converse(home, line, b'{"ask": "echo"}\n')
        assert first["ok"] is False
        error = first["error"]
        assert isinstance(error, dict)
        assert error["code"] == "input_invalid"
        assert second == {"ok": True, "data": {}}


async def test_a_line_without_end_is_cut_off_alone(home: Home) -> None:
    """Its connection gets an error and ends; others go on."""
    async with ControlSocket(home.socket, TABLE):
        with socket_address(home.socket) as address:
            reader, writer = await asyncio.open_unix_connection(address)
        writer.write(b"x" * (2 * LINE_BYTES_MAX))
        answer = json.loads(await reader.readline())
        assert "longer than" in answer["error"]["message"]
        writer.close()
        assert await told(home, "echo") == {}


async def test_a_bug_ends_its_connection_and_no_other(
    home: Home, caplog: pytest.LogCaptureFixture
) -> None:
    """The asker is told that nobody answered; the bug is in the log; the daemon goes on."""
    async with ControlSocket(home.socket, TABLE):
        with pytest.raises(WorldFailed, match="ended before it answered"):
            await told(home, "stumble")
        assert await told(home, "echo") == {}
    assert "a bug of ours" in caplog.text


async def test_only_its_owner_is_answered(home: Home) -> None:
    """Another uid than the owner's is refused with a sentence, which arrives however much was said;
    the file's mode keeps others away."""
    async with ControlSocket(home.socket, TABLE, owner=os.geteuid() + 1):
        assert stat.S_IMODE(home.socket.stat().st_mode) == 0o600
        for words in ("", "long" * 100_000) * 10:
            with pytest.raises(ConfigurationInvalid, match="another user's"):
                await told(home, "echo", words=words)


async def test_without_a_daemon_the_next_step_is_said(home: Home) -> None:
    """No socket, and one that a killed daemon left behind, are the same: exit code 6."""
    with pytest.raises(NoDaemon, match="No daemon works on") as caught:
        await told(home, "echo")
    assert caught.value.exit_code is ExitCode.NO_DAEMON
    assert "`oya-vcs up`" in caught.value.hint
    left = socket.socket(socket.AF_UNIX)
    left.bind(str(home.socket))
    left.close()
    with pytest.raises(NoDaemon):
        await told(home, "echo")


async def test_a_dead_daemons_socket_is_replaced_and_the_own_one_removed(home: Home) -> None:
    """What a killed daemon left is in nobody's way; after a good end nothing is left."""
    left = socket.socket(socket.AF_UNIX)
    left.bind(str(home.socket))
    left.close()
    async with ControlSocket(home.socket, TABLE):
        assert await told(home, "echo") == {}
    assert list(home.root.iterdir()) == []


async def test_what_is_no_socket_is_left_alone(home: Home) -> None:
    """A file of that name is somebody's: an error says so, and the file stays as it is."""
    home.socket.write_text("mine")
    with pytest.raises(WorldFailed, match="No socket can be made"):
        async with ControlSocket(home.socket, TABLE):
            pass
    assert home.socket.read_text() == "mine"


async def test_a_path_longer_than_the_kernel_takes_works(tmp_path: Path) -> None:
    """sun_path holds 108 bytes; a home may be deeper."""
    root = tmp_path.joinpath(*["d" * 60] * 4)
    root.mkdir(parents=True)
    home = Home(root)
    with pytest.raises(NoDaemon):
        await told(home, "echo")
    async with ControlSocket(home.socket, TABLE):
        assert home.socket.is_socket()
        assert await told(home, "echo", far=True) == {"far": True}
    assert list(root.iterdir()) == []


async def test_leaving_ends_what_is_under_way(home: Home) -> None:
    """A request that nobody answers does not hold up the end; its asker is told."""
    begun = asyncio.Event()

    async def ponder(_fields: Mapping[str, object]) -> object:
        begun.set()
        await asyncio.Event().wait()
        raise Bug("unreachable")

    async with ControlSocket(home.socket, {"ponder": ponder}):
        asking = asyncio.create_task(told(home, "ponder"))
        await begun.wait()
    with pytest.raises(WorldFailed, match="ended before it answered"):
        await asking
