"""What `[github]` must say before anything is asked of GitHub. Pure, and light to import: most runs
have no such forge."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from oya_vcs.config import Config
from oya_vcs.errors import ConfigurationInvalid

REMOTE = "origin"
"""The git remote that is the repository on GitHub, unless repo.remote names another."""
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


def is_on_github(config: Config) -> bool:
    """Whether changes are pull requests."""
    return config.repo.forge == "github"


def remote_name(config: Config) -> str:
    """The git remote that holds the target; empty for none."""
    return config.repo.remote or (REMOTE if is_on_github(config) else "")


def require_github(config: Config) -> None:
    """Raise ConfigurationInvalid where something is missing, or too much, with the mend."""
    settings = config.github
    if not settings.repo:
        raise ConfigurationInvalid(
            'repo.forge is "github", and github.repo does not say which repository.',
            'Write repo = "owner/name" under [github].',
        )
    has_app = bool(settings.app_id and settings.private_key_file)
    has_some = bool(settings.app_id or settings.private_key_file)
    if (has_some and not has_app) or has_app == bool(settings.token_env):
        what = "both a token and an App" if has_app else "neither a token nor a whole App"
        raise ConfigurationInvalid(
            f"[github] names {what}.",
            "Give app_id and private_key_file of a GitHub App, or token_env alone.",
        )
    address = urlsplit(settings.api_url)
    if address.scheme != "https" and address.hostname not in _LOOPBACK:
        raise ConfigurationInvalid(
            f"github.api_url {settings.api_url} is not https: a token would go there in the clear.",
            "Give an address that begins with https://.",
        )


def require_same(config: Config, *urls: str) -> None:
    """Raise ConfigurationInvalid where the remote is another repository than `github.repo`."""
    wanted = config.github.repo
    for url in urls:
        path = re.sub(r"(\.git)?/?\Z", "", url)
        if not re.search(rf"[/:]{re.escape(wanted)}\Z", path, re.IGNORECASE):
            name = remote_name(config)
            raise ConfigurationInvalid(
                f"The git remote {name} is not {wanted} on GitHub, which github.repo names.",
                f"Run `jj git remote set-url {name} URL`, or name the right one in repo.remote.",
            )


def web_place(url: str) -> str:
    """The part of a remote's address that a token is sent to; empty where it is not reached over
    HTTP, and the user's own key gets in."""
    address = urlsplit(url)
    if address.scheme not in {"http", "https"}:
        return ""
    return f"{address.scheme}://{address.netloc.rpartition('@')[2]}/"
