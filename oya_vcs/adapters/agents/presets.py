"""Well-known agents that are programs: how each is started, and what is made of a command's words.

A preset fills `[worker] command`, gives the agent its task in the way that it takes one, and says
in which dialect the escort reads what it prints. A command may hold `{prompt}` (what is asked, as
one argument), `{prompt_file}` (the file with it) and `{files}` (the bead's files, an argument
each). Must not know how a process is run.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from oya_vcs.adapters.agents import opencode
from oya_vcs.config import WorkerConfig
from oya_vcs.errors import ConfigurationInvalid

PROMPT_BYTES_MAX = 100_000
"""Of a prompt that is one argument: the kernel takes 128 KiB (MAX_ARG_STRLEN)."""


@dataclass(frozen=True, slots=True)
class Preset:
    """How an agent is started; `fed` says that it reads its task from its standard input."""

    command: tuple[str, ...]
    fed: bool = False


PRESETS: Mapping[str, Preset] = {
    "codex": Preset(
        ("codex", "exec", "--json", "--skip-git-repo-check", "--sandbox", "workspace-write", "-"),
        fed=True,
    ),
    "claude": Preset(
        (
            *("claude", "-p", "--output-format", "stream-json", "--verbose"),
            *("--permission-mode", "acceptEdits"),
        ),
        fed=True,
    ),
    "opencode": Preset(("opencode", "run", "--format", "json", "{prompt}")),
    "aider": Preset(
        (
            *("aider", "--yes-always", "--no-git", "--no-auto-commits", "--no-pretty"),
            *("--no-stream", "--no-check-update", "--analytics-disable", "--no-gitignore"),
            *("--chat-history-file", "/dev/null", "--input-history-file", "/dev/null"),
            *("--message-file", "{prompt_file}", "{files}"),
        )
    ),
}
"""By the word in `[worker] preset`. What each may do without asking is the least that lets it work
on files; more is for a command of one's own (docs/AGENTS.md)."""


def command_of(settings: WorkerConfig) -> tuple[str, ...]:
    """The command of all beads that name none: the one that is set, or the preset's; empty where
    there is neither."""
    if settings.kind == "opencode":
        return settings.command or opencode.COMMAND
    if settings.command or not settings.preset:
        return settings.command
    return PRESETS[settings.preset].command


def require_sense(settings: WorkerConfig) -> None:
    """Refuse keys that would have no effect. Raises ConfigurationInvalid."""
    useless = {
        "preset": bool(settings.preset) and settings.kind != "command",
        "permissions": bool(settings.permissions) and settings.kind == "command",
    }
    for key, vain in useless.items():
        if vain:
            raise ConfigurationInvalid(
                f'worker.{key} is set, and worker.kind is "{settings.kind}": it would have no '
                "effect.",
                "Leave it out, or set another worker.kind (docs/AGENTS.md).",
            )


def filled(command: Sequence[str], prompt: Path, files: Sequence[str]) -> tuple[str, ...]:
    """The command with the words of this attempt. Reads the prompt's file where it is asked for."""
    return tuple(_filled(command, prompt, files))


def _filled(command: Sequence[str], prompt: Path, files: Sequence[str]) -> Iterator[str]:
    for word in command:
        if word == "{files}":
            yield from files
        elif "{prompt}" in word:
            yield word.replace("{prompt}", _as_argument(prompt))
        else:
            yield word.replace("{prompt_file}", str(prompt))


def _as_argument(prompt: Path) -> str:
    text = prompt.read_bytes()
    if len(text) > PROMPT_BYTES_MAX:
        end = f"\n\nThis is not all: the rest is in the file {prompt}.\n".encode()
        text = text[: PROMPT_BYTES_MAX - len(end)] + end
    return text.decode(errors="ignore")
