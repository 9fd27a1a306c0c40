"""Parts of the tree that come and go while it runs, each kept running like any other.

A lodger has a supervisor of its own. One that gives up is gone: whoever took it in is told why, and
neither its neighbours nor the daemon suffer. Those that were taken in are started again with the
rest of the tree, after an outage of the disk. Knows nothing of what they do.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, TypeVar

from oya_vcs.core.supervision import Node, Strategy
from oya_vcs.ports import Clock
from oya_vcs.runtime.supervisor import Child, Ready, Supervisor

T = TypeVar("T")

Gone = Callable[[BaseException], None]
"""Hears what a lodger gave up with."""


@dataclass(slots=True, eq=False)
class _Lodger:
    around: Supervisor
    gone: Gone
    task: asyncio.Task[None] | None = None


class Lodgers:
    """One node of the tree. All calls on one event loop."""

    def __init__(self, name: str, *, clock: Clock, say: Callable[[str], None]) -> None:
        self._house = Supervisor(name, Strategy.ONE_FOR_ONE, (), clock=clock, say=say)
        self._clock = clock
        self._say = say
        self._lodgers: dict[str, _Lodger] = {}
        self._is_open = False

    def as_child(self, *, stop_ms: int) -> Child:
        """All of them as a child of a supervisor; `stop_ms` is for all that is below."""
        return Child(name=self._house.name, run=self.run, stop_ms=stop_ms, tree=self.tree)

    async def run(self, ready: Ready) -> None:
        """Keep those running who were taken in and have not left, until cancelled."""
        self._is_open = True
        try:
            for name in self._lodgers:
                self._launch(name)
            await self._house.run(ready)
        finally:
            self._is_open = False

    def take(self, name: str, children: Sequence[Child], gone: Gone) -> None:
        """Keep these running under a name that nobody has, from now on or from when the tree is up;
        `gone` hears why, where that is given up."""
        around = Supervisor(name, Strategy.ONE_FOR_ONE, children, clock=self._clock, say=self._say)
        self._lodgers[name] = _Lodger(around, gone)
        if self._is_open:
            self._launch(name)

    async def leave(self, name: str) -> None:
        """Stop a lodger; returns when it has ended. Nothing where there is none of that name."""
        lodger = self._lodgers.pop(name, None)
        if lodger is not None and lodger.task is not None:
            lodger.task.cancel()
            await asyncio.wait({lodger.task})

    def adopt(self, work: Coroutine[Any, Any, T], *, name: str) -> asyncio.Task[T]:
        """Run this once, as part of the tree, and return its task: it is cancelled with it."""
        return self._house.adopt(work, name=name)

    def tree(self) -> Node:
        """What is there now."""
        node = self._house.tree()
        return replace(node, children=tuple(map(self._whole, node.children)))

    def _whole(self, node: Node) -> Node:
        """A lodger with all that is below it; something adopted as it is."""
        lodger = self._lodgers.get(node.name)
        return node if lodger is None else lodger.around.tree()

    def _launch(self, name: str) -> None:
        lodger = self._lodgers[name]
        lodger.task = self._house.adopt(lodger.around.run(_nobody_waits), name=name)
        lodger.task.add_done_callback(partial(self._ended, name, lodger))

    def _ended(self, name: str, lodger: _Lodger, task: asyncio.Task[None]) -> None:
        error = None if task.cancelled() else task.exception()
        if error is not None and self._lodgers.get(name) is lodger:
            del self._lodgers[name]
            lodger.gone(error)


def _nobody_waits() -> None:
    """Whoever takes a lodger in goes on at once."""
