"""`oya-vcs ui`: the running daemon's page, in a window of its own, as a tab, or as a link."""

from __future__ import annotations

import argparse

from oya_vcs.adapters.browser import show
from oya_vcs.cli.asking import ask
from oya_vcs.cli.output import Output
from oya_vcs.cli.places import home_of
from oya_vcs.config import environment
from oya_vcs.errors import ConfigurationInvalid, ExitCode

GOOD_FOR = "It lets one browser act, once, within ten minutes."


def ui(arguments: argparse.Namespace, output: Output) -> ExitCode:
    """Open the page. Raises NoDaemon, and ConfigurationInvalid where nothing is served."""
    home = home_of(arguments)
    told = ask(home, "web.link")
    link = str(told["link"])
    if not link:
        why = told["error"] or "The daemon serves nothing: [web] listen is empty."
        raise ConfigurationInvalid(why, "Name an address with [web] listen, as 127.0.0.1:7420.")
    opened = False
    if not arguments.link:
        path = environment().get("PATH", "")
        opened = show(link, home.root / "ui.html", tab=arguments.browser, path=path)
    text = f"The page: {link}\n{GOOD_FOR}"
    if not opened and not arguments.link:
        text += " No browser was found here to open it with."
    output.answer("ui", {"link": link, "opened": opened}, text)
    return ExitCode.DONE
