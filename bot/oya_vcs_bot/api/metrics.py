"""`GET /metrics`: the daemon's figures in Prometheus' text format (version 0.0.4)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from litestar import Response, get

from oya_vcs.core.beads import State
from oya_vcs.core.slots import pool_of
from oya_vcs.core.world import World
from oya_vcs_bot.api.health import TheLive, look_at
from oya_vcs_bot.api.reading import TheHouse

TEXT = "text/plain; version=0.0.4; charset=utf-8"

Labels = Mapping[str, str]
Sample = tuple[Labels, float]


@get("/metrics", media_type="text/plain", responses={})
async def metrics(house: TheHouse, live: TheLive) -> Response[str]:
    """Figures for Prometheus."""
    machine, now_ms = await house.machine(), house.now_ms()
    families = [
        _family(
            "oya_up", "gauge", "Whether the journal takes events.", machine.flush_ms is not None
        ),
        _family("oya_journal_events_total", "counter", "Events in the journal.", machine.seq),
        _family(
            "oya_journal_bytes", "gauge", "Size of the journal's table.", machine.journal_bytes
        ),
        _family(
            "oya_disk_free_bytes", "gauge", "Free on the home's disk.", machine.disk_free_bytes
        ),
        _family("oya_resident_bytes", "gauge", "Memory of the daemon.", machine.rss_bytes),
        _family("oya_page_clients", "gauge", "Who watches over a WebSocket.", live.clients),
        _family("oya_page_events_total", "counter", "Events that were told there.", live.told),
    ]
    if machine.flush_ms is not None:
        lag_s = machine.flush_ms / 1_000
        families.append(_family("oya_journal_lag_seconds", "gauge", "An append's wait.", lag_s))
        _, more = await house.seen(lambda world: list(_of_world(world, now_ms)))
        families += more
    return Response("".join(families), media_type=TEXT)


def _of_world(world: World, now_ms: int) -> Iterable[str]:
    look = look_at(world, now_ms)
    states: list[Sample] = [({"state": str(one)}, look.states.get(one, 0)) for one in State]
    yield _many("oya_beads", "gauge", "Beads by state.", states)
    yield _family("oya_open_effects", "gauge", "Effects under way.", look.open_effects)
    yield _family("oya_alarms", "gauge", "What a person should look at.", len(look.alarms))
    slots: list[Sample] = []
    queued: list[Sample] = []
    for repo in world.repos.values():
        pool = pool_of(repo, repo.total, now_ms)
        slots += [
            ({"repo": repo.id, "kind": kind}, getattr(pool, kind))
            for kind in ("idle", "claimed", "unhealthy")
        ]
        queued.append(({"repo": repo.id}, len(repo.queue.members)))
    yield _many("oya_worker_slots", "gauge", "Worker slots.", slots)
    yield _many("oya_merge_queue_changes", "gauge", "Changes in the merge queue.", queued)


def _family(name: str, kind: str, said: str, value: float) -> str:
    return _many(name, kind, said, [({}, value)])


def _many(name: str, kind: str, said: str, samples: Iterable[Sample]) -> str:
    lines = [f"# HELP {name} {said}", f"# TYPE {name} {kind}"]
    for labels, value in samples:
        inside = ",".join(f'{key}="{_escaped(text)}"' for key, text in labels.items())
        lines.append(f"{name}{'{' + inside + '}' if inside else ''} {_number(value)}")
    return "\n".join(lines) + "\n"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _number(value: float) -> str:
    return str(int(value)) if float(value).is_integer() else repr(float(value))
