"""The demo's worker: does what a bead asks for, as an agent would, with a script's patience.

Reads the bead from OYA_BEAD_FILE, works in its current folder, and is done when it exits with 0. A
bead named `greet-…` edits the one line of app/greeting.txt, so that two of them conflict; every
other bead writes a module that imports those of the beads it needs.
"""

import json
import os
import pathlib


def main() -> None:
    """Work on one bead."""
    bead = json.loads(pathlib.Path(os.environ["OYA_BEAD_FILE"]).read_text(encoding="utf-8"))
    name = bead["id"]
    print(f"working on {name}, attempt {os.environ['OYA_ATTEMPT']}", flush=True)
    if name.startswith("greet-"):
        greeting = pathlib.Path("app/greeting.txt")
        greeting.write_text(f"{greeting.read_text().strip()}, {name[6:]}\n", encoding="utf-8")
        return
    needed = [edge["depends_on_id"].replace("-", "_") for edge in bead["dependencies"]]
    lines = [f'"""{bead["title"]}."""', ""]
    lines += [f"from app import {module}" for module in needed]
    total = " + ".join([f"{module}.total()" for module in needed] + ["1"])
    lines += ["", "", "def total() -> int:", '    """How much was built."""', f"    return {total}"]
    module = pathlib.Path("app") / f"{name.replace('-', '_')}.py"
    module.write_text("\n".join(lines) + "\n", encoding="utf-8")


main()
