"""Folders that are watched: what happens in them is heard of, and what cannot be watched is looked
at by the clock."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import aclosing
from pathlib import Path

import pytest

from oya_vcs.adapters import watch
from oya_vcs.adapters.watch import stirred

SOON_MS = 50
LATE_MS = 60_000
LIMIT_S = 30


async def test_the_folder_in_which_something_happened_is_told(tmp_path: Path) -> None:
    """And not the other one; a file that was made and one that was deleted alike."""
    one, other = tmp_path / "one", tmp_path / "other"
    one.mkdir()
    other.mkdir()
    async with asyncio.timeout(LIMIT_S), aclosing(stirred((one, other), LATE_MS)) as told:
        first = asyncio.ensure_future(anext(told))
        while not first.done():  # the watch begins when it begins
            (one / "file").touch()
            (one / "file").unlink()
            await asyncio.sleep(0.02)
        assert await first == {one}


async def test_where_nothing_happens_the_time_is_told(tmp_path: Path) -> None:
    """Again and again, so that somebody looks whether anything was missed."""
    async with asyncio.timeout(LIMIT_S), aclosing(stirred((tmp_path,), SOON_MS)) as told:
        assert [await anext(told) for _ in range(3)] == [frozenset()] * 3


@pytest.mark.parametrize("there", [False, True])
async def test_without_a_folder_only_the_time_is_told(tmp_path: Path, *, there: bool) -> None:
    """No folder at all, or one that is missing beside one that is there: it ends, to be begun
    anew."""
    folders = (tmp_path, tmp_path / "gone") if there else ()
    async with asyncio.timeout(LIMIT_S):
        assert [one async for one in stirred(folders, SOON_MS)] == [frozenset()]


async def test_a_system_without_watches_to_give_costs_time_and_no_daemon(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """inotify has a limit for each user, which an editor may have used up: said once."""

    async def refuses(
        *_folders: Path, **_settings: object
    ) -> AsyncGenerator[frozenset[Path], None]:
        if folders := frozenset(_folders):
            raise RuntimeError("Too many open files (os error 24)")
        yield folders

    monkeypatch.setattr(watch, "awatch", refuses)
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            async with asyncio.timeout(LIMIT_S):
                assert [one async for one in stirred((tmp_path,), SOON_MS)] == [frozenset()]
    assert [row.message for row in caplog.records] == [
        "What others do in jj is noticed up to 0.05 s later: Too many open files (os error 24)"
    ]
