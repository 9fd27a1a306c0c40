"""The sandbox of workers: how it is asked for, and what it holds; with real bubblewrap."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from oya_vcs.adapters.sandbox import Bubblewrap, find_bubblewrap, find_sandbox, opened
from oya_vcs.config import WorkerConfig
from oya_vcs.core.events import Reason
from oya_vcs.errors import ConfigurationInvalid
from oya_vcs.ports import Finished
from tests.processes import Bench, left, nothing, until, zombies


def why_not() -> str:
    """Why no sandbox can be made on this machine; empty where one can."""
    program = shutil.which("bwrap")
    if program is None:
        return "bubblewrap is not installed; `oya-vcs doctor` says the same of worker.sandbox"
    argv = [program, "--unshare-pid", "--ro-bind", "/", "/", "--proc", "/proc", "true"]
    ran = subprocess.run(argv, capture_output=True, text=True, check=False)
    return f"this machine forbids sandboxes: {ran.stderr.strip()}" if ran.returncode else ""


WHY_NOT = why_not()
BWRAP = "" if WHY_NOT else find_bubblewrap(os.environ["PATH"])
REAL = pytest.mark.skipif(bool(WHY_NOT), reason=WHY_NOT or "there is a sandbox")


@dataclass(frozen=True, slots=True)
class Boxed:
    """Runs in a sandbox, in a home of their own, on a machine with a user."""

    bench: Bench

    @property
    def user(self) -> Path:
        """The user's home."""
        return self.bench.root / "user"

    @property
    def folder(self) -> Path:
        """The run's own folder."""
        return self.bench.root / "brief"

    @property
    def store(self) -> Path:
        """A repository's store, elsewhere."""
        return self.bench.root / "store"

    def box(self, **settings: Any) -> Bubblewrap:
        """The sandbox; what Python needs stays readable."""
        reads = tuple({Path(one).resolve() for one in (sys.prefix, sys.base_prefix)})
        hidden = self.bench.root / "oya"
        box = Bubblewrap(program="bwrap", user_home=self.user, hidden=hidden, reads=reads)
        return replace(box, **settings)

    def make(self) -> None:
        """The machine."""
        for path in (self.user, self.folder, self.store, self.bench.work / ".jj"):
            path.mkdir(parents=True)
        (self.user / ".ssh").mkdir()
        (self.user / ".ssh" / "id").write_text("private")
        (self.folder / "bead.json").write_text("{}")
        (self.bench.root / "heartbeat").touch()
        (self.bench.root / "oya" / "other").mkdir(parents=True)

    async def run(self, *argv: str, **settings: object) -> Finished:
        """Run a program in the sandbox to its end."""
        box = self.box(program=BWRAP, **settings)
        order = self.bench.order(*argv)
        boxed = await asyncio.to_thread(box.around, order, self.folder)
        return await self.bench.runner().run(boxed, nothing)

    async def sh(self, script: str, **settings: object) -> str:
        """What a script says in the sandbox."""
        return (await self.run("sh", "-c", script, **settings)).tail


@pytest.fixture
def boxed(tmp_path: Path) -> Boxed:
    """The machine."""
    found = Boxed(Bench(tmp_path))
    found.make()
    return found


def pairs(argv: Sequence[str], option: str) -> list[tuple[str, str]]:
    """The two arguments of each use of an option."""
    return [(argv[at + 1], argv[at + 2]) for at, one in enumerate(argv) if one == option]


