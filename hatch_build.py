"""The build hook: puts `hooks/` and `templates/` into the standard wheel as `oya_vcs/_data/...`.

An editable installation gets no copy: there `oya_vcs/config/places.py` finds both folders at the
top of the checkout. This module knows nothing of the package it builds.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

DATA_FOLDERS = ("hooks", "templates")


class DataFolders(BuildHookInterface[Any]):
    """Adds each data folder that the tree has to a standard wheel."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Extend `force_include`; `version` is "standard" or "editable"."""
        if version != "standard":
            return
        for name in DATA_FOLDERS:
            folder = Path(self.root) / name
            if folder.is_dir():
                build_data["force_include"][str(folder)] = f"oya_vcs/_data/{name}"
