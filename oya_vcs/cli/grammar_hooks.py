"""The grammar of `oya-vcs hook` and `oya-vcs hooks`. Standard library only; `hook` is understood
without the rest of the grammar, for people wait for it."""

from __future__ import annotations

import argparse

from oya_vcs.cli.grammar import Commands, Parser, add, common, raw


def hooks(commands: Commands) -> None:
    """Put the two commands into the grammar."""
    _hook(commands)
    installing = add(commands, "hooks", "put jj aliases and git hooks into a repository, and away")
    verbs = installing.add_subparsers(dest="verb", metavar="VERB", required=True)
    install = add(verbs, "install", "show what is to change, and change it", _INSTALL)
    install.add_argument(
        "--take-over", action="store_true", help="where something of yours is in the way"
    )
    uninstall = add(verbs, "uninstall", "put everything back as it was", _UNINSTALL)
    for parser in (install, uninstall):
        parser.add_argument("--dry-run", action="store_true", help="only say what would change")
    for parser in (install, uninstall, add(verbs, "list", "say what is installed")):
        _repo(parser)
        parser.add_argument("--no-git", action="store_true", help="leave git's hooks out")


def alone() -> Parser:
    """The grammar of `oya-vcs hook`, and of nothing else."""
    parser = Parser(prog="oya-vcs", formatter_class=raw)
    common(parser, top=True)
    # Without `prog` and width argparse lays out a help text to find them, and imports more.
    top = parser.add_subparsers(dest="command", metavar="COMMAND", required=True, prog="oya-vcs")
    _hook(top)
    return parser


def _hook(commands: Commands) -> None:
    hook = add(commands, "hook", "do what jj aliases and git hooks call", _HOOK)
    prog = "oya-vcs hook"
    names = hook.add_subparsers(dest="verb", metavar="NAME", required=True, prog=prog)
    for name, does in (
        ("submit", "put a commit of yours into the merge queue"),
        ("land", "the same, and wait until it has landed or comes back"),
    ):
        parser = add(names, name, does, _SUBMIT)
        parser.add_argument(
            "revision", nargs="?", default="@-", metavar="REVISION", help="one commit (@-)"
        )
        parser.add_argument("--priority", type=int, default=2, metavar="N", help="0 is most urgent")
        _repo(parser)
    push = add(names, "push", "push with jj what the gate lets pass", _PUSH)
    push.add_argument("words", nargs="*", metavar="-- WORD", help="for `jj git push`")
    _repo(push)
    pre_push = add(names, "pre-push", "be git's pre-push hook", "What git says is on the input.")
    pre_push.add_argument("words", nargs="*", metavar="-- REMOTE URL")
    _repo(pre_push)


def _repo(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--repo", metavar="REPO", help="default: where jj or you are")


_HOOK = "`oya-vcs hooks install` makes `jj submit`, `jj land` and `jj push` of them."
_SUBMIT = """\
The commit is tested on top of the target and lands through the merge queue, as the result of a
worker does. Your workspace is not touched. Submitted again, a newer commit of the same change
takes the place of the older one. `oya-vcs bead cancel` takes it out of the queue."""
_PUSH = """\
Every commit that `jj git push` would push is looked at by the target's gate (pre_push), in a clean
checkout; where the gate blocks one, nothing is pushed. Words for jj stand behind `--`."""
_INSTALL = """\
`jj submit`, `jj land` and `jj push` become words of jj in this repository, set by jj itself. Where
jj and git share the repository, git's pre-push hook calls us, too. Nothing of somebody's is
overwritten: it is named, and nothing is changed, but with --take-over."""
_UNINSTALL = "What somebody has changed since is left as it is, and said."
