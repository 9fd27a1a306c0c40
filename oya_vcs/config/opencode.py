"""`[opencode]`: servers of opencode as workers. Must not know how they are spoken to."""

from __future__ import annotations

from dataclasses import dataclass, field

from oya_vcs.config.rules import like, servers


@dataclass(frozen=True, slots=True, kw_only=True)
class OpencodeConfig:
    """`urls` are servers that run already (empty: each attempt has one of its own), and
    `password_env` the variable that holds their password. `model` (provider/model) and `agent` are
    what a session is to have; empty: what the server's own configuration says."""

    urls: tuple[str, ...] = field(default=(), metadata={"rule": servers})
    password_env: str = field(
        default="",
        metadata=like(r"([A-Za-z_]\w*)?", "the name of an environment variable, or empty"),
    )
    model: str = field(default="", metadata=like(r"([\w.-]+/[^\s]+)?", "provider/model, or empty"))
    agent: str = field(default="", metadata=like(r"[\w.-]*", "the name of an agent, or empty"))
