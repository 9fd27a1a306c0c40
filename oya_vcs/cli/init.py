"""`oya-vcs init`: a jj repository becomes one of the home's, and gets a commented `oya.toml`.
Overwrites nothing."""

from __future__ import annotations

import argparse
from pathlib import Path

from oya_vcs.adapters.jj import find_root
from oya_vcs.cli.importing import register
from oya_vcs.cli.output import Output
from oya_vcs.config import templates_folder
from oya_vcs.errors import ExitCode, WorldFailed


def init(arguments: argparse.Namespace, output: Output) -> ExitCode:
    """Write the file where there is none, register the repository, and say the next step."""
    root = find_root(Path(arguments.repo))
    path = root / "oya.toml"
    text = (templates_folder() / "oya.toml").read_text("utf-8")
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
        made = True
    except FileExistsError:
        made = False
    except OSError as error:
        message = f"{path} cannot be written: {error.strerror}."
        raise WorldFailed(message) from error
    row = register(arguments, root)
    did = f"Wrote {path}." if made else f"{path} is there already and was left alone."
    then = "Name your tests under [checks], commit it, and move the target bookmark to that commit."
    data = {"path": str(path), "written": made, "repo": row["repo"]}
    output.answer("init", data, f"{did} The repository is registered.\n{then}")
    return ExitCode.DONE
