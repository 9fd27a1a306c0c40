"""Real processes for the tests of the runner: what is there, what is left, and a daemon to kill."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypedDict, Unpack

from oya_vcs.adapters.clock import SystemClock
from oya_vcs.adapters.process import ReaperRunner
from oya_vcs.core.ids import BeadId, Key, execution_key
from oya_vcs.ports import Finished, Order

AGENTS = Path(__file__).parents[1] / "fixtures" / "agents"
SECONDS = 20
"""How long a test waits for what must happen; far more than it takes."""


class Limits(TypedDict, total=False):
    """The limits of an order."""

    lease_ms: int
    wall_ms_max: int
    stop_ms: int
    output_bytes_max: int


async def nothing(_pid: int, _started: int) -> None:
    """A `Spawned` that has nothing to record."""


@dataclass(frozen=True, slots=True)
class Bench:
    """A home for runs, and orders for them with short limits."""

    root: Path
    env: Mapping[str, str] = field(default_factory=dict)

    @property
    def work(self) -> Path:
        """The folder that programs work in."""
        return self.root / "work"

    def key(self, name: str = "run") -> Key:
        """The key of a run in this test: another test's runs have others."""
        return execution_key(BeadId("bead"), [str(self.root), name])

    def folder(self, name: str = "run") -> Path:
        """The folder of a run."""
        return self.root / "runs" / self.key(name)

    def log(self, name: str = "run") -> Path:
        """Where the output of a run goes."""
        return self.root / "logs" / f"{name}.log"

    def runner(self) -> ReaperRunner:
        """A runner over the runs of this bench."""
        return ReaperRunner(self.root / "runs", SystemClock())

    def order(self, *argv: str, name: str = "run", **limits: Unpack[Limits]) -> Order:
        """An order to run `argv`, without lease and with far limits unless given."""
        self.work.mkdir(exist_ok=True)
        given: Limits = {
            "lease_ms": 0,
            "wall_ms_max": 60_000,
            "stop_ms": 300,
            "output_bytes_max": 1_000_000,
        }
        given.update(limits)
        return Order(
            key=self.key(name),
            argv=argv,
            cwd=self.work,
            env={"PATH": os.environ["PATH"], **self.env},
            log=self.log(name),
            heartbeat=self.root / "heartbeat",
            **given,
        )

    def agent(
        self, agent: str, *, name: str = "run", title: str = "", **limits: Unpack[Limits]
    ) -> Order:
        """An order to run one of fixtures/agents, with a bead of that title."""
        bead = self.root / f"{name}.json"
        bead.write_text(json.dumps({"id": name, "title": title, "description": "30"}))
        order = self.order(str(AGENTS / agent), name=name, **limits)
        (self.root / "heartbeat").touch()
        env = {**order.env, "OYA_BEAD_FILE": str(bead), "OYA_HEARTBEAT": str(order.heartbeat)}
        return replace(order, env=env)

    async def run(self, order: Order) -> Finished:
        """Run it to its end."""
        return await self.runner().run(order, nothing)

    def outcome(self, name: str = "run") -> dict[str, object]:
        """What the reaper recorded."""
        found = json.loads((self.folder(name) / "outcome.json").read_text())
        assert isinstance(found, dict)
        return found


def left(key: Key) -> list[int]:
    """Every process that carries the key, in its environment or in its arguments."""
    return [pid for pid in all_pids() if carries(pid, key)]


def all_pids() -> list[int]:
    """Every process of this machine."""
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]


def carries(pid: int, key: Key) -> bool:
    """Whether a process carries the key."""
    for name in ("environ", "cmdline"):
        try:
            if key.encode() in Path(f"/proc/{pid}/{name}").read_bytes():
                return True
        except OSError:
            return False
    return False


def cmdline(pid: int) -> bytes:
    """The arguments of a process; empty where it has ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def zombies() -> list[int]:
    """The children of this process that ended and were not waited for."""
    found = []
    for pid in all_pids():
        try:
            text = Path(f"/proc/{pid}/stat").read_text()
        except OSError:
            continue
        state, parent, *_ = text.rpartition(")")[2].split()
        if state == "Z" and int(parent) == os.getpid():
            found.append(pid)
    return found


async def until(is_so: Callable[[], object]) -> None:
    """Return when it is so; fail after SECONDS."""
    async with asyncio.timeout(SECONDS):
        while not is_so():  # noqa: ASYNC110 - a state of the world outside has no event
            await asyncio.sleep(0.01)


DAEMON = """
import asyncio, pathlib, sys
from tests.processes import Bench, nothing
bench = Bench(pathlib.Path(sys.argv[1]))
order = bench.agent(sys.argv[2], title=sys.argv[3])
asyncio.run(bench.run(order))
"""


async def start_daemon(bench: Bench, agent: str, title: str = "") -> asyncio.subprocess.Process:
    """Another process with a runner that runs one agent, as a daemon would."""
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", DAEMON, str(bench.root), agent, title),
        cwd=Path(__file__).parents[1],
        start_new_session=True,
    )
