"""The words of the bot: a template's name and its fields become the text of a comment.

The templates are `templates/replies/*.md.j2`. Whatever a field holds came from a person, a branch
or a check, and does nothing in a comment: it is escaped when it is put in, without a template
having to ask for it. Pure but for reading the templates once; knows no decision and no address.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from oya_vcs.core.commands import label_prefix
from oya_vcs.core.neutral import neutral

COMMENT_MAX = 60_000
"""Characters of a comment: GitHub takes 65,536, and the mark and its like are ours."""
BLOCK_MAX = 8_000
"""Characters of a log that a comment shows: its end, where the error is."""
TEXT_MAX = 2_000
"""Characters of any other value."""


class Safe(str):
    """Markdown that means what it does."""

    __slots__ = ()


class Render(Protocol):
    """Writes the text of a comment."""

    def __call__(self, template: str, fields: Mapping[str, object]) -> str:
        """The text of `templates/replies/TEMPLATE.md.j2`. Raises jinja2.TemplateError, a bug, where
        there is no such template or it wants a field that is not given."""
        ...


def replies(folder: Path, prefix: str) -> Render:
    """A renderer for the templates of a folder, all of which are read now. `prefix` is how people
    speak to us."""
    environment = Environment(
        loader=FileSystemLoader(folder, encoding="utf-8"),
        undefined=StrictUndefined,
        finalize=_finalized,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=False,  # noqa: S701  # HTML's rules are not Markdown's: see `_finalized`
    )
    environment.filters |= {"code": code, "block": block, "login": login, "link": link}
    environment.globals |= {"prefix": prefix, "label": label_prefix(prefix)}
    found = {
        name.removesuffix(".md.j2"): environment.get_template(name)
        for name in environment.list_templates(filter_func=lambda name: name.endswith(".md.j2"))
    }

    def render(template: str, fields: Mapping[str, object]) -> str:
        text = found[template].render(fields).strip()
        text = re.sub(r"\n{3,}", "\n\n", text)
        return text if len(text) <= COMMENT_MAX else f"{text[:COMMENT_MAX]}…"

    return render


# --- What is put in ------------------------------------------------------------------------------

_ACTIVE = re.compile(r"[\\`*_\[\]<>#|~&$]|^[-+=:]|^\d{1,9}[.)]")
"""What has a meaning in Markdown as GitHub reads it: anywhere, or where a line begins."""
_LINKING = re.compile(r"(#|\bGH-)(?=\d)|(://)|\b(www\.)", re.IGNORECASE)
"""What GitHub makes links of, and mentions on the pages that they lead to, in any text."""
_ADDRESS = re.compile(r"https?://[\w.-]+(?::\d+)?[\w./?=&%#+,;~@!$*-]*", re.ASCII)
_LOGIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,98}")


def _finalized(value: object) -> object:
    """What stands in a comment for a value that no filter has made safe."""
    return value if isinstance(value, Safe | int) else text(value)


def text(value: object) -> Safe:
    """One line in which nothing is a mention, a link, a command, a reference or a format. Doing
    without the words themselves would be harder to read than with a space here and there."""
    line = " ".join(neutral(str(value)[:TEXT_MAX]).split())
    line = _LINKING.sub(lambda found: f"{found[0]} ", line)
    return Safe(_ACTIVE.sub(lambda found: f"{found[0][:-1]}\\{found[0][-1]}", line))


def code(value: object) -> Safe:
    """The same within a line, as it was written: a code span that nothing in it can end."""
    line = " ".join(_shown(str(value)[:TEXT_MAX]).split())
    if not line:
        return Safe("")
    fence = "`" * (_longest_ticks(line) + 1)
    edge = " " if line.startswith("`") or line.endswith("`") else ""
    return Safe(f"{fence}{edge}{line}{edge}{fence}")


def block(value: object) -> Safe:
    """The end of a long text, line by line: a fenced block that nothing in it can end."""
    shown = _shown(str(value)[-BLOCK_MAX:]).strip("\n")
    fence = "`" * max(3, _longest_ticks(shown) + 1)
    return Safe(f"{fence}text\n{shown}\n{fence}")


def login(value: object) -> Safe:
    """A person by name, who is told of it; what cannot be a login is text."""
    name = str(value)
    return Safe(f"@{name}") if _LOGIN.fullmatch(name) else text(name)


def link(value: object) -> Safe:
    """An address as a link to itself; what is none, or has an odd character in it, is text."""
    address = str(value)
    return Safe(f"<{address}>") if _ADDRESS.fullmatch(address) else text(address)


def _shown(words: str) -> str:
    return "".join(one if one.isprintable() or one == "\n" else " " for one in words)


def _longest_ticks(words: str) -> int:
    return max((len(run) for run in re.findall(r"`+", words)), default=0)
