"""Who may act on the page: links, passes, names, origins; and how a browser is sent there."""

from __future__ import annotations

import stat
import time
from pathlib import Path

import pytest

from oya_vcs.adapters.browser import show
from oya_vcs.bootstrap.page import token_of
from oya_vcs.config import Home
from oya_vcs.errors import WorldFailed
from oya_vcs_bot.api.guard import is_loopback, name_of
from oya_vcs_bot.api.sessions import CODE_MS_MAX, CODES_MAX, PASS_MS_MAX, Sessions


class Time:
    """A clock that is moved by hand."""

    ms = 1_000_000

    def now_ms(self) -> int:
        """The time."""
        return self.ms


def test_a_link_is_good_once_and_for_minutes() -> None:
    """A second browser with the same link gets nothing, nor does one that comes too late."""
    clock = Time()
    sessions = Sessions("token", clock.now_ms)
    code, late = sessions.invite(), sessions.invite()
    assert sessions.enter("guess") is None
    first = sessions.enter(code)
    assert first is not None
    assert sessions.lets(first)
    assert sessions.enter(code) is None
    clock.ms += CODE_MS_MAX
    assert sessions.enter(late) is None


def test_a_pass_outlives_the_daemon_and_ends() -> None:
    """Another life of the daemon with the same token knows it; one with another token does not, and
    it ends after its time. No part of it can be changed."""
    clock = Time()
    sessions = Sessions("token", clock.now_ms)
    found = sessions.enter(sessions.invite())
    assert found is not None
    again = Sessions("token", clock.now_ms)
    assert again.lets(found)
    assert not Sessions("another", clock.now_ms).lets(found)
    until, rest = found.split(".", 1)
    assert not again.lets(f"{int(until) + 1}.{rest}")
    assert not again.lets(found[:-1] + ("0" if found[-1] != "0" else "1"))
    clock.ms += PASS_MS_MAX
    assert not again.lets(found)


@pytest.mark.parametrize("bearer", ["", ".", "..", "token ", "Token", "1.2.3", "\udcff", "९.a.b"])
def test_nothing_else_lets_anybody_in(bearer: str) -> None:
    """The token itself does, to the letter."""
    sessions = Sessions("token", Time().now_ms)
    assert sessions.lets("token")
    assert not sessions.lets(bearer)


def test_links_that_nobody_follows_are_few() -> None:
    """The oldest goes first."""
    sessions = Sessions("token", Time().now_ms)
    codes = [sessions.invite() for _ in range(CODES_MAX + 1)]
    assert sessions.enter(codes[0]) is None
    assert sessions.enter(codes[1]) is not None


@pytest.mark.parametrize(
    ("host", "ours"),
    [
        ("127.0.0.1:7420", True),
        ("127.9.9.9", True),
        ("LOCALHOST:1", True),
        ("[::1]:7420", True),
        ("localhost.evil.example", False),
        ("evil.example:7420", False),
        ("127.0.0.1.evil.example", False),
        ("192.168.0.1", False),
        ("", False),
        ("169.254.169.254", False),
    ],
)
def test_only_this_machine_names_this_machine(host: str, ours: bool) -> None:
    """By number or as localhost, in any case, with a port or none."""
    assert is_loopback(name_of(host)) is ours


def test_the_token_is_made_once_for_its_user_alone(tmp_path: Path) -> None:
    """Nobody else can read it, it stays the same, and an empty one is refused."""
    home = Home(tmp_path)
    token = token_of(home)
    assert len(token) >= 32
    assert stat.S_IMODE(home.token.stat().st_mode) == 0o600
    assert token_of(home) == token
    home.token.write_text("\n")
    with pytest.raises(WorldFailed, match="is empty"):
        token_of(home)


@pytest.mark.filterwarnings("ignore:subprocess:ResourceWarning")
def test_a_window_is_opened_without_the_code_in_its_arguments(tmp_path: Path) -> None:
    """The program is told a file, which sends it on; only its user can read that. Words in the link
    stay words."""
    told = tmp_path / "told"
    program = tmp_path / "chromium"
    program.write_text(f'#!/bin/sh\nprintf "%s" "$*" > {told}.new; mv {told}.new {told}\n')
    program.chmod(0o755)
    file = tmp_path / "ui.html"
    link = 'http://127.0.0.1:1/#code=s3cret"><script>'
    assert show(link, file, tab=False, path=f"{tmp_path}:/usr/bin:/bin")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert "s3cret&quot;&gt;&lt;script&gt;" in file.read_text()
    deadline = time.monotonic() + 60
    while not told.exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert told.read_text() == f"--app={file.as_uri()}"
