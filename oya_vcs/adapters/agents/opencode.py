"""opencode servers as workers: what a session's escort is asked, and what a server is given.

A server of an attempt's own takes no configuration from the repository that it works on, asks
nobody for updates, and where there is a gateway it knows no other way to a model. A server that
runs already is what its user made of it. Must not know how it is spoken to.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from oya_vcs.config import OpencodeConfig, WorkerConfig
from oya_vcs.errors import ConfigurationInvalid

TONGUE = "opencode-server"
COMMAND = ("opencode", "serve")
PASSWORD = "OPENCODE_SERVER_PASSWORD"  # noqa: S105 - the name of a variable
QUIET: Mapping[str, str] = {
    "OPENCODE_DISABLE_PROJECT_CONFIG": "1",
    "OPENCODE_DISABLE_AUTOUPDATE": "1",
    "OPENCODE_DISABLE_LSP_DOWNLOAD": "1",
}
"""A configuration in the repository could name programs to run, and other servers to ask."""
BASE_URL, API_KEY = "_BASE_URL", "_API_KEY"
KNOWN = frozenset({"anthropic", "openai"})
"""Providers that opencode knows by name, with their models."""


def attached(worker: WorkerConfig, settings: OpencodeConfig) -> bool:
    """Whether attempts are sessions on servers that run already."""
    return worker.kind == "opencode" and bool(settings.urls)


def errand_of(settings: OpencodeConfig) -> dict[str, Any]:
    """What the escort is asked besides."""
    return {"urls": settings.urls, "model": settings.model, "agent": settings.agent}


def variables(
    settings: OpencodeConfig, granted: Mapping[str, str], environ: Mapping[str, str]
) -> dict[str, str]:
    """What the escort, and a server of its own, have in their environment. `granted` is what leads
    to the gateway, where there is one; `environ` is the daemon's."""
    if settings.urls:
        return {PASSWORD: environ.get(settings.password_env, "")}
    return {**QUIET, "OPENCODE_CONFIG_CONTENT": json.dumps(_configuration(settings, granted))}


def _configuration(settings: OpencodeConfig, granted: Mapping[str, str]) -> dict[str, Any]:
    found: dict[str, Any] = {"autoupdate": False, "share": "disabled"}
    if settings.model:
        found["model"] = settings.model
    providers = dict(_providers(settings.model, granted))
    if providers:
        found |= {"provider": providers, "enabled_providers": sorted(providers)}
    return found


def _providers(model: str, granted: Mapping[str, str]) -> Mapping[str, Any]:
    """Each provider that the gateway leads to. One that opencode does not know speaks as OpenAI
    does, and has the one model that is configured."""
    found: dict[str, Any] = {}
    for variable, url in granted.items():
        stem = variable.removesuffix(BASE_URL)
        if stem == variable or stem + API_KEY not in granted:
            continue
        name = stem.lower().replace("_", "-")
        base = url if url.endswith("/v1") else f"{url}/v1"
        options = {"baseURL": base, "apiKey": f"{{env:{stem}{API_KEY}}}"}
        found[name] = {"options": options}
        if name not in KNOWN:
            provider, _, named = model.partition("/")
            models = {named: {"name": named}} if provider == name else {}
            found[name] |= {"npm": "@ai-sdk/openai-compatible", "models": models}
    return found


def require_sense(worker: WorkerConfig, settings: OpencodeConfig) -> None:
    """Refuse what would have no effect, or cannot work. Raises ConfigurationInvalid."""
    if settings != OpencodeConfig() and worker.kind != "opencode":
        raise ConfigurationInvalid(
            f'[opencode] is set, and worker.kind is "{worker.kind}": it would have no effect.',
            'Set worker.kind = "opencode", or leave the section out.',
        )
    if worker.kind != "opencode":
        return
    if worker.sandbox != "none" and settings.urls:
        raise ConfigurationInvalid(
            "opencode.urls names servers that run already, and worker.sandbox is set: no sandbox of"
            " ours is around them.",
            "Leave opencode.urls out: each attempt then has a server of its own, in the sandbox.",
        )
    if worker.network != "host":
        raise ConfigurationInvalid(
            'An opencode server is spoken to over the network, and worker.network is "none".',
            'Set worker.network = "host".',
        )
    if worker.command and settings.urls:
        raise ConfigurationInvalid(
            "worker.command starts a server, and opencode.urls names some that run.",
            "Leave one of them out.",
        )
    if settings.password_env and not settings.urls:
        raise ConfigurationInvalid(
            "opencode.password_env is set, and opencode.urls is not: a server of an attempt's own"
            " has a password of its own.",
            "Leave it out, or name servers in opencode.urls.",
        )
