"""Which hooks a repository's plan has: those of its target, and nobody's else."""

from __future__ import annotations

from dataclasses import replace

import pytest

from oya_vcs.bootstrap import find_plan
from oya_vcs.bootstrap.hooking import Hooked
from oya_vcs.config import Home
from tests.conftest import NewProject

OYA_TOML = """\
[checks]
test = "true"
[workspace]
setup = "make deps"
[hooks]
pre_enqueue = "make quick"
"""


async def test_the_hooks_of_the_target_count(
    new_project: NewProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Keys of oya.toml and files in hooks/, as they are on the target: what lies in the user's
    workspace is nothing yet. Another set of them is another plan."""
    project = new_project(files=1)
    for name, text in project.environ.items():
        monkeypatch.setenv(name, text)
    (project.root / "oya.toml").write_text(OYA_TOML)
    (project.root / "hooks").mkdir()
    (project.root / "hooks" / "post-op.sh").write_text("true")
    (project.root / "hooks" / "post-create.sh").write_text("make more")
    project.commit_all("Hooks")
    (project.root / "hooks" / "pre-push.sh").write_text("false")
    home = Home(project.home)
    plan = await find_plan(home, project.root, config_file=None, flags={}, working=False)
    assert plan.hooked.gated == {"pre_enqueue", "post_op"}
    assert plan.prepared.setup == "(\nmake deps\n) && (\nmake more\n)"
    assert plan.policy.setup
    assert plan.farewell == ""
    assert plan.works_as(plan)
    assert not plan.works_as(replace(plan, hooked=Hooked(frozenset({"post_op"}))))
