"""What a bead asks for, as its author wrote it. A value; its life is in `beads.py`."""

from __future__ import annotations

from dataclasses import dataclass

from oya_vcs.core.ids import BeadId, Key, canonical_text, key_of_text

SUBMISSION = "submission"
"""The `kind` of a bead that is a person's own commit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BeadSpec:
    """One unit of work. `needs` are the beads that gate it (blocks, conditional-blocks,
    parent-child, waits-for); `priority` 0 is the most urgent; `files` are the only paths the worker
    should change (empty: any). `prefers` are beads that should come first where they can, and that
    it never waits for. With `sticky` it asks for the slot of its last attempt again: "soft" where
    that is free, "hard" or not at all."""

    id: BeadId
    title: str
    description: str = ""
    acceptance: str = ""
    priority: int = 2
    kind: str = "task"
    labels: tuple[str, ...] = ()
    needs: tuple[BeadId, ...] = ()
    prefers: tuple[BeadId, ...] = ()
    files: tuple[str, ...] = ()
    tenant: str = "default"
    sticky: str = ""
    worker: str = ""
    allow_empty: bool = False


def spec_key(spec: BeadSpec) -> Key:
    """The execution key of a bead's input: the same bead with the same content has the same key.

    A field that came after the first keys were made counts where it says something, so that those
    stay what they are. No text in a bead can look like it: a quote inside one is escaped.
    """
    text = canonical_text(spec)
    return key_of_text(spec.id, text if spec.prefers else text.replace(_NO_PREFERENCE, "", 1))


_NO_PREFERENCE = '"prefers":[],'


def files_of(spec: BeadSpec) -> tuple[str, ...]:
    """What a worker of the bead has to see of the repository: the files it is to change, and its
    own program where that is one of them. Empty where the bead names no files: all."""
    program = spec.worker.split()[:1]
    own = tuple(one for one in program if "/" in one and not one.startswith("/"))
    return (*spec.files, *own) if spec.files else ()
