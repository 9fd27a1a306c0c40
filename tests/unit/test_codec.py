from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import pytest

from oya_vcs.core.effects import CreateWorkspace
from oya_vcs.core.events import BeadAdded, BeadReadied, Event, RepoRegistered, Requested
from oya_vcs.core.ids import BeadId, Key, RepoId, WorkspaceName
from oya_vcs.core.spec import BeadSpec
from oya_vcs.errors import Bug, JournalCorrupt
from oya_vcs.journal.codec import Codec, Upcast, decode, encode

READIED = BeadReadied(bead=BeadId("b-1"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Renamed(Event):
    """An event in its third version: `name` was `title` in 1; `size` came with 3."""

    version: ClassVar[int] = 3
    name: str
    size: int
    note: str = "none"


def from_one(fields: dict[str, object]) -> dict[str, object]:
    """Version 1 to 2."""
    return {"name": fields.pop("title"), **fields}


def from_two(fields: dict[str, object]) -> dict[str, object]:
    """Version 2 to 3."""
    return {**fields, "size": 7}


LIFTS: dict[tuple[str, int], Upcast] = {("Renamed", 1): from_one, ("Renamed", 2): from_two}


def test_the_bytes_are_these_for_ever() -> None:
    """Golden rows: fields in their order, no white space, `kind` first in an effect."""
    effect = CreateWorkspace(
        repo=RepoId("r"), bead=BeadId("b"), attempt=1, workspace=WorkspaceName("b-a1")
    )
    assert encode(Requested(key=Key("k"), effect=effect)) == (
        "Requested",
        1,
        "b",
        "k",
        (
            b'{"key":"k","effect":{"kind":"CreateWorkspace","repo":"r","bead":"b","attempt":1,'
            b'"workspace":"b-a1","files":[]}}'
        ),
    )
    registered = RepoRegistered(repo=RepoId("r"), path="/über/\n", target="main")
    assert encode(registered)[4] == (
        '{"repo":"r","path":"/über/\\n","target":"main","slots":0,"rules":null}'.encode()
    )


def test_a_row_from_before_a_field_reads_its_default() -> None:
    """A field added with a default needs no new version."""
    data = b'{"repo":"r","bead":"b","key":"k","spec":{"id":"b","title":"t"}}'
    assert decode("BeadAdded", 1, data) == BeadAdded(
        repo=RepoId("r"),
        bead=BeadId("b"),
        key=Key("k"),
        spec=BeadSpec(id=BeadId("b"), title="t"),
    )


@pytest.mark.parametrize(
    ("kind", "version", "data", "says"),
    [
        ("BeadVanished", 1, b"{}", "'BeadVanished' is not known"),
        ("BeadReadied", 2, b'{"bead":"b"}', "schema version 2"),
        ("BeadReadied", 0, b'{"bead":"b"}', "schema version 0"),
        ("BeadReadied", 1, b'{"bead":"b","mood":"x"}', "'mood'"),
        (
            "BeadAdded",
            1,
            b'{"repo":"r","bead":"b","key":"k","spec":{"id":"b","title":"t","mood":1}}',
            "'spec.mood'",
        ),
        ("Requested", 1, b'{"key":"k","effect":{"kind":"Sing","bead":"b"}}', "'Sing'"),
        ("Requested", 1, b'{"key":"k","effect":{"kind":"Land"},"more":1}', "more"),
    ],
)
def test_what_a_newer_version_wrote_is_refused_with_the_way_out(
    kind: str, version: int, data: bytes, says: str
) -> None:
    """Unknown types, versions, effects and fields are never skipped; the hint names a next step."""
    with pytest.raises(JournalCorrupt) as caught:
        decode(kind, version, data)
    assert says in caught.value.message
    assert "oya-vcs" in caught.value.hint


@pytest.mark.parametrize(
    "data",
    [b"", b"{", b"[]", b'{"bead":1}', b"{}", b'{"bead":"\xff"}', b'{"bead":null}'],
)
def test_broken_data_is_corruption_and_no_traceback(data: bytes) -> None:
    """Anything but an object with the declared fields of the declared types is refused."""
    with pytest.raises(JournalCorrupt, match="data of a BeadReadied cannot be read"):
        decode("BeadReadied", 1, data)


def test_old_versions_are_lifted_one_after_another() -> None:
    """Version 1 passes both upcasters, version 2 the second, version 3 none."""
    codec = Codec((Renamed,), upcasters=LIFTS)
    assert codec.decode("Renamed", 1, b'{"title":"a"}') == Renamed(name="a", size=7)
    assert codec.decode("Renamed", 2, b'{"name":"a"}') == Renamed(name="a", size=7)
    assert codec.decode("Renamed", 3, b'{"name":"a","size":1}') == Renamed(name="a", size=1)
    assert codec.encode(Renamed(name="a", size=1))[1] == 3


def test_old_data_that_is_no_json_is_corruption() -> None:
    """An upcaster never sees what is not a JSON object."""
    codec = Codec((Renamed,), upcasters=LIFTS)
    with pytest.raises(JournalCorrupt, match=r"Renamed \(version 1\) cannot be read"):
        codec.decode("Renamed", 1, b"[1]")


def test_a_version_without_its_upcaster_is_a_bug_at_once() -> None:
    """A codec whose old rows could not be read is not made."""
    with pytest.raises(Bug, match="Renamed version 2 has no upcaster"):
        Codec((Renamed,), upcasters={("Renamed", 1): from_one})


@pytest.mark.parametrize(
    "event",
    [
        Renamed(name="not in EVENTS", size=1),
        BeadReadied(bead=5),  # type: ignore[arg-type]
        BeadReadied(bead=BeadId("\ud800")),
        BeadReadied(bead=object()),  # type: ignore[arg-type]
        Requested(key=Key("k"), effect=READIED),  # type: ignore[arg-type]
    ],
)
def test_what_could_not_be_read_again_is_never_written(event: Event) -> None:
    """Unknown types and values that do not fit their field are bugs of the caller, before disk."""
    with pytest.raises(Bug):
        encode(event)
