"""Looking at a repository before anything is begun, as a daemon does it again and again at work."""

from __future__ import annotations

import pytest

from oya_vcs.bootstrap import find_plan
from oya_vcs.config import default_home
from oya_vcs.errors import ConfigurationInvalid
from tests.conftest import NewProject


async def test_a_plan_is_found_beside_a_loop_that_is_at_work(new_project: NewProject) -> None:
    """Programs are asked, files read and errors found in threads: nothing blocks the event loop,
    which `unblocked_loop` sees to."""
    project = new_project(files=1)
    flags = {"worker.command": "/bin/true"}
    plan = await find_plan(default_home(), project.root, config_file=None, flags=flags)
    assert (plan.root, plan.config.checks) == (project.root, {"test": "true"})
    for wrong, said in (("/no/such", "is not there"), ("no-such", "is not on PATH")):
        flags = {"worker.command": wrong}
        with pytest.raises(ConfigurationInvalid, match=said):
            await find_plan(default_home(), project.root, config_file=None, flags=flags)


async def test_a_target_without_checks_is_told_with_the_mend(new_project: NewProject) -> None:
    """What has to be committed is said where it is there and only not on the target."""
    project = new_project(files=1, check="")
    flags = {"worker.command": "/bin/true"}
    with pytest.raises(ConfigurationInvalid, match=r"has no \[checks\]") as error:
        await find_plan(default_home(), project.root, config_file=None, flags=flags)
    assert "under [checks]" in error.value.hint


async def test_a_tracker_s_switch_without_a_tracker_is_refused(new_project: NewProject) -> None:
    """What would have no effect is said before anything is begun."""
    project = new_project(files=1)
    for key in ("write_back", "cancel_closed"):
        flags = {"worker.command": "/bin/true", f"tracker.{key}": "true"}
        with pytest.raises(ConfigurationInvalid, match=f"{key} is set, and tracker.live is not"):
            await find_plan(default_home(), project.root, config_file=None, flags=flags)