def test_the_sandbox_that_is_asked_for(boxed: Boxed) -> None:
    """Every rule is in the argument list, in an order in which what stays open is laid over what is
    hidden; the program and its environment stand behind it."""
    order = boxed.bench.order("./agent.sh", "-x")
    made = boxed.box(network=False, writes=(Path("/var/cache/agent"),)).around(order, boxed.folder)
    argv = made.argv
    work = str(boxed.bench.work)
    assert made.boxed
    assert argv[0] == "bwrap"
    assert argv[argv.index("--") :] == ("--", "./agent.sh", "-x")
    assert argv[argv.index("--cap-drop") + 1] == "ALL"
    assert {"--die-with-parent", "--new-session", "--unshare-pid", "--unshare-net"} <= {*argv}
    assert argv[argv.index("--chdir") + 1] == work
    assert pairs(argv, "--ro-bind")[0] == ("/", "/")
    assert (str(boxed.folder), str(boxed.folder)) in pairs(argv, "--ro-bind")
    assert pairs(argv, "--ro-bind-try")[-1] == (f"{work}/.jj", f"{work}/.jj")
    assert {one for _, one in pairs(argv, "--bind")} == {
        *("/tmp", str(boxed.user), work, str(order.heartbeat)),
    }
    assert pairs(argv, "--bind-try") == [("/var/cache/agent", "/var/cache/agent")]
    hidden = [argv[at + 1] for at, one in enumerate(argv) if one == "--tmpfs"]
    assert {one for one in ("/home", "/run", "/var/tmp") if Path(one).is_dir()} <= {*hidden}
    assert hidden == [argv[at + 1] for at, one in enumerate(argv) if one == "--remount-ro"]
    assert max(at for at, one in enumerate(argv) if one == "--tmpfs") < argv.index(work)
    assert (made.env["HOME"], made.env["TMPDIR"]) == (str(boxed.user), "/tmp")
    assert order.env["PATH"] == made.env["PATH"]
    assert "s3cr3t" not in " ".join(replace(made, env={**made.env, "T": "s3cr3t"}).argv)


def test_the_network_is_as_configured(boxed: Boxed) -> None:
    """Only "none" takes it away."""
    order = boxed.bench.order("true")
    assert "--unshare-net" not in boxed.box().around(order, boxed.folder).argv
    assert "--unshare-net" in boxed.box(network=False).around(order, boxed.folder).argv


@pytest.mark.parametrize("home", ["/", "/nonexistent/nowhere"])
def test_a_user_without_a_home_gets_one(boxed: Boxed, home: str) -> None:
    """Where HOME names no folder, the run's home stands in its /tmp."""
    box = replace(boxed.box(), user_home=Path(home))
    made = box.around(boxed.bench.order("true"), boxed.folder)
    assert made.env["HOME"] == "/tmp/home"
    assert (str(boxed.folder / "home"), "/tmp/home") in pairs(made.argv, "--bind")


@REAL
async def test_a_worker_can_write_to_its_workspace_alone(boxed: Boxed) -> None:
    """Its workspace, its own home, its /tmp and its heartbeat; not .jj, the store, the system, the
    brief, our home, or anybody's home."""
    root = boxed.bench.root
    places = {
        "workspace": boxed.bench.work / "new.txt",
        "heartbeat": root / "heartbeat",
        "home": boxed.user / "new.txt",
        "tmp": Path("/tmp/new.txt"),
        "jj": boxed.bench.work / ".jj" / "new.txt",
        "store": boxed.store / "new.txt",
        "brief": boxed.folder / "bead.json",
        "ours": root / "oya" / "new.txt",
        "system": Path("/etc/new.txt"),
        "homes": Path("/home/new.txt"),
        "var": Path("/var/tmp/new.txt"),
    }
    script = "".join(
        f"if (echo x >> '{path}') 2> /dev/null; then echo {name}; fi\n"
        for name, path in places.items()
    )
    said = set((await boxed.sh(script)).split())
    assert said >= {"workspace", "heartbeat", "home", "tmp"}
    assert not said & {"jj", "store", "brief", "system", "homes", "var"}
    assert (boxed.bench.work / "new.txt").read_text() == "x\n"
    for name in ("home", "tmp", "jj", "store", "ours", "system", "homes", "var"):
        assert not places[name].exists(), name  # what it wrote to its own home is its own


@REAL
async def test_a_worker_sees_no_secrets_of_its_user(boxed: Boxed) -> None:
    """The user's home is empty, our own is not there, and no process but its own is."""
    said = await boxed.sh(
        f"ls -A '{boxed.user}'; ls '{boxed.bench.root}'; ls -d /proc/[0-9]* | wc -l"
    )
    *names, processes = said.split()
    assert ".ssh" not in names
    assert "oya" not in names
    assert int(processes) <= 5


