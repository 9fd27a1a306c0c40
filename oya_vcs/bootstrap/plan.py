"""From what the user asked for to all that a daemon needs to know. Looks at everything and changes
nothing, so that bad input is refused before a file is touched."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from oya_vcs.adapters import jj
from oya_vcs.adapters.agents import opencode
from oya_vcs.adapters.agents.presets import command_of, require_sense
from oya_vcs.adapters.agents.programs import relative_program, require_program
from oya_vcs.adapters.jj import JjRepository, Programs, find_root, open_remote, open_repository
from oya_vcs.adapters.local import ChecksAt, checks_that_fit
from oya_vcs.adapters.sandbox import Bubblewrap, find_sandbox
from oya_vcs.adapters.toolbox import Tools, find_tools
from oya_vcs.bootstrap.github_settings import is_on_github, remote_name, require_github
from oya_vcs.bootstrap.hooking import Hooked, commands_at, find_hooks, together
from oya_vcs.bootstrap.insisting import insist
from oya_vcs.config import (
    BudgetConfig,
    Config,
    Home,
    QueueConfig,
    WorkspaceConfig,
    environment,
    load,
    target_of,
    tools_folder,
    user_config,
)
from oya_vcs.config.secrets import secret_values
from oya_vcs.core.ids import CommitId, RepoId
from oya_vcs.core.merge import MergeRules
from oya_vcs.core.merge.gates import span_of
from oya_vcs.core.policy import Policy, Rules
from oya_vcs.core.pull_request import PullRules
from oya_vcs.core.queues import Strategy
from oya_vcs.core.usage import Budget
from oya_vcs.errors import ConfigurationInvalid
from oya_vcs.ports import Remote


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """All that a daemon needs to know, found without changing anything."""

    home: Home
    repo: RepoId
    root: Path
    tools: Tools
    config: Config
    checks_at: ChecksAt
    environ: Mapping[str, str]
    checks_fitting: int = 1
    """Checks that the machine can run at once."""
    sandbox: Bubblewrap | None = None
    gate_at: Callable[[str], ChecksAt] | None = None
    """What each gate runs, where oya.toml has a text; `pre_land` has the checks in it."""
    hooked: Hooked = field(default_factory=Hooked)
    """The hooks that the target has."""

    def works_as(self, other: Plan) -> bool:
        """Whether both do the same: what is set, and which hooks there are."""
        return (self.config, self.hooked) == (other.config, other.hooked)

    @property
    def prepared(self) -> WorkspaceConfig:
        """What a workspace holds: its setup, and then the hook `post_create`, are one command."""
        workspace = self.config.workspace
        parts = [workspace.setup.strip(), self.config.hooks.post_create.strip()]
        whole = together([*parts, self.hooked.scripts.get("post_create", "")])
        return replace(workspace, setup=whole)

    @property
    def farewell(self) -> str:
        """The hook `pre_remove`, as one command; empty where there is none."""
        hook = self.config.hooks.pre_remove.strip()
        return together([hook, self.hooked.scripts.get("pre_remove", "")])

    @property
    def judged_by(self) -> ChecksAt:
        """What is run at the very commit that would land."""
        return self.checks_at if self.gate_at is None else self.gate_at("pre_land")

    @property
    def secrets(self) -> Sequence[str]:
        """What no log and no record may hold."""
        github = self.config.github
        named = (
            *(*self.config.worker.env, github.token_env, github.webhook_secret_env),
            self.config.opencode.password_env,
        )
        return secret_values(self.environ, named)

    @property
    def programs(self) -> Programs:
        """jj and git, with a private home for their configuration."""
        return programs_of(self.home, self.tools, self.environ)

    @property
    def policy(self) -> Policy:
        """What the core may see of the configuration."""
        return Policy(
            repo=self.repo,
            slots=self.config.worker.slots if command_of(self.config.worker) else 0,
            attempts_max=self.config.worker.attempts_max,
            backoff_ms=self.config.worker.backoff_ms,
            rules=Rules(
                strategy=Strategy(self.config.queue.strategy),
                age_ms=self.config.queue.age_ms,
                tokens_max=self.config.queue.tokens_max,
                tokens_per_s=self.config.queue.tokens_per_s,
                sticky_ms=self.config.queue.sticky_ms,
                budget=budget_of(self.config.budget),
            ),
            merge=rules_of(self.config.queue, self.checks_fitting),
            pulls=PullRules(
                prefix=self.config.github.prefix,
                wip=self.config.github.wip,
                blocked=self.config.github.blocked,
            ),
            setup=bool(self.prepared.setup),
            verify=bool(self.config.worker.verify.strip()),
        )


def programs_of(home: Home, tools: Tools, environ: Mapping[str, str]) -> Programs:
    """jj and git with a private home, and where the user's own configuration is."""
    return Programs(
        jj=tools.jj,
        git=tools.git,
        path=environ.get("PATH", ""),
        home=home.root / "jj",
        user={key: environ[key] for key in _USER_CONFIG if key in environ},
    )


