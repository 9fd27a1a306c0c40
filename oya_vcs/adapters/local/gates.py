"""Gates: commands of the target's that look at one exact commit before it goes on, in a clean
checkout of it, and block it.

They run as checks do (`checks.py`): under the reaper, with little of the environment, judged by the
target as it stands and never by what they look at. This module must not know what goes on where.
"""

from __future__ import annotations

import shlex
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from oya_vcs.adapters.local.checks import Checks
from oya_vcs.config import HooksConfig
from oya_vcs.core.effects import RunChecks
from oya_vcs.core.events import ChecksFinished, Reason
from oya_vcs.core.ids import BeadId, ChangeId, CommitId, Key, RepoId
from oya_vcs.errors import ConfigurationInvalid, WorldFailed

PRE_COMMIT = ".pre-commit-config.yaml"
GATES = ("pre_push", "pre_enqueue", "pre_land")


def files_of(hook: str) -> tuple[str, ...]:
    """The files of the target that a hook runs, where they are there."""
    script = f"hooks/{hook.replace('_', '-')}.sh"
    return (script, PRE_COMMIT) if hook in GATES else (script,)


def commands_of(hook: str, hooks: HooksConfig, git: Path) -> dict[str, str]:
    """What a gate, or a hook that observes, runs, by name and in order. What is named by a file
    counts where the target has it; its text is the target's, whatever the checkout holds."""
    script, *others = files_of(hook)
    asked = f'{shlex.quote(str(git))} show "$OYA_BASE":'
    command = str(getattr(hooks, hook))
    found = {f"hooks.{hook}": command} if command.strip() else {}
    found[script] = f'script=$({asked}{script}) || exit 1\nexec /bin/sh -c "$script" {script}'
    if others and hooks.pre_commit != "off":
        found[PRE_COMMIT] = _PRE_COMMIT.format(
            show=f"{asked}{PRE_COMMIT}", missing=0 if hooks.pre_commit == "open" else 1
        )
    return found


_PRE_COMMIT = """\
command -v pre-commit >/dev/null || {{
    echo "pre-commit is not installed where the daemon looks (PATH), so its hooks were not run."
    exit {missing}
}}
config=$(mktemp) && trap 'rm -f "$config"' EXIT && {show} >"$config" || exit 1
pre-commit run --config "$config" --from-ref "$OYA_BASE" --to-ref "$OYA_CANDIDATE" \
--show-diff-on-failure --color=never"""
"""The real program, on the files that differ from the target, by the target's configuration."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gates:
    """The gates of one repository. `checks` has those that have anything to run; `tip` says where
    the target stands."""

    repo: RepoId
    checks: Mapping[str, Checks]
    tip: Callable[[], Awaitable[CommitId]]

    async def look(
        self, gate: str, key: Key, bead: BeadId, change: ChangeId, commit: CommitId
    ) -> ChecksFinished | None:
        """What the gate says of a commit: None where it has nothing to run, or nothing against it.
        `key` names the look for ever: asked again it says the same, and runs nothing twice.

        Raises WorldFailed where the target cannot be read, or a program ended without a result.
        """
        checks = self.checks.get(gate)
        if checks is None:
            return None
        try:
            base = await self.tip()
        except ConfigurationInvalid as error:
            raise WorldFailed(error.message, hint=error.hint) from error
        effect = RunChecks(
            repo=self.repo, bead=bead, change=change, round=0, candidate=commit, base=base
        )
        said = await checks.run(key, effect)
        return None if said.reason in {None, Reason.NO_CHECKS} else said
