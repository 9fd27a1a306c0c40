"""What every worker is given, of whatever kind: the files of its run, the words of its prompt, and
its environment.

All of it stands beside the run and never in the workspace, where it would be committed. Of the
daemon's environment only `PASSED`, `LC_*` and what `[worker] env` names reach a worker; its own
OYA_ variables do not, since some are secrets. Must not know what kind of worker reads it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from oya_vcs.core.effects import RunWorker
from oya_vcs.core.ids import Key
from oya_vcs.core.spec import BeadSpec
from oya_vcs.errors import WorldFailed

PASSED = ("PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "TERM", "TMPDIR", "TZ")


@dataclass(frozen=True, slots=True)
class Manner:
    """How a worker is spoken to that is no program by itself: `leave` is a sentence on what it may
    do when it asks (empty: it does not ask)."""

    leave: str = ""


@dataclass(frozen=True, slots=True)
class Brief:
    """The files a worker is given, in a folder of its run."""

    folder: Path

    @property
    def bead(self) -> Path:
        """The bead as JSON."""
        return self.folder / "bead.json"

    @property
    def prompt(self) -> Path:
        """What is asked, in words."""
        return self.folder / "prompt.md"

    @property
    def feedback(self) -> Path:
        """Why the last attempt was sent back; empty on the first."""
        return self.folder / "feedback.txt"

    @property
    def heartbeat(self) -> Path:
        """Touching it is a beat."""
        return self.folder / "heartbeat"

    @property
    def home(self) -> Path:
        """A home for the worker alone, where it gets one; gone with the run."""
        return self.folder / "home"

    def write(self, effect: RunWorker, lease_ms: int, manner: Manner | None = None) -> None:
        """Write all four. Raises WorldFailed (retryable) where the disk refuses."""
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.bead.write_text(bead_json(effect.spec), encoding="utf-8")
            self.prompt.write_text(prompt(effect, lease_ms, manner), encoding="utf-8")
            self.feedback.write_text(effect.feedback, encoding="utf-8")
            self.heartbeat.touch()
        except OSError as error:
            raise WorldFailed(
                f"The worker's files cannot be written to {self.folder}: {error}.",
                hint="Is the disk full, or the folder not writable? The work is tried again.",
                retryable=True,
            ) from error


def environment(
    environ: Mapping[str, str],
    key: Key,
    work: RunWorker,
    brief: Brief,
    named: Collection[str] = (),
) -> dict[str, str]:
    """Exactly what a worker's environment holds: what is passed on, by rule or because it is named,
    and the OYA_ variables."""
    passed = {
        name: text
        for name, text in environ.items()
        if name in PASSED or name.startswith("LC_") or name in named
    }
    passed.setdefault("PATH", os.defpath)
    return passed | {
        "OYA_BEAD_ID": work.bead,
        "OYA_BEAD_FILE": str(brief.bead),
        "OYA_PROMPT_FILE": str(brief.prompt),
        "OYA_FEEDBACK_FILE": str(brief.feedback),
        "OYA_HEARTBEAT": str(brief.heartbeat),
        "OYA_ATTEMPT": str(work.attempt),
        "OYA_EXECUTION_KEY": key,
        "OYA_WORKSPACE": work.path,
    }


def bead_json(spec: BeadSpec) -> str:
    """The bead in the dialect of the beads file, with a newline at its end."""
    ours = {
        "tenant": spec.tenant,
        "sticky": spec.sticky,
        "files": spec.files,
        "worker": spec.worker,
        "allow_empty": spec.allow_empty,
    }
    bead = {
        "id": spec.id,
        "title": spec.title,
        "description": spec.description,
        "acceptance_criteria": spec.acceptance,
        "status": "in_progress",
        "priority": spec.priority,
        "issue_type": spec.kind,
        "labels": spec.labels,
        "dependencies": [{"depends_on_id": need, "type": "blocks"} for need in spec.needs],
        "metadata": {"oya": ours},
    }
    return json.dumps(bead, ensure_ascii=False, indent=2) + "\n"


def prompt(work: RunWorker, lease_ms: int, manner: Manner | None = None) -> str:
    """What is asked of the worker, in words; a section without content is left out."""
    spec = work.spec
    files = "\n".join(f"- {file}" for file in spec.files)
    sections = (
        ("What is asked", spec.description),
        ("It is finished when", spec.acceptance),
        ("Files", f"Change these and no others:\n\n{files}" if files else ""),
        ("Why it came back", work.feedback),
        ("Rules", rules(work, lease_ms, manner)),
    )
    text = [f"# {spec.title}"]
    text += [f"## {name}\n\n{body.strip()}" for name, body in sections if body.strip()]
    return "\n\n".join(text) + "\n"


def rules(work: RunWorker, lease_ms: int, manner: Manner | None = None) -> str:
    """What every worker has to keep to; of one that is spoken to nobody sees the exit status, and
    its words are its beats."""
    lines = [
        f"You work on bead {work.bead}, attempt {work.attempt}.",
        f"The folder {work.path} is a copy of the repository for you alone.",
        "Change files there and nowhere else. As you leave them they are your result.",
        "The result is committed, checked and merged for you.",
        "Do not run jj. Do not commit, branch, fetch or push with git.",
        "Do not leave processes running: they are stopped when you end.",
    ]
    if manner is not None:
        lines.append("Nobody can answer questions. Decide by yourself, and end when you are done.")
        lines += [manner.leave] if manner.leave else []
    else:
        lines.append(
            "Exit with status 0 when you have finished, with 75 to be started again later."
        )
        lines.append("Any other status means that this attempt failed.")
    if not work.spec.allow_empty:
        lines.append("An attempt that changes no file has failed.")
    if lease_ms and manner is None:
        lines.append(
            "Write to standard output, or touch the file named by OYA_HEARTBEAT, at least every"
            f" {lease_ms / 1000:g} seconds; who is silent for longer is stopped."
        )
    return "\n".join(f"- {line}" for line in lines)
