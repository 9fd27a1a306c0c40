"""The grammar of the daemon of a home, and of what a shell asks: where am I, how are words
completed, what does the manual say. Standard library only."""

from __future__ import annotations

import argparse

from oya_vcs.cli.grammar import Commands, add


def daemon(commands: Commands) -> None:
    """`up`, `down` and `ui`."""
    up = add(commands, "up", "start the daemon that works on every registered repository", _UP)
    how = up.add_mutually_exclusive_group()
    how.add_argument("--foreground", action="store_true", help="stay, until Ctrl-C or `down`")
    how.add_argument(
        "--install", action="store_true", help="start it with your session, by systemd or launchd"
    )
    how.add_argument("--uninstall", action="store_true", help="no longer")
    up.add_argument(
        "--dry-run", action="store_true", help="of --install and --uninstall: change nothing"
    )
    up.add_argument("--handshake", type=int, help=argparse.SUPPRESS)
    add(commands, "down", "end the daemon", "Stops its workers, and returns when it has gone.")
    ui = add(commands, "ui", "open the running daemon's page in a window", _UI)
    where = ui.add_mutually_exclusive_group()
    where.add_argument("--browser", action="store_true", help="as a tab of your browser")
    where.add_argument("--link", action="store_true", help="open nothing, only print the link")


_UI = """\
The link that is printed lets one browser act, once, within ten minutes; without it the page
only shows. Exit code 6 where no daemon runs."""
_UP = """\
Returns when it answers, and says what it works on; exit code 5 where one is up already. What
is registered (`oya-vcs init REPO`) or handed in (`oya-vcs bead import FILE --repo REPO`) while
it runs, it takes up. Its log is OYA_HOME/logs/daemon.log.

--install writes a user unit of systemd, or a property list of launchd, for this home and
shows it; what starts it is said and left to you. A file that is not ours is never replaced."""


def shell(commands: Commands) -> None:
    """`whereami`, `completion` and `man`."""
    whereami = add(
        commands,
        "whereami",
        "say which repository, home, workspace and bead this folder belongs to",
        "Works in a worker's workspace, too. Exit code 3 where the folder is in no jj repository.",
    )
    whereami.add_argument("folder", nargs="?", default=".", metavar="DIR", help="(this folder)")
    completion = add(
        commands,
        "completion",
        "print a script by which a shell completes commands and options",
        _COMPLETION,
    )
    completion.add_argument("shell", choices=("bash", "zsh", "fish"))
    add(
        commands,
        "man",
        "print the manual page, in the language of man(7)",
        "Read it: `oya-vcs man | man -l -`. Keep it: into ~/.local/share/man/man1/oya-vcs.1.",
    )


_COMPLETION = """\
bash   eval "$(oya-vcs completion bash)" in ~/.bashrc
zsh    eval "$(oya-vcs completion zsh)" in ~/.zshrc, behind compinit
fish   oya-vcs completion fish > ~/.config/fish/completions/oya-vcs.fish"""