_USER_CONFIG = ("HOME", "XDG_CONFIG_HOME", "JJ_CONFIG")
"""Where jj looks for its user's configuration, from which we take the author's name."""


async def find_plan(
    home: Home,
    repo: Path,
    *,
    config_file: Path | None,
    flags: Mapping[str, object],
    working: bool = True,
) -> Plan:
    """Look at tools, repository and configuration; again where a program was killed meanwhile.
    Changes nothing.

    `working` False is for commands that start no work: they need neither checks nor a worker.

    Raises NotFound without a jj repository, and ConfigurationInvalid (with the mend) for anything
    that would stop the work: no usable jj or git, a home within the repository, wrong keys, no
    checks, a worker program that is not there, no worker where `flags` could name one.
    """
    return await insist(partial(_look, home, repo, config_file, flags, working=working))


async def _look(
    home: Home,
    repo: Path,
    config_file: Path | None,
    flags: Mapping[str, object],
    *,
    working: bool,
) -> Plan:
    environ = environment()

    def found() -> tuple[Path, Tools, Path | None, str]:
        """All this starts programs or reads files, beside a daemon that is at work."""
        root, file = find_root(repo), config_file or user_config()
        tools = find_tools(tools_folder(), environ)
        return root, tools, file, target_of(root, file, environ, flags)

    root, tools, file, target = await asyncio.to_thread(found)
    repository = await open_repository(
        root, workspaces=home.workspaces, programs=programs_of(home, tools, environ)
    )
    await asyncio.to_thread(_require_home_outside, home, repository)
    tip = await jj.tip(repository, target)
    text = await jj.file_at(repository, tip, "oya.toml")

    def configured(text: str | None) -> Config:
        return load(file, text, f"oya.toml (on {target})", environ, flags)

    config = await asyncio.to_thread(configured, text)
    if config.repo.target != target:
        message = f"oya.toml on {target} names another target, {config.repo.target!r}."
        raise ConfigurationInvalid(message, "Make [repo] target the same in oya.toml on both.")
    _require_use(config)
    _require_gateway(config)
    closed = {"the repository": repository.root, "the home of oya-vcs": home.root}
    sandbox = await asyncio.to_thread(find_sandbox, config.worker, environ, closed, home.root)
    if working:
        if is_on_github(config):
            require_github(config)
        elif not config.checks:  # the rules of a branch on GitHub may require some all the same
            there = await asyncio.to_thread((repository.root / "oya.toml").is_file)
            raise _no_checks(target, committed=text is not None, there=there)
        await find_remote(config, repository, environ)
        # A daemon does without a worker: people's own commits land, beads wait.
        if command_of(config.worker) or "worker.command" in flags:
            await _require_worker(config, repository, tip, environ)
            if sandbox is not None:
                await sandbox.require(command_of(config.worker), environ)
    return Plan(
        home=home,
        repo=repository.id,
        root=repository.root,
        tools=tools,
        config=config,
        checks_at=lambda text: configured(text).checks,
        gate_at=lambda gate: lambda text: commands_at(gate, configured(text), tools),
        hooked=await find_hooks(config, repository, tip, tools),
        environ=environ,
        checks_fitting=await asyncio.to_thread(checks_that_fit),
        sandbox=sandbox,
    )


