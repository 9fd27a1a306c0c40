"""docs/reference/EVENTS.md: each kind of event and of effect with its fields, from the core."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import re
import textwrap
from collections.abc import Iterator

from oya_vcs.core.effects import EFFECTS
from oya_vcs.core.events import EVENTS
from tests.reference.markdown import code, page, table

ABOUT = """\
# Events

Each row of `journal.db` is one of these: `type` is its name, `version` that of its fields,
`subject` what it is about, `data` the fields as JSON. `key`, where there is one, stands in the
journal once only. A field may come to be, with the default shown here; nothing else about an event
ever changes but under a new version, and every journal ever written is read. Times (`…_ms`) are
Unix time in milliseconds.

`oya-vcs journal tail` shows the last, `oya-vcs bead show ID` those of one bead, `journal export`
all. [EXACTLY_ONCE.md](../EXACTLY_ONCE.md) says how effects and events belong together.
"""


def written(_before: str = "") -> str:
    """The page."""
    lines = [*ABOUT.splitlines(), ""]
    for kind in sorted(EVENTS, key=lambda kind: kind.__name__):
        keyed = returned(kind, "unique")
        lines += [f"## `{kind.__name__}`", "", *(inspect.getdoc(kind) or "").splitlines(), ""]
        said = [f"Version {kind.version}", f"subject {_subject(kind)}"]
        said += [f"key {code(keyed)}"] if keyed != "None" else []
        lines += [f"{'; '.join(said)}.", "", *_fields(kind)]
    lines += ["# Effects", "", "What a `Requested` asks for: its `effect`.", ""]
    for effect in sorted(EFFECTS, key=lambda kind: kind.__name__):
        lines += [f"## `{effect.__name__}`", ""]
        lines += [*(inspect.getdoc(effect) or "").splitlines(), "", *_fields(effect)]
    return page(lines)


def returned(kind: type, name: str) -> str:
    """What a property of the class returns, as one writes it with the names of its fields."""
    found = next(vars(above)[name] for above in kind.__mro__ if name in vars(above))
    body = ast.parse(textwrap.dedent(inspect.getsource(found.fget))).body[0]
    value = next(node.value for node in ast.walk(body) if isinstance(node, ast.Return))
    text = ast.unparse(value) if value is not None else "None"
    text = text.replace("self.", "")
    form = re.fullmatch(r"f'(.*)'", text)
    return form[1] if form else text


def _subject(kind: type) -> str:
    """The field that is the subject."""
    told = returned(kind, "subject")
    if not told.startswith("str(getattr"):
        return code(told)
    names = {field.name for field in dataclasses.fields(kind)}
    return (
        " or, where it is empty, ".join(code(name) for name in ("bead", "repo") if name in names)
        or "none"
    )


def _fields(kind: type) -> Iterator[str]:
    rows = []
    for field in dataclasses.fields(kind):
        plain = field.default is not dataclasses.MISSING
        if field.default_factory is not dataclasses.MISSING:
            default = repr(field.default_factory())
        else:
            default = str(field.default) if isinstance(field.default, bool) else repr(field.default)
        needed = not plain and field.default_factory is dataclasses.MISSING
        rows.append((code(field.name), code(str(field.type)), "" if needed else code(default)))
    yield from table(("field", "type", "default"), rows)
