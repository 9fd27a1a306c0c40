"""What a bead asks for, as its author wrote it. A value; its life is in `beads.py`."""

from __future__ import annotations

from dataclasses import dataclass

from oya_vcs.core.ids import BeadId, Key, canonical_text, key_of_text


@dataclass(frozen=True, slots=True, kw_only=True)
class BeadSpec:
    """One unit of work. `needs` are the beads that gate it (blocks, conditional-blocks,
    parent-child, waits-for); `priority` 0 is the most urgent; `files` are the only paths the worker
    should change (empty: any)."""

    id: BeadId
    title: str
    description: str = ""
    acceptance: str = ""
    priority: int = 2
    kind: str = "task"
    labels: tuple[str, ...] = ()
    needs: tuple[BeadId, ...] = ()
    files: tuple[str, ...] = ()
    tenant: str = "default"
    sticky: str = ""
    worker: str = ""
    allow_empty: bool = False


def spec_key(spec: BeadSpec) -> Key:
    """The execution key of a bead's input: the same bead with the same content has the same key."""
    return key_of_text(spec.id, canonical_text(spec))
