"""Laws of the beads file: any bytes are read or refused, a cut file loses its last line only."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from oya_vcs.adapters.tracker import BeadsFile, read_beads
from oya_vcs.core.ids import canonical_json
from oya_vcs.core.ordering import order
from oya_vcs.core.spec import spec_key
from oya_vcs.errors import InputInvalid

NAMES = ["a", "b", "c", "d", "e"]
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
dependency = st.fixed_dictionaries(
    {"depends_on_id": st.sampled_from(NAMES)},
    optional={"type": st.sampled_from(["blocks", "parent-child", "waits-for", "related"])},
)
issue = st.fixed_dictionaries(
    {"id": st.sampled_from(NAMES), "title": st.text(max_size=5)},
    optional={
        "status": st.sampled_from(["open", "closed", "tombstone", "deferred", "blocked"]),
        "issue_type": st.sampled_from(["task", "epic"]),
        "dependencies": st.lists(dependency, max_size=3),
        "deps": st.lists(st.sampled_from(NAMES), max_size=2),
        "metadata": st.fixed_dictionaries({}, optional={"oya": JSON, "other": JSON}),
        "priority": st.integers(0, 4) | JSON,
    },
)


def read(content: bytes) -> BeadsFile | None:
    """What the file says, None where it is refused."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "beads.jsonl"
        path.write_bytes(content)
        try:
            return read_beads(path, now_ms=0)
        except InputInvalid:
            return None


def check(found: BeadsFile) -> None:
    """What holds of everything that is read."""
    needs = {bead.id: bead.needs for bead in found.beads}
    assert len(order(needs)) == len(found.beads), "the graph takes the beads as they are"
    assert not set(needs) & (set(found.done) | set(found.held))
    for bead in found.beads:
        assert spec_key(bead)
        canonical_json(bead.title)


@settings(deadline=None)
@given(st.lists(st.binary(max_size=30), max_size=4).map(b"\n".join))
def test_any_bytes_are_read_or_refused(content: bytes) -> None:
    """Nothing but InputInvalid comes out of a file, whatever is in it."""
    found = read(content)
    if found is not None:
        check(found)


@settings(deadline=None)
@given(st.lists(issue | JSON, max_size=6))
def test_any_json_is_read_or_refused(values: list[object]) -> None:
    """Also where every line is JSON, and where many are beads: what is read makes a graph."""
    found = read(b"".join(json.dumps(value).encode() + b"\n" for value in values))
    if found is not None:
        check(found)


@settings(deadline=None)
@given(st.data(), issue, st.booleans())
def test_any_cut_of_the_last_line_is_tolerated(
    data: st.DataObject, last: dict[str, object], ascii_only: bool
) -> None:
    """Wherever the writer stopped in the line, in the middle of a character too, the rest is
    read."""
    line = json.dumps(last, ensure_ascii=ascii_only).encode("utf-8", "replace")
    cut = data.draw(st.integers(1, len(line) - 1))
    found = read(b'{"id": "whole", "title": "x"}\n' + line[:cut])
    assert found is not None
    assert [bead.id for bead in found.beads] == ["whole"]
    assert len(found.warnings) == 1
