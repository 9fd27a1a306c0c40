"""The demo's check: every module of the app can be imported and run, so everything it needs is
there."""

import importlib
import pathlib

for path in sorted(pathlib.Path("app").glob("*.py")):
    if path.stem != "__init__":
        print(path.stem, importlib.import_module(f"app.{path.stem}").total())
greeting = pathlib.Path("app/greeting.txt").read_text(encoding="utf-8")
assert len(greeting.splitlines()) == 1, "the greeting must stay one line"
