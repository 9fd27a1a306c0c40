"""Writing a few fields into somebody's beads file, and not a byte besides."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oya_vcs.adapters.tracker.writing import changed, mark_of, write_fields
from oya_vcs.core.ids import BeadId
from oya_vcs.errors import WorldFailed

A = BeadId("a")
NEW = {"status": "closed", "closed_at": "2030-01-01T00:00:00Z"}
CLOSED_AT = '"closed_at":"2030-01-01T00:00:00Z"'
texts = st.text(max_size=8)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)


@pytest.mark.parametrize(
    ("line", "after"),
    [
        (
            '{"id":"a","x":{"status":"open"},"status":"open","z":1}',
            f'{{"id":"a","x":{{"status":"open"}},"status":"closed","z":1,{CLOSED_AT}}}',
        ),
        (
            '  { "id": "a", "closed_at": null , "status" : "open" } \r',
            '  { "id": "a", "closed_at": "2030-01-01T00:00:00Z" , "status" : "closed" } \r',
        ),
        ('{"id":"a"}', '{"id":"a","status":"closed","closed_at":"2030-01-01T00:00:00Z"}'),
        (
            '\ufeff{"status":"x","id":"a","t":"ä\\u00e4\\"}","status":"y"}',
            f'\ufeff{{"status":"x","id":"a","t":"ä\\u00e4\\"}}","status":"closed",{CLOSED_AT}}}',
        ),
    ],
)
def test_only_the_values_change(line: str, after: str) -> None:
    """Spaces, order, escapes, unknown fields and inner objects of the same names stay; what is not
    there comes last, in the file's own manner."""
    assert changed(line.encode(), {1: (A, NEW)}).decode() == after


@given(
    st.dictionaries(texts, values, max_size=5),
    st.sampled_from([(",", ":"), (", ", ": "), (" ,\t", " : ")]),
    st.booleans(),
    st.lists(st.binary(max_size=9).map(lambda raw: raw.replace(b"\n", b"")), max_size=3),
)
def test_any_object_keeps_all_else(
    members: dict[str, object], style: tuple[str, str], plain: bool, before: list[bytes]
) -> None:
    """Whatever a bead's line holds and however it is written, it reads as before but for the new
    values; and no other line changes, not even one that is no text."""
    line = json.dumps({**members, "id": "a"}, separators=style, ensure_ascii=plain)
    content = b"\n".join([*before, line.encode("utf-8", "surrogatepass"), b"{cut"])
    if any("\ud800" <= letter <= "\udfff" for letter in line):
        return
    after = changed(content, {len(before) + 1: (A, NEW)}).split(b"\n")
    assert after[: len(before)] == before
    assert after[-1] == b"{cut"
    assert json.loads(after[len(before)]) == {**members, "id": "a", **NEW}


def test_a_line_of_another_bead_stays() -> None:
    """The file is not as it was thought to be: better nothing than the wrong one."""
    for line in (b'{"id":"b","status":"open"}', b"[1]", b"", b'{"id":"a', b"\xff", b'"a"', b"{"):
        assert changed(line, {1: (A, NEW), 7: (A, NEW)}) == line


def test_a_file_is_replaced_whole_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With its mode; where it is another file than was read, before or while it is written, it
    stays as it is, and nothing is left beside it."""
    path = tmp_path / "issues.jsonl"
    path.write_text('{"id":"a","status":"open"}\n')
    path.chmod(0o640)
    mark = mark_of(path)
    assert mark is not None
    assert write_fields(path, mark, {A: NEW}, {A: 1})
    assert (path.stat().st_mode & 0o777, json.loads(path.read_text())["status"]) == (
        0o640,
        "closed",
    )
    assert not write_fields(path, mark, {A: {"status": "open"}}, {A: 1})
    now = mark_of(path)
    assert now is not None
    assert not write_fields(path, now, {A: NEW}, {A: 1}), "nothing changes"

    def meanwhile(_descriptor: int) -> None:
        path.write_text("somebody else's\n")

    monkeypatch.setattr(os, "fsync", meanwhile)
    assert not write_fields(path, now, {A: {"status": "open"}}, {A: 1})
    assert path.read_text() == "somebody else's\n"
    assert list(tmp_path.iterdir()) == [path]


def test_only_a_plain_file_is_followed(tmp_path: Path) -> None:
    """A link may lead anywhere; what is not there is no error."""
    path = tmp_path / "issues.jsonl"
    assert mark_of(path) is None
    path.symlink_to("/etc/passwd")
    with pytest.raises(WorldFailed, match="no plain file"):
        mark_of(path)
