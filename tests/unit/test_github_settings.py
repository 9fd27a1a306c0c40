"""What `[github]` must say, and that the list of permissions for people is the one that counts."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from oya_vcs.adapters.github.rights import EVENTS, NEEDED, OPTIONAL
from oya_vcs.bootstrap.github_settings import (
    is_on_github,
    remote_name,
    require_github,
    require_same,
    web_place,
)
from oya_vcs.config import Config, GithubConfig, RepoConfig
from oya_vcs.errors import ConfigurationInvalid

ROOT = Path(__file__).resolve().parents[2]
APP: dict[str, object] = {"app_id": 7, "private_key_file": "key.pem"}


def configured(github: Mapping[str, object] = APP, remote: str = "") -> Config:
    """A configuration for GitHub."""
    settings = GithubConfig(**{"repo": "acme/widget", **github})  # type: ignore[arg-type]
    return Config(repo=RepoConfig(forge="github", remote=remote), github=settings)


@pytest.mark.parametrize("github", [APP, {"token_env": "GH"}])
def test_an_app_or_a_token_is_enough(github: dict[str, object]) -> None:
    """Either one alone; also at a server on this machine."""
    require_github(configured(github))
    require_github(configured({**github, "api_url": "http://127.0.0.1:8080"}))


@pytest.mark.parametrize(
    ("github", "words"),
    [
        ({}, "neither"),
        ({"app_id": 7}, "neither"),
        ({"private_key_file": "key.pem", "token_env": "GH"}, "neither"),
        ({**APP, "token_env": "GH"}, "both"),
        ({**APP, "repo": ""}, "github.repo"),
        ({**APP, "api_url": "http://github.example/api/v3"}, "not https"),
    ],
)
def test_what_is_missing_is_named_with_its_mend(github: dict[str, object], words: str) -> None:
    """Too little, too much, and a token in the clear."""
    with pytest.raises(ConfigurationInvalid) as refused:
        require_github(configured(github))
    assert words in refused.value.message
    assert refused.value.hint


def test_the_remote_is_origin_unless_another_is_named() -> None:
    """With the forge on this machine there is none by itself."""
    assert remote_name(configured()) == "origin"
    assert remote_name(configured(remote="upstream")) == "upstream"
    assert remote_name(Config()) == ""
    assert is_on_github(configured())
    assert not is_on_github(Config())


@pytest.mark.parametrize(
    "url",
    [
        "https://github.example/acme/widget.git",
        "https://github.example/Acme/Widget/",
        "git@github.example:acme/widget.git",
        "ssh://git@github.example/acme/widget",
    ],
)
def test_the_remote_must_be_the_repository(url: str) -> None:
    """However its address is written; another repository's is refused, with the mend."""
    require_same(configured(), url)
    for other in (url.replace("idget", "idgets"), url.replace("cme", "cme/x"), "elsewhere"):
        with pytest.raises(ConfigurationInvalid) as refused:
            require_same(configured(), url, other)
        assert "set-url" in refused.value.hint


def test_a_token_goes_to_the_remote_alone() -> None:
    """To its host, and to nobody over ssh or in a folder."""
    assert web_place("https://me@github.example:8/acme/widget.git") == "https://github.example:8/"
    assert web_place("git@github.example:acme/widget.git") == ""
    assert web_place("/srv/widget.git") == ""


def test_the_app_that_people_make_is_the_one_that_is_checked() -> None:
    """bot/github-app.yml lists each permission with its level and reason, and each event."""
    text = (ROOT / "bot" / "github-app.yml").read_text(encoding="utf-8")
    listed = re.findall(r"^  (\w+): (\w+) +# (.+)$", text, re.MULTILINE)
    assert listed == [(one.name, one.level, one.why) for one in (*NEEDED, *OPTIONAL)]
    assert tuple(re.findall(r"^  - (\w+)$", text, re.MULTILINE)) == EVENTS