def _require_use(config: Config) -> None:
    """What follows a tracker's file does nothing where none is followed."""
    tracker = config.tracker
    if not tracker.live and (tracker.write_back or tracker.cancel_closed):
        name = "write_back" if tracker.write_back else "cancel_closed"
        raise ConfigurationInvalid(
            f"tracker.{name} is set, and tracker.live is not: it would have no effect.",
            "Set tracker.live = true, or leave the key out.",
        )


def _require_gateway(config: Config) -> None:
    """The gateway is there where it is the only way, and its keys are handed to workers on no
    other."""
    if config.worker.network == "gateway" and not config.gateway.keys:
        raise ConfigurationInvalid(
            'worker.network is "gateway", and there is none: gateway.keys names no key.',
            "Add [gateway] to your own configuration (docs/GATEWAY.md), or set another network.",
        )
    for name in config.gateway.variables:
        if name in config.worker.env:
            raise ConfigurationInvalid(
                f"worker.env passes {name} on to workers, and gateway.keys keeps it from them.",
                f"Take {name} out of worker.env: workers reach the provider through the gateway.",
            )


def _require_home_outside(home: Home, repository: JjRepository) -> None:
    around = jj.workspace_around(repository, home.root)
    if around is not None:
        raise ConfigurationInvalid(
            f"The home {home.root} lies in {around}, a workspace of the repository itself: jj "
            "would commit the journal and every other workspace with the files there.",
            "Name a folder outside the repository with --home or OYA_HOME, or leave both out.",
        )


def _no_checks(target: str, *, committed: bool, there: bool) -> ConfigurationInvalid:
    """The error of a target whose oya.toml, if it has one, names no checks; `there` is one in the
    user's workspace."""
    what = "has no [checks]" if committed else "is not there"
    message = f"No checks are configured: oya.toml on {target} {what}, so nothing may land."
    hint = "Run `oya-vcs init`, name your tests under [checks], and commit the file."
    if there and not committed:
        hint = f"Commit oya.toml and move {target} to that commit: it counts as it stands there."
    return ConfigurationInvalid(message, hint)


async def _require_worker(
    config: Config, repository: JjRepository, tip: CommitId, environ: Mapping[str, str]
) -> None:
    require_sense(config.worker)
    opencode.require_sense(config.worker, config.opencode)
    if opencode.attached(config.worker, config.opencode):
        return
    command = command_of(config.worker)
    await asyncio.to_thread(require_program, command, environ.get("PATH", ""))
    program = relative_program(command)
    if program and not await jj.is_program_at(repository, tip, program):
        raise ConfigurationInvalid(
            f"The worker's program {program} is not an executable file on "
            f"{config.repo.target}, which is what a workspace holds.",
            "Commit it there with its executable bit, or give an absolute path.",
        )


def budget_of(budget: BudgetConfig) -> Budget:
    """What work may use."""
    return Budget(
        bead_ms=budget.bead_ms_max,
        bead_tokens=budget.bead_tokens_max,
        bead_cents=budget.bead_cents_max,
        day_ms=budget.day_ms_max,
        day_tokens=budget.day_tokens_max,
        day_cents=budget.day_cents_max,
        failures_max=budget.failures_max,
        cool_ms=budget.cool_ms,
    )


def rules_of(queue: QueueConfig, checks_fitting: int) -> MergeRules:
    """How changes are tested and landed; `checks_fitting` is how many checks the machine can run at
    once."""
    slots = queue.checks_slots or checks_fitting
    width = queue.window_max or max(1, slots // queue.checks_parallel)
    return MergeRules(
        window_max=width if queue.merge in {"window", "adaptive"} else 1,
        batch_max=queue.batch_max if queue.merge in {"batch", "adaptive"} else 1,
        adaptive=queue.merge == "adaptive",
        flaky_depth=queue.flaky_depth,
        disjoint=queue.disjoint,
        method=queue.method,
        approval=queue.approval,
        test_ms_max=queue.test_ms_max,
        freezes=tuple(map(span_of, queue.freeze)),
    )


async def find_remote(
    config: Config, repository: JjRepository, environ: Mapping[str, str]
) -> Remote | None:
    """The remote that holds the target, where one is configured. Raises ConfigurationInvalid where
    the repository has none of that name."""
    name = remote_name(config)
    return await open_remote(repository, name, environ) if name else None
