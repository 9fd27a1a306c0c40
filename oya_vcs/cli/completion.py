"""`oya-vcs completion SHELL`: a script by which bash, zsh or fish complete what can be typed.

It holds the whole grammar and starts nothing when it completes. Files are completed by the shell
where the grammar knows no word.
"""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Callable, Iterator, Mapping

from oya_vcs.cli.output import Output
from oya_vcs.cli.parser import build
from oya_vcs.cli.words import Command, words_of
from oya_vcs.errors import ExitCode


def completion(arguments: argparse.Namespace, output: Output) -> ExitCode:
    """Print the script for one shell."""
    script = _SCRIPTS[arguments.shell](words_of(build()))
    data = {"shell": arguments.shell, "script": script}
    output.answer("completion", data, script.rstrip("\n"))
    return ExitCode.DONE


def place(command: Command) -> str:
    """A command's path as the scripts write it: `/bead/add`."""
    return "".join(f"/{word}" for word in command.path)


def _known(command: Command) -> Iterator[tuple[str, str]]:
    """The words that may come in a command's place, and what each is for."""
    yield from ((verb.path[-1], verb.brief) for verb in command.verbs)
    yield from ((choice, one.about) for one in command.arguments for choice in one.choices)
    yield from ((name, one.about) for one in command.options for name in one.names)


def _bash(root: Command) -> str:
    places, words, values = "|".join(_places(root)), list[str](), list[str]()
    for command in root.every():
        known = " ".join(word for word, _ in _known(command))
        words.append(f"    {shlex.quote(place(command))}) words={shlex.quote(known)} ;;")
        for one in command.options:
            if one.takes:
                names = "|".join(f"{shlex.quote(place(command))}:{name}" for name in one.names)
                values.append(f"    {names}) words={shlex.quote(' '.join(one.choices))} ;;")
    return _BASH.format(places=places, words="\n".join(words), values="\n".join(values))


_BASH = """\
# Completion of oya-vcs for bash: eval "$(oya-vcs completion bash)"
_oya_vcs() {{
  local current=${{COMP_WORDS[COMP_CWORD]}} before=${{COMP_WORDS[COMP_CWORD-1]}} at= words= i
  for ((i = 1; i < COMP_CWORD; i++)); do
    case "$at/${{COMP_WORDS[i]}}" in
    {places}) at="$at/${{COMP_WORDS[i]}}" ;;
    esac
  done
  case "$at" in
{words}
  esac
  case "$at:$before" in
{values}
  esac
  COMPREPLY=($(compgen -W "$words" -- "$current"))
}}
complete -o default -F _oya_vcs oya-vcs
"""


def _zsh(root: Command) -> str:
    words, values = list[str](), list[str]()
    for command in root.every():
        known = [
            shlex.quote(f"{word.replace(':', chr(92) + ':')}:{about}")
            for word, about in _known(command)
        ]
        words.append(f"    {shlex.quote(place(command))}) known=({' '.join(known)}) ;;")
        for one in command.options:
            if one.takes:
                names = "|".join(f"{shlex.quote(place(command))}:{name}" for name in one.names)
                choices = " ".join(map(shlex.quote, one.choices))
                values.append(f"    {names}) known=({choices}) ;;")
    places = "|".join(_places(root))
    return _ZSH.format(places=places, words="\n".join(words), values="\n".join(values))


_ZSH = """\
#compdef oya-vcs
# Completion of oya-vcs for zsh: eval "$(oya-vcs completion zsh)", behind compinit
_oya_vcs() {{
  local at= word
  local -a known
  for word in ${{words[2,CURRENT-1]}}; do
    case "$at/$word" in
    {places}) at="$at/$word" ;;
    esac
  done
  case "$at" in
{words}
  esac
  case "$at:${{words[CURRENT-1]}}" in
{values}
  esac
  (( $#known )) && _describe oya-vcs known || _files
}}
compdef _oya_vcs oya-vcs
"""


def _fish(root: Command) -> str:
    lines = []
    for command in root.every():
        here = f"complete -c oya-vcs -n '__oya_vcs_at \"{place(command)}\"'"
        lines += [
            f"{here} -f -a {shlex.quote(verb.path[-1])} -d {_fish_quoted(verb.brief)}"
            for verb in command.verbs
        ]
        lines += [
            f"{here} -f -a {_fish_quoted(' '.join(one.choices))} -d {_fish_quoted(one.about)}"
            for one in command.arguments
            if one.choices
        ]
        for one in command.options:
            names = " ".join(
                f"-l {name[2:]}" if name.startswith("--") else f"-s {name[1:]}"
                for name in one.names
            )
            takes = " -r" if one.takes else ""
            takes += f" -f -a {_fish_quoted(' '.join(one.choices))}" if one.choices else ""
            lines.append(f"{here} {names}{takes} -d {_fish_quoted(one.about)}")
    return _FISH.format(places=" ".join(_places(root)), lines="\n".join(lines))


_FISH = """\
# Completion of oya-vcs for fish: oya-vcs completion fish > ~/.config/fish/completions/oya-vcs.fish
function __oya_vcs_at
    set -l at ""
    for word in (commandline -opc)[2..-1]
        switch "$at/$word"
            case {places}
                set at "$at/$word"
        end
    end
    test "$at" = "$argv[1]"
end
{lines}
"""


def _places(root: Command) -> list[str]:
    return [place(command) for command in root.every() if command.path]


def _fish_quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


_SCRIPTS: Mapping[str, Callable[[Command], str]] = {"bash": _bash, "zsh": _zsh, "fish": _fish}
