"""Where the folders of a daemon and of the package stand."""

from __future__ import annotations

from pathlib import Path

import pytest

from oya_vcs import config as configs
from oya_vcs.config import places


def test_folders_stand_where_the_base_directories_say(tmp_path: Path) -> None:
    """XDG variables count when they are absolute; OYA_HOME goes before them."""
    env = {"XDG_STATE_HOME": "/s", "XDG_DATA_HOME": "/d", "XDG_CONFIG_HOME": str(tmp_path)}
    assert configs.default_home(env).root == Path("/s/oya-vcs")
    assert configs.default_home({**env, "OYA_HOME": "/h"}).root == Path("/h")
    assert configs.default_home({"XDG_STATE_HOME": "rel"}).root == (
        Path.home() / ".local/state/oya-vcs"
    )
    assert configs.tools_folder(env) == Path("/d/oya-vcs/tools")
    assert configs.user_config(env) is None
    (tmp_path / "oya-vcs").mkdir()
    (tmp_path / "oya-vcs" / "config.toml").touch()
    assert configs.user_config(env) == tmp_path / "oya-vcs" / "config.toml"
    home = configs.Home(Path("/h"))
    stands = {
        "journal": "journal.db",
        "workspaces": "workspaces",
        "runs": "runs",
        "logs": "logs",
        "trash": "trash",
        "checkouts": "checkouts",
        "lock": "daemon.lock",
    }
    for name, path in stands.items():
        assert getattr(home, name) == Path("/h") / path


def test_data_folders_are_found_in_a_checkout_and_in_a_wheel(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beside the package, unless the package carries them."""
    assert (configs.templates_folder() / "oya.toml").is_file()
    package = tmp_path / "oya_vcs"
    monkeypatch.setattr(places, "__file__", str(package / "config" / "places.py"))
    assert configs.templates_folder() == tmp_path / "templates"
    carried = package / "_data" / "templates"
    carried.mkdir(parents=True)
    assert configs.templates_folder() == carried


def test_the_environment_is_a_copy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who is given it cannot change the process's own."""
    monkeypatch.setenv("OYA_TEST_MARK", "1")
    copy = configs.environment()
    monkeypatch.delenv("OYA_TEST_MARK")
    assert copy["OYA_TEST_MARK"] == "1"