@REAL
async def test_a_worker_has_no_capabilities(boxed: Boxed) -> None:
    """None it has, and none that it can get."""
    said = await boxed.sh("grep -E 'Cap(Prm|Eff|Inh)|NoNewPrivs' /proc/self/status")
    assert dict(line.split(":\t") for line in said.splitlines()) == {
        **dict.fromkeys(("CapInh", "CapPrm", "CapEff"), "0" * 16),
        "NoNewPrivs": "1",
    }


@REAL
async def test_what_is_named_stays_open(boxed: Boxed) -> None:
    """`reads` can be read and not written, `writes` both; one that is not there is left out."""
    (boxed.user / "cache").mkdir()
    settings = {
        "reads": opened(["~/.ssh", "~/missing"], boxed.user),
        "writes": opened(["~/cache"], boxed.user),
    }
    said = await boxed.sh(
        "cat ~/.ssh/id; touch ~/.ssh/new || echo no; touch ~/cache/new", **settings
    )
    assert said.startswith("private")
    assert said.endswith("no\n")
    assert not (boxed.user / ".ssh" / "new").exists()
    assert (boxed.user / "cache" / "new").exists()
    missing = await asyncio.to_thread(boxed.box(**settings).missing)
    assert missing == [boxed.user / "missing"]


