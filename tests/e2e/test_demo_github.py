"""`oya-vcs demo --github`: the main job on the model of GitHub, as people run it."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tests.conftest import NewProject

CHECKOUT = Path(__file__).parents[2]


@pytest.mark.timeout(300)
def test_it_lands_a_pull_request_and_leaves_the_model_until_ctrl_c(
    new_project: NewProject, tmp_path: Path
) -> None:
    """With --keep what landed can be looked at where the demo says; then the model has ended, and
    nothing that was said to it was unlike GitHub."""
    project = new_project(files=1)
    kept = tmp_path / "kept"
    argv = ("demo", "--github", "--keep", "--beads", "1", "--dir", str(kept), "--json")
    with subprocess.Popen(
        project.command(*argv),
        env=project.environ,
        cwd=project.folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as demo:
        assert demo.stderr
        assert demo.stdout
        url = ""
        for line in demo.stderr:
            url = line.split()[-1] if "http://" in line else url
            if "until Ctrl-C" in line:
                break
        pulls = httpx.get(url).json()
        demo.send_signal(signal.SIGINT)
        answer = json.loads(demo.stdout.read())
    assert demo.returncode == 0
    assert (answer["data"]["landed"], answer["data"]["journal_ok"]) == (1, True)
    assert [(one["head"]["ref"], bool(one["merged_at"])) for one in pulls] == [
        ("oya/bead/a-1", True)
    ]
    assert (kept / "github" / "model.log").read_text() == ""
    with pytest.raises(httpx.ConnectError):
        httpx.get(url)


def test_an_installed_package_says_where_the_model_is(
    new_project: NewProject, tmp_path: Path
) -> None:
    """The wheel has no tests: exit 2, with a sentence about what to do, and nothing left."""
    project = new_project(files=1)
    site = tmp_path / "site"
    shutil.copytree(CHECKOUT / "oya_vcs", site / "oya_vcs")
    shutil.copytree(CHECKOUT / "templates", site / "oya_vcs" / "_data" / "templates")
    path = ":".join([str(site), *sys.path])
    ran = project.oya("demo", "--github", env={"PYTHONPATH": path, "TMPDIR": str(tmp_path)})
    assert ran.code == 2
    assert "in a checkout" in ran.err
    assert not list(tmp_path.glob("oya-vcs-demo-*"))
