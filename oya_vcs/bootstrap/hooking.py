"""Which hooks the target of a repository has, and what they run: its oya.toml and its hooks/.

Reads and changes nothing. Must not know when a hook is run.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from oya_vcs.adapters import jj
from oya_vcs.adapters.jj import JjRepository
from oya_vcs.adapters.local.gates import GATES, commands_of, files_of
from oya_vcs.adapters.toolbox import Tools
from oya_vcs.config import Config
from oya_vcs.core import happenings
from oya_vcs.core.ids import CommitId


@dataclass(frozen=True, slots=True)
class Hooked:
    """`gated` are the gates before the queue and the hooks that observe which have anything to run;
    `scripts` is what hooks/ says of those that run in workspaces, by name."""

    gated: frozenset[str] = frozenset()
    scripts: Mapping[str, str] = field(default_factory=dict)


def commands_at(gate: str, config: Config, tools: Tools) -> Mapping[str, str]:
    """What a gate runs. What is to land has checks before any gate: without one it has none."""
    named = commands_of(gate, config.hooks, tools.git)
    if gate != "pre_land":
        return named
    return {**config.checks, **named} if config.checks else {}


async def find_hooks(
    config: Config, repository: JjRepository, tip: CommitId, tools: Tools
) -> Hooked:
    """The hooks that the target, as it stands at `tip`, has anything for."""
    hooks = [hook for hook in (*GATES, *happenings.NAMES) if hook != "pre_land"]
    files = [file for hook in hooks for file in files_of(hook)]
    absent = set(files) - await jj.files_at(repository, tip, files)
    gated = frozenset(
        hook
        for hook in hooks
        if any(name not in absent for name in commands_of(hook, config.hooks, tools.git))
    )
    return Hooked(gated, await _scripts(repository, tip))


async def _scripts(repository: JjRepository, tip: CommitId) -> Mapping[str, str]:
    """The hooks of the target that run in workspaces, by name."""
    files = {files_of(hook)[0]: hook for hook in ("post_create", "pre_remove")}
    there = await jj.files_at(repository, tip, tuple(files))
    return {files[file]: await jj.file_at(repository, tip, file) or "" for file in sorted(there)}


def together(commands: Sequence[str]) -> str:
    """Shell commands as one, of which each runs where those before it went well."""
    said = [one for one in commands if one.strip()]
    return said[0] if len(said) == 1 else " && ".join(f"(\n{one}\n)" for one in said)