@REAL
async def test_without_network_nothing_is_reached(boxed: Boxed) -> None:
    """A server on loopback answers in the one sandbox and not in the other."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        program = f"import socket; socket.create_connection(('127.0.0.1', {port}), 5); print('met')"
        argv = (sys.executable, "-I", "-S", "-c", program)
        assert (await boxed.run(*argv)).tail == "met\n"
        alone = Boxed(Bench(boxed.bench.root / "alone"))
        alone.bench.root.mkdir()
        alone.make()
        assert "met" not in (await alone.run(*argv, network=False)).tail


@REAL
async def test_the_end_of_a_boxed_program_is_its_own(boxed: Boxed) -> None:
    """Its exit status passes through, and what it left in the background is gone."""
    finished = await boxed.run("sh", "-c", "setsid sleep 3600 & exit 7")
    assert (finished.reason, finished.exit_code) == (Reason.WORKER_FAILED, 7)
    assert left(boxed.bench.key()) == []
    assert zombies() == []


@REAL
async def test_a_boxed_program_is_asked_to_end_before_it_is_made_to(boxed: Boxed) -> None:
    """SIGTERM reaches the program and not the sandbox, so that it has its time to end well."""
    box = boxed.box(program=BWRAP)
    script = "trap 'echo saved > saved.txt; exit 0' TERM; echo up; while :; do sleep 0.02; done"
    order = boxed.bench.order("sh", "-c", script, stop_ms=20_000)
    made = await asyncio.to_thread(box.around, order, boxed.folder)
    run = asyncio.create_task(boxed.bench.runner().run(made, nothing))
    await until(lambda: boxed.bench.log().exists() and "up" in boxed.bench.log().read_text())
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run
    assert (boxed.bench.work / "saved.txt").read_text() == "saved\n"
    assert left(boxed.bench.key()) == []


@REAL
async def test_a_sandbox_that_is_deaf_is_killed(boxed: Boxed) -> None:
    """A program in it that ignores SIGTERM is gone with it all the same."""
    box = boxed.box(program=BWRAP)
    script = "trap '' TERM; echo up; while :; do sleep 0.02; done"
    order = boxed.bench.order("sh", "-c", script, wall_ms_max=1_000, stop_ms=100)
    made = await asyncio.to_thread(box.around, order, boxed.folder)
    finished = await boxed.bench.runner().run(made, nothing)
    assert finished.reason is Reason.WALL_TIME
    assert left(boxed.bench.key()) == []


@REAL
async def test_a_box_ends_with_its_reaper_and_with_nobody_before(boxed: Boxed) -> None:
    """bwrap's end with its parent follows the thread that started it, so a box that a thread had
    started would end with that: a reaper has one thread. It is killed, and the box is gone."""
    box = boxed.box(program=BWRAP)
    order = boxed.bench.order("sh", "-c", "echo up; setsid sleep 300 & sleep 300")
    made = await asyncio.to_thread(box.around, order, boxed.folder)
    run = asyncio.create_task(boxed.bench.runner().run(made, nothing))
    await until(lambda: boxed.bench.log().exists() and "up" in boxed.bench.log().read_text())
    reaper = json.loads((boxed.bench.folder() / "pid").read_text())["pid"]
    assert len(list(Path(f"/proc/{reaper}/task").iterdir())) == 1
    os.kill(reaper, signal.SIGKILL)
    finished = await run
    assert finished.reason is Reason.WORKER_FAILED
    assert left(boxed.bench.key()) == []


@REAL
async def test_what_the_sandbox_needs_is_asked_for_at_the_start(boxed: Boxed) -> None:
    """One that works is silent; a program that is hidden in it is an error that names the mend."""
    program = boxed.user / "agent"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    box = boxed.box(program=BWRAP, reads=())
    await box.require(["sh"], os.environ)
    await box.require(["./agent.sh"], os.environ)
    with pytest.raises(ConfigurationInvalid) as caught:
        await box.require([str(program)], os.environ)
    assert f"{program} cannot be seen in the sandbox" in caught.value.message
    assert "worker.reads" in caught.value.hint
    await replace(box, reads=(boxed.user,)).require([str(program)], os.environ)


async def test_a_machine_that_forbids_sandboxes_is_an_error_with_its_reason(boxed: Boxed) -> None:
    """Where bwrap fails, what it said and where to look are in the error."""
    program = boxed.bench.root / "bwrap"
    program.write_text("#!/bin/sh\necho 'No permissions to create new namespace' >&2\nexit 1\n")
    program.chmod(0o755)
    with pytest.raises(ConfigurationInvalid) as caught:
        await boxed.box(program=str(program)).require(["sh"], os.environ)
    assert "No permissions to create new namespace" in caught.value.message
    assert "kernel.unprivileged_userns_clone" in caught.value.hint


def test_a_missing_bubblewrap_is_an_error_with_the_mend(tmp_path: Path) -> None:
    """It is named with the PATH it was searched on."""
    environ = {"PATH": str(tmp_path), "HOME": "/home/someone"}
    with pytest.raises(ConfigurationInvalid) as caught:
        find_sandbox(WorkerConfig(sandbox="bwrap"), environ, {}, tmp_path)
    assert f"bwrap is not on PATH ({tmp_path})" in caught.value.message
    assert "Install the package bubblewrap" in caught.value.hint


@pytest.mark.parametrize(
    ("settings", "key"),
    [
        ({"network": "none"}, "network"),
        ({"reads": ("/a",)}, "reads"),
        ({"writes": ("/a",)}, "writes"),
    ],
)
def test_a_setting_without_its_sandbox_is_refused(
    tmp_path: Path, settings: dict[str, object], key: str
) -> None:
    """Nobody is to believe in a wall that is not there."""
    with pytest.raises(ConfigurationInvalid, match=f"worker.{key} is set, and"):
        find_sandbox(WorkerConfig(**settings), {}, {}, tmp_path)  # type: ignore[arg-type]
    assert find_sandbox(WorkerConfig(), {}, {}, tmp_path) is None


@pytest.mark.parametrize("writes", ["~/project", "~", "~/project/.jj/repo", "~/link"])
def test_nothing_opens_the_repository(tmp_path: Path, writes: str) -> None:
    """A writable path within, around or by a link at what has to stay closed is refused."""
    fake = tmp_path / "bin"
    fake.mkdir()
    (fake / "bwrap").write_text("#!/bin/sh\n")
    (fake / "bwrap").chmod(0o755)
    (tmp_path / "project").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "project")
    environ = {"PATH": str(fake), "HOME": str(tmp_path)}
    closed = {"the repository": tmp_path / "project"}
    settings = WorkerConfig(sandbox="bwrap", writes=(f"{writes}/" if writes == "~" else writes,))
    with pytest.raises(ConfigurationInvalid, match="would let workers write to the repository"):
        find_sandbox(settings, environ, closed, tmp_path / "oya")
    fine = WorkerConfig(sandbox="bwrap", writes=("~/cache",))
    assert find_sandbox(fine, environ, closed, tmp_path / "oya") is not None
