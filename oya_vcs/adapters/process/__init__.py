"""Runs programs so that none outlives its daemon, and every outcome does.

`runner.py` is the daemon's side of the reaper (`adapters/reaper`), `folder.py`
what is on disk between the two, `survivors.py` what to do where the reaper itself was killed. Must
not know what runs: workers and checks are the same to it.
"""

from __future__ import annotations

from oya_vcs.adapters.process.runner import ReaperRunner

__all__ = ["ReaperRunner"]
