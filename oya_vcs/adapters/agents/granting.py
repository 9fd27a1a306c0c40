"""What a worker may reach beyond its workspace: nothing, unless somebody grants it.

`ports.Grants` says how. Must not know what kind of worker it is.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from oya_vcs.core.effects import RunWorker
from oya_vcs.core.ids import Key
from oya_vcs.ports import Report


class Nothing:
    """`ports.Grants` where a worker has what its environment has, and no more."""

    @asynccontextmanager
    async def granted(
        self, key: Key, work: RunWorker, report: Report
    ) -> AsyncIterator[Mapping[str, str]]:
        """No variables."""
        yield {}
