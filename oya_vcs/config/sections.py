"""The configuration as values: each section, each key, its default, and what it may be.

This module knows what each key may be; what is done with it is known to those who are given it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from oya_vcs.config.gateway import GatewayConfig
from oya_vcs.config.opencode import OpencodeConfig
from oya_vcs.config.rules import (
    address,
    argv,
    between,
    inside,
    like,
    one_of,
    permissions,
    places,
    spans,
    texts,
    variables,
)

_REF = r"[^\s\x00-\x1f\x7f~^:?*\[\\-][^\s\x00-\x1f\x7f~^:?*\[\\]*"
_VARIABLE = like(r"([A-Za-z_]\w*)?", "the name of an environment variable, or empty")


@dataclass(frozen=True, slots=True, kw_only=True)
class RepoConfig:
    """`[repo]`: the bookmark that lands, and the forge."""

    target: str = field(default="main", metadata=like(_REF, "the name of a bookmark"))
    remote: str = field(default="", metadata=like(f"({_REF})?", "the name of a remote, or empty"))
    forge: str = field(default="local", metadata=one_of("local", "github"))


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerConfig:
    """`[worker]`: how a bead is worked on. Limits are per attempt; `lease_ms` 0 allows silence, and
    0 of `rss_bytes_max` and `processes_max` any number. `env` names what is passed on besides the
    plain variables; `network`, `reads` and `writes` are what the sandbox leaves open. `preset` is a
    well-known program, `permissions` what an agent is allowed when it asks; `home` "private" gives
    each attempt a home of its own; `verify` looks at a result before its change is opened."""

    kind: str = field(default="command", metadata=one_of("command", "acp", "opencode"))
    preset: str = field(default="", metadata=one_of("", "codex", "claude", "opencode", "aider"))
    command: tuple[str, ...] = field(default=(), metadata={"rule": argv})
    permissions: tuple[str, ...] = field(default=(), metadata={"rule": permissions})
    home: str = field(default="user", metadata=one_of("user", "private"))
    verify: str = ""
    verify_ms_max: int = field(default=600_000, metadata=between(1))
    slots: int = field(default=4, metadata=between(1, 1000))
    attempts_max: int = field(default=3, metadata=between(1, 100))
    wall_ms_max: int = field(default=3_600_000, metadata=between(1))
    lease_ms: int = field(default=30_000, metadata=between(0))
    stop_ms: int = field(default=5_000, metadata=between(1))
    output_bytes_max: int = field(default=50_000_000, metadata=between(1))
    rss_bytes_max: int = field(default=0, metadata=between(0))
    processes_max: int = field(default=1_000, metadata=between(0))
    env: tuple[str, ...] = field(default=(), metadata={"rule": variables})
    sandbox: str = field(default="none", metadata=one_of("none", "bwrap"))
    network: str = field(default="host", metadata=one_of("host", "none", "gateway"))
    reads: tuple[str, ...] = field(default=(), metadata={"rule": places})
    writes: tuple[str, ...] = field(default=(), metadata={"rule": places})
    backoff_ms: int = field(default=1_000, metadata=between(1))


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkspaceConfig:
    """`[workspace]`: what a new workspace holds before its worker starts. `show` "files" leaves out
    what a bead with `metadata.oya.files` does not name, but for `always`."""

    show: str = field(default="all", metadata=one_of("all", "files"))
    always: tuple[str, ...] = field(default=(), metadata={"rule": inside})
    setup: str = ""
    setup_ms_max: int = field(default=600_000, metadata=between(1))


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueConfig:
    """`[queue]`: strategies for beads and for changes.

    `age_ms` of waiting make a bead one step more urgent. A tenant may begin `tokens_max` attempts
    at once (0: any number) and `tokens_per_s` for long (REQUIREMENTS B5: 100 and 10); a bead that
    insists on its slot waits `sticky_ms` for it (C4: 30 s).

    `merge` is how many changes are tested at once: one ("serial"), up to `window_max` on top of
    each other ("window"), up to `batch_max` under one test ("batch"), or both, as failures teach it
    ("adaptive"). `window_max` 0 is as many candidates as can be checked at once. `flaky_depth` is
    how many behind a failed one may show that it was a fluke; with `disjoint` a change lands with
    those on top of it that have passed and share no path with it. `test_ms_max` limits all checks
    of a candidate together, with their waiting; 0: no limit. `freeze` are weekly times, in UTC, in
    which nothing lands. `checks_slots` 0 is as many checks at once as fit the machine;
    `checks_parallel` of them may be of one candidate.
    """

    strategy: str = field(
        default="fifo", metadata=one_of("fifo", "lifo", "priority", "round_robin")
    )
    age_ms: int = field(default=600_000, metadata=between(1))
    tokens_max: int = field(default=100, metadata=between(0, 1_000_000))
    tokens_per_s: int = field(default=10, metadata=between(1, 1_000_000))
    sticky_ms: int = field(default=30_000, metadata=between(0))
    merge: str = field(default="adaptive", metadata=one_of("adaptive", "serial", "window", "batch"))
    method: str = field(default="merge", metadata=one_of("merge", "squash", "rebase"))
    window_max: int = field(default=0, metadata=between(0, 1000))
    batch_max: int = field(default=8, metadata=between(1, 1024))
    flaky_depth: int = field(default=0, metadata=between(0, 100))
    disjoint: bool = False
    approval: str = field(default="auto", metadata=one_of("auto", "manual"))
    freeze: tuple[str, ...] = field(default=(), metadata={"rule": spans})
    test_ms_max: int = field(default=21_600_000, metadata=between(0))
    check_ms_max: int = field(default=1_800_000, metadata=between(1))
    checks_slots: int = field(default=0, metadata=between(0, 1000))
    checks_parallel: int = field(default=1, metadata=between(1, 1000))


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackerConfig:
    """`[tracker]`: the beads file that the daemon follows while it runs (`live`), from the root of
    the user's workspace. What is closed there is cancelled here with `cancel_closed`; with
    `write_back` what becomes of beads is written there."""

    live: bool = False
    file: str = field(
        default=".beads/issues.jsonl", metadata={"rule": lambda value: inside((value,))}
    )
    cancel_closed: bool = False
    write_back: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class HooksConfig:
    """`[hooks]`: shell commands. Gates (`pre_push`, `pre_enqueue`, `pre_land`) run in a clean
    checkout of the exact commit and block it; those that observe (`post_`) are told afterwards, and
    nobody waits for them; `post_create` and `pre_remove` run in workspaces. `pre_commit` says what
    is done with the repository's .pre-commit-config.yaml where the program is missing: nothing,
    ever ("off"), go on ("open"), or block ("closed"); `without_daemon` what a push is where nobody
    runs the gate."""

    pre_push: str = ""
    pre_enqueue: str = ""
    pre_land: str = ""
    post_enqueue: str = ""
    post_land: str = ""
    post_fail: str = ""
    post_op: str = ""
    post_create: str = ""
    pre_remove: str = ""
    pre_commit: str = field(default="off", metadata=one_of("off", "open", "closed"))
    without_daemon: str = field(default="closed", metadata=one_of("closed", "open"))
    wall_ms_max: int = field(default=600_000, metadata=between(1))


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetConfig:
    """`[budget]`: what work may use; 0 is no limit. Of a bead: all its attempts together; of a day:
    a repository's, from midnight to midnight (UTC). Tokens and cents (of a US dollar) count as far
    as they are told or metered. After `failures_max` failed attempts in a row none begins for
    `cool_ms`."""

    bead_ms_max: int = field(default=0, metadata=between(0))
    bead_tokens_max: int = field(default=0, metadata=between(0))
    bead_cents_max: int = field(default=0, metadata=between(0))
    day_ms_max: int = field(default=0, metadata=between(0))
    day_tokens_max: int = field(default=0, metadata=between(0))
    day_cents_max: int = field(default=0, metadata=between(0))
    failures_max: int = field(default=0, metadata=between(0))
    cool_ms: int = field(default=600_000, metadata=between(1))


@dataclass(frozen=True, slots=True, kw_only=True)
class LogsConfig:
    """`[logs]`: what is kept of the output of workers and checks that have ended: no more bytes, no
    more files, and none that is older."""

    bytes_max: int = field(default=1_000_000_000, metadata=between(0))
    files_max: int = field(default=10_000, metadata=between(0))
    age_ms_max: int = field(default=2_592_000_000, metadata=between(1))


@dataclass(frozen=True, slots=True, kw_only=True)
class WebConfig:
    """`[web]`: the address of the page, the API and webhooks; empty: nothing is served. Loopback
    unless somebody says otherwise. `url` is how others reach it, through a proxy. A daemon for a
    whole home has those of its user."""

    listen: str = field(default="127.0.0.1:7420", metadata={"rule": address})
    url: str = field(
        default="", metadata=like(r"(https?://[\w.-]+(:\d+)?)?", "https://NAME, or empty")
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class GithubConfig:
    """`[github]`: how to reach and be reached by GitHub. Secrets are named here, never written.
    `prefix` is how a line of a comment speaks to us; what has one of the `wip` words before its
    title, or one of the `blocked` labels, is not to land yet."""

    api_url: str = field(
        default="https://api.github.com", metadata=like(r"https?://\S+", "an http(s) address")
    )
    repo: str = field(default="", metadata=like(r"([\w.-]+/[\w.-]+)?", "owner/name, or empty"))
    prefix: str = field(
        default="@oya", metadata=like(r"[^\s`<>\[\]\\]*\w[^\s`<>\[\]\\]*", "one word of text")
    )
    wip: tuple[str, ...] = field(default=("WIP", "DO NOT MERGE", "DNM"), metadata={"rule": texts})
    blocked: tuple[str, ...] = field(default=("blocked", "do-not-merge"), metadata={"rule": texts})
    app_id: int = field(default=0, metadata=between(0))
    private_key_file: str = ""
    token_env: str = field(default="", metadata=_VARIABLE)
    webhook_secret_env: str = field(default="OYA_GITHUB_WEBHOOK_SECRET", metadata=_VARIABLE)
    poll_ms: int = field(default=60_000, metadata=between(1))


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """Everything the composition root needs to know. `checks` maps a name to a shell command."""

    repo: RepoConfig = field(default_factory=RepoConfig)
    checks: Mapping[str, str] = field(default_factory=dict)
    worker: WorkerConfig = field(default_factory=WorkerConfig)
    workspace: WorkspaceConfig = field(default_factory=WorkspaceConfig)
    queue: QueueConfig = field(default_factory=QueueConfig)
    budget: BudgetConfig = field(default_factory=BudgetConfig)
    tracker: TrackerConfig = field(default_factory=TrackerConfig)
    hooks: HooksConfig = field(default_factory=HooksConfig)
    logs: LogsConfig = field(default_factory=LogsConfig)
    web: WebConfig = field(default_factory=WebConfig)
    github: GithubConfig = field(default_factory=GithubConfig)
    gateway: GatewayConfig = field(default_factory=GatewayConfig)
    opencode: OpencodeConfig = field(default_factory=OpencodeConfig)


SECTIONS: Mapping[str, type] = {
    "repo": RepoConfig,
    "worker": WorkerConfig,
    "workspace": WorkspaceConfig,
    "queue": QueueConfig,
    "budget": BudgetConfig,
    "tracker": TrackerConfig,
    "hooks": HooksConfig,
    "logs": LogsConfig,
    "web": WebConfig,
    "github": GithubConfig,
    "gateway": GatewayConfig,
    "opencode": OpencodeConfig,
}

USERS_OWN = frozenset({"gateway"})
"""Sections that count in the user's own configuration alone, and are refused in a repository's."""
