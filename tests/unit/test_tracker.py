"""The beads file: the dialects of bd and br, the short form, and everything that can be wrong."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from oya_vcs.adapters.tracker import BeadsFile, read_beads
from oya_vcs.core.graph import Graph
from oya_vcs.core.ids import BeadId
from oya_vcs.core.ordering import order
from oya_vcs.core.spec import BeadSpec
from oya_vcs.errors import InputInvalid

FIXTURES = Path(__file__).resolve().parents[2] / "fixtures" / "beads"
IN_2026_MS = 1_780_000_000_000


def write(folder: Path, *lines: object, end: str = "\n") -> Path:
    """A beads file of these lines; an object is written as JSON, text as it stands."""
    path = folder / "beads.jsonl"
    texts = [line if isinstance(line, str) else json.dumps(line) for line in lines]
    path.write_text("\n".join(texts) + end, encoding="utf-8")
    return path


def needs_of(found: BeadsFile) -> dict[str, set[str]]:
    """What each bead waits for."""
    return {bead.id: set(bead.needs) for bead in found.beads}


def refusal(path: Path) -> list[str]:
    """The lines of the message that the file is refused with, without the folder."""
    with pytest.raises(InputInvalid) as caught:
        read_beads(path)
    return [line.removeprefix(f"{path.parent}/") for line in caught.value.message.splitlines()]


def warned(found: BeadsFile, path: Path) -> list[str]:
    """The warnings, without the folder."""
    return [warning.removeprefix(f"{path.parent}/") for warning in found.warnings]


def on(*ids: str, kind: str = "blocks") -> list[dict[str, str]]:
    """Dependencies in the long form."""
    return [{"depends_on_id": id_, "type": kind} for id_ in ids]


def test_the_short_form() -> None:
    """Id, title and deps make a bead; the order of the file stays; the graph takes it."""
    found = read_beads(FIXTURES / "short.jsonl")
    assert [bead.id for bead in found.beads] == ["model", "api", "page", "release"]
    assert found.beads[0] == BeadSpec(id=found.beads[0].id, title="Write the model")
    assert found.beads[3].needs == ("api", "page")
    assert found.beads[3].description == "Tag and announce."
    assert [bead.priority for bead in found.beads] == [2, 2, 0, 2]
    assert found.warnings == found.done == found.held == ()
    graph = Graph()
    needs = {bead.id: bead.needs for bead in found.beads}
    for bead in order(needs):
        graph.add(bead, needs[bead])
    assert [bead for bead in needs if graph.is_ready(bead)] == ["model"]


def test_the_dialect_of_bd() -> None:
    """An export of bd: an epic, comments, a closed bead, a tombstone, memories, metadata."""
    path = FIXTURES / "bd.jsonl"
    found = read_beads(path, now_ms=IN_2026_MS)
    assert needs_of(found) == {
        "web-1": {"web-1.1", "web-1.2", "web-5"},
        "web-1.1": {"web-5"},
        "web-1.2": {"web-1.1", "web-5"},
        "web-5": set(),
    }
    epic, basket = found.beads[:2]
    assert epic.allow_empty
    assert basket == BeadSpec(
        id=basket.id,
        title="Basket",
        description="Keep what was chosen.",
        acceptance="A basket survives a reload.",
        priority=2,
        kind="feature",
        labels=("shop", "api"),
        needs=basket.needs,
        files=("shop/basket.py",),
        tenant="shop",
        sticky="soft",
        worker="fast",
    )
    assert found.done == ("web-4",)
    assert found.held == ("web-6", "web-7")
    assert found.statuses[BeadId("web-5")] == "in_progress"
    assert found.statuses[BeadId("web-3")] == "tombstone"
    assert found.deferred == {"web-6": 1_919_721_600_000}
    assert warned(found, path) == [
        "bd.jsonl: 1 more left out, as they wait for a bead that was: web-7.",
        (
            "bd.jsonl:6: bead web-5 depends on external:infra:vm, which is not in the file; "
            "that dependency is ignored."
        ),
        "bd.jsonl:6: bead web-5 depends on web-3, which was deleted; that dependency is ignored.",
        "bd.jsonl:6: bead web-5 is in_progress in the file; it is worked on here all the same.",
        "bd.jsonl:8: bead web-6 is deferred until 2030-11-01T00:00:00Z, and was left out.",
    ]


@pytest.mark.parametrize(
    ("kind", "gates"),
    [
        ("blocks", True),
        ("conditional-blocks", True),
        ("parent-child", True),
        ("waits-for", True),
        ("", True),
        (None, True),
        ("related", False),
        ("discovered-from", False),
        ("duplicates", False),
        ("of-the-future", False),
    ],
)
def test_which_dependencies_gate(tmp_path: Path, kind: str | None, gates: bool) -> None:
    """The four documented types and a missing one gate; every other only informs."""
    path = write(
        tmp_path,
        {"id": "b", "title": "B", "dependencies": [{"depends_on_id": "a", "type": kind}]},
        {"id": "a", "title": "A"},
    )
    found = read_beads(path)
    assert needs_of(found) == {"b": {"a"} if gates else set(), "a": set()}
    said = [
        "beads.jsonl:1: dependencies[0] is conditional-blocks: the bead waits until a has landed."
    ]
    assert warned(found, path) == (said if kind == "conditional-blocks" else [])


def test_preferences_order_and_gate_nothing(tmp_path: Path) -> None:
    """`prefers` is kept, once each, whether the other bead is in the file or not, and makes no
    cycle; what can be no id is no preference."""
    path = write(
        tmp_path,
        {"id": "a", "title": "x", "dependencies": on("b", "b", "gone", "no id", kind="prefers")},
        {"id": "b", "title": "x", "dependencies": on("a", kind="prefers")},
    )
    found = read_beads(path)
    assert {one.id: (one.needs, one.prefers) for one in found.beads} == {
        "a": ((), ("b", "gone")),
        "b": ((), ("a",)),
    }
    assert not found.warnings


def test_dependencies_may_be_bare_ids_and_double(tmp_path: Path) -> None:
    """All forms together, each need once, in the order of writing."""
    path = write(
        tmp_path,
        {"id": "c", "title": "C", "deps": ["b"], "dependencies": ["a", *on("b", "a")]},
        {"id": "b", "title": "B"},
        {"id": "a", "title": "A"},
    )
    assert read_beads(path).beads[0].needs == ("b", "a")


def test_an_epic_waits_for_its_children(tmp_path: Path) -> None:
    """And they for what it waits for, through nested epics; a plain parent is waited for."""
    path = write(
        tmp_path,
        {"id": "first", "title": "x"},
        {"id": "top", "title": "x", "issue_type": "epic", "deps": ["first", "leaf"]},
        {
            "id": "sub",
            "title": "x",
            "issue_type": "epic",
            "dependencies": on("top", kind="parent-child"),
        },
        {"id": "leaf", "title": "x", "dependencies": on("sub", kind="parent-child")},
        {"id": "twig", "title": "x", "dependencies": on("leaf", kind="parent-child")},
    )
    found = read_beads(path)
    assert needs_of(found) == {
        "first": set(),
        "top": {"first", "leaf", "sub"},
        "sub": {"first", "leaf"},
        "leaf": {"first"},
        "twig": {"leaf"},
    }
    assert [bead.id for bead in found.beads if bead.allow_empty] == ["top", "sub"]


def test_whether_an_epic_may_land_empty(tmp_path: Path) -> None:
    """An epic with children, closed ones too, may; one without may not; what the bead says
    counts."""
    child = {"status": "closed", "dependencies": on("done", kind="parent-child")}
    path = write(
        tmp_path,
        {"id": "done", "title": "x", "issue_type": "epic"},
        {"id": "child", **child},
        {"id": "alone", "title": "x", "issue_type": "epic"},
        {"id": "work", "title": "x", "metadata": {"oya": {"allow_empty": True}}},
        {
            "id": "strict",
            "title": "x",
            "issue_type": "epic",
            "metadata": {"oya": {"allow_empty": False}},
        },
        {"id": "part", "title": "x", "dependencies": on("strict", kind="parent-child")},
    )
    found = read_beads(path)
    assert {bead.id: bead.allow_empty for bead in found.beads} == {
        "done": True,
        "alone": False,
        "work": True,
        "strict": False,
        "part": False,
    }


def test_a_child_of_a_closed_epic_is_free(tmp_path: Path) -> None:
    """The epic is done, and what gated it gates nobody."""
    path = write(
        tmp_path,
        {"id": "gate", "title": "x"},
        {"id": "epic", "status": "closed", "issue_type": "epic", "deps": ["gate"]},
        {"id": "late", "title": "x", "dependencies": on("epic", kind="parent-child")},
    )
    found = read_beads(path)
    assert needs_of(found) == {"gate": set(), "late": set()}
    assert found.done == ("epic",)
    assert found.warnings == ()


def test_cycles_are_named_with_their_lines() -> None:
    """Each cycle and self-loop once; who only waits for one is not named."""
    assert refusal(FIXTURES / "cycles.jsonl") == [
        "cycles.jsonl:1: the beads wait for each other: egg -> hen -> egg (lines 1, 3).",
        "cycles.jsonl:4: the beads wait for each other: self -> self (line 4).",
    ]


def test_a_cycle_through_an_epic_is_explained(tmp_path: Path) -> None:
    """An edge that stands in no line says where it comes from."""
    path = write(
        tmp_path,
        {"id": "e", "title": "x", "issue_type": "epic", "deps": ["x"]},
        {"id": "c", "title": "x", "dependencies": on("e", kind="parent-child")},
        {"id": "x", "title": "x", "deps": ["c"]},
        {"id": "k", "title": "x", "deps": ["f"], "dependencies": on("f", kind="parent-child")},
        {"id": "f", "title": "x", "issue_type": "epic"},
    )
    assert refusal(path) == [
        (
            "beads.jsonl:2: the beads wait for each other: c -> x -> c "
            "(lines 2, 3; c waits for x as its epic e does)."
        ),
        (
            "beads.jsonl:5: the beads wait for each other: f -> k -> f "
            "(lines 5, 4; the epic f waits for its child k)."
        ),
    ]


def test_everything_wrong_is_said_at_once() -> None:
    """Line by line, field by field, whatever else is wrong in the file."""
    path = FIXTURES / "broken.jsonl"
    assert refusal(path) == [
        (
            'broken.jsonl:2: id is "a b", which can name no folder and no ref; it must be like '
            "[A-Za-z0-9][A-Za-z0-9._-]{0,99}, hold no .. and not end in . or .lock."
        ),
        "broken.jsonl:3: id is missing.",
        "broken.jsonl:4: the line is not JSON: Unterminated string, at column 25.",
        "broken.jsonl:5: a line must hold a JSON object, and holds a list.",
        "broken.jsonl:6: this is a conflict marker: the file must be merged first.",
        "broken.jsonl:7: dependencies[0].depends_on_id is missing.",
        "broken.jsonl:7: deps must be a list of texts, and holds 3.",
        'broken.jsonl:7: labels must be a list, and is "web".',
        'broken.jsonl:7: metadata.oya.sticky must be soft or hard, and is "very".',
        (
            "broken.jsonl:7: priority must be a whole number from 0 to 1000 or P0 to P4, "
            'and is "urgent".'
        ),
        "broken.jsonl:7: title must be text, and is 7.",
    ]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"id": 7}, "id is 7, which can name no folder"),
        ({"id": "../x"}, 'id is "../x"'),
        ({"id": "a..b"}, 'id is "a..b"'),
        ({"id": "x" * 101}, 'id is "xxx'),
        ({"description": []}, "description must be text, and is a list"),
        ({"status": 1}, "status must be text, and is 1"),
        ({"issue_type": {}}, "issue_type must be text, and is an object"),
        ({"priority": -1}, "priority must be a whole number"),
        ({"priority": 1001}, "priority must be a whole number"),
        ({"priority": 1.0}, "priority must be a whole number"),
        ({"priority": True}, "priority must be a whole number"),
        ({"priority": "P-1"}, "priority must be a whole number"),
        ({"labels": [None]}, "labels must be a list of texts, and holds null"),
        ({"dependencies": {}}, "dependencies must be a list, and is an object"),
        ({"dependencies": [3]}, "dependencies[0] must be an object or an id, and is 3"),
        (
            {"dependencies": [{"depends_on_id": 3}]},
            "dependencies[0].depends_on_id must be text, and is 3",
        ),
        ({"metadata": "{}"}, 'metadata must be an object, and is "{}"'),
        ({"metadata": {"oya": []}}, "metadata.oya must be an object, and is a list"),
        (
            {"metadata": {"oya": {"allow_empty": 1}}},
            "metadata.oya.allow_empty must be true or false, and is 1",
        ),
        ({"metadata": {"oya": {"files": ["/etc"]}}}, "metadata.oya.files must hold paths inside"),
        ({"metadata": {"oya": {"files": ["a/../.."]}}}, "metadata.oya.files must hold paths in"),
        ({"defer_until": "soon"}, "defer_until must be a date as 2030-01-31T12:00:00Z"),
        ({"title": "a\0b"}, "a text holds a NUL character or half of a surrogate pair"),
        ({"labels": ["\ud800"]}, "a text holds a NUL character or half of a surrogate pair"),
    ],
)
def test_wrong_fields_are_named(tmp_path: Path, fields: dict[str, object], expected: str) -> None:
    """File, line, field, what it must be and what it is."""
    path = write(tmp_path, {"id": "ok", "title": "x"}, {"id": "bad", "title": "x", **fields})
    [message] = refusal(path)
    assert message.startswith(f"beads.jsonl:2: {expected}")


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ('{"id": }', "the line is not JSON: Expecting value, at column 8"),
        ('{"id": "a"} {"id": "b"}', "the line is not JSON: Extra data, at column 13"),
        ('{"id": "a", "priority": NaN}', "the line is not JSON: there is no NaN in JSON"),
        ('{"id": "a\0b"}', "the line is not JSON: Invalid control character, at column 10"),
        ('{"id": "a", "x": ' + "9" * 5000 + "}", "the line is not JSON: Exceeds the limit"),
        ('{"id": "a", "x": ' + "[" * 100_000, "the line is nested too deeply"),
        ("hello", "the line is not JSON: Expecting value, at column 1"),
        ("7", "a line must hold a JSON object, and holds 7"),
        ("%%%%%%% diff", "this is a conflict marker"),
    ],
)
@pytest.mark.parametrize("end", ["\n", ""])
def test_bad_lines_are_named(tmp_path: Path, line: str, expected: str, end: str) -> None:
    """Also as the last line without its newline: none of these is the beginning of a good line."""
    [message] = refusal(write(tmp_path, {"id": "ok", "title": "x"}, "", line, end=end))
    assert message.startswith(f"beads.jsonl:3: {expected}")


def test_a_cut_last_line_is_left_out() -> None:
    """With a warning; the beads before it are taken."""
    path = FIXTURES / "cut.jsonl"
    found = read_beads(path)
    assert [bead.id for bead in found.beads] == ["whole"]
    assert warned(found, path) == ["cut.jsonl:2: the last line is cut off, and was left out."]


def test_a_good_last_line_needs_no_newline(tmp_path: Path) -> None:
    """It is taken, without a warning."""
    found = read_beads(write(tmp_path, {"id": "a", "title": "x"}, end=""))
    assert len(found.beads) == 1
    assert found.warnings == ()


def test_many_problems_are_counted(tmp_path: Path) -> None:
    """The first twenty by line, then how many more there are."""
    said = refusal(write(tmp_path, *["nonsense"] * 31))
    assert len(said) == 21
    assert said[0].startswith("beads.jsonl:1: ")
    assert said[19].startswith("beads.jsonl:20: ")
    assert said[20] == "beads.jsonl: and 11 more problems."
    assert refusal(write(tmp_path, *["nonsense"] * 21))[20] == "beads.jsonl: and 1 more problem."


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    """Missing, a folder, UTF-16, Latin-1, a NUL in the name: a sentence, never a traceback."""
    for path, said in (
        (tmp_path / "none.jsonl", "none.jsonl: the beads file cannot be read: No such file"),
        (tmp_path, "the beads file cannot be read: Is a directory"),
        (tmp_path / "\0", "the beads file cannot be read: "),
    ):
        with pytest.raises(InputInvalid) as caught:
            read_beads(path)
        assert said in caught.value.message
    path = tmp_path / "beads.jsonl"
    path.write_text('{"id": "a"}', encoding="utf-16")
    assert refusal(path) == ["beads.jsonl:1: the file is UTF-16, and must be UTF-8."]
    path.write_bytes(b'{"id": "a", "title": "x"}\n{"id": "b", "title": "\xe4"}\n')
    assert refusal(path) == ["beads.jsonl:2: the line is not UTF-8, from byte 23."]


@pytest.mark.parametrize("content", [b"", b"\n \r\n", b"\xef\xbb\xbf", b'{"_type": "memory"}\n'])
def test_a_file_without_beads_is_no_error(tmp_path: Path, content: bytes) -> None:
    """A new tracker's file is empty; a warning says that there is nothing to do."""
    path = tmp_path / "beads.jsonl"
    path.write_bytes(content)
    found = read_beads(path)
    assert found.beads == ()
    assert warned(found, path) == ["beads.jsonl: there is no bead to work on in this file."]


def test_marks_foreign_line_ends_and_separators(tmp_path: Path) -> None:
    """A byte order mark, CRLF and U+2028 in a text: lines are counted at newlines only."""
    path = tmp_path / "beads.jsonl"
    path.write_bytes(
        '\ufeff{"id": "a", "title": "one\u2028two"}\r\n\r\n{"id": "b", "deps": ["a"]}\r\n'.encode()
    )
    found = read_beads(path)
    assert needs_of(found) == {"a": set(), "b": {"a"}}
    assert found.beads[0].title == "one two"
    assert warned(found, path) == ["beads.jsonl:3: bead b has no title, and goes by its id."]
    assert found.beads[1].title == "b"


@pytest.mark.parametrize(
    ("written", "expected"),
    [(0, 0), (4, 4), (1000, 1000), ("P1", 1), ("p0", 0), ("3", 3), (None, 2)],
)
def test_priorities(tmp_path: Path, written: object, expected: int) -> None:
    """A number or the way people say it; null is the default."""
    path = write(tmp_path, {"id": "a", "title": "x", "priority": written})
    assert read_beads(path).beads[0].priority == expected


def test_unknown_and_null_fields_are_no_matter(tmp_path: Path) -> None:
    """Whatever else a dialect writes; a key of ours that we do not know is worth a warning."""
    nulls = dict.fromkeys(
        ["description", "status", "issue_type", "labels", "dependencies", "deps", "metadata"]
    )
    path = write(
        tmp_path,
        {"id": "a", "title": "x", "estimate": 3, "comments": [{}], **nulls},
        {"id": "b", "title": "x", "metadata": {"oya": {"tenants": "t"}, "other": 1}},
        {"id": "c", "title": "x", "status": "brewing"},
    )
    found = read_beads(path)
    assert found.beads[0] == BeadSpec(id=found.beads[0].id, title="x")
    assert found.statuses == {"a": "open", "b": "open", "c": "brewing"}
    assert warned(found, path) == [
        "beads.jsonl:2: metadata.oya.tenants of bead b is unknown, and ignored.",
        'beads.jsonl:3: status "brewing" of bead c is unknown, and taken as open.',
    ]


def test_old_lines_need_no_mending(tmp_path: Path) -> None:
    """A closed or deleted bead may hold anything but a bad id."""
    odd = {"title": 7, "priority": "x", "dependencies": [3, {"type": "parent-child"}], "deps": "q"}
    path = write(
        tmp_path,
        {"id": "a", "status": "closed", **odd},
        {"id": "b", "status": "tombstone", **odd, "dependencies": 4},
        {"id": "c", "title": "x", "deps": ["a"]},
    )
    found = read_beads(path)
    assert needs_of(found) == {"c": set()}
    assert found.done == ("a",)
    assert found.warnings == ()


@pytest.mark.parametrize(
    ("first", "second", "winner"),
    [
        ("", "", "second"),
        ("2026-01-02T00:00:00Z", "2026-01-01T00:00:00Z", "first"),
        ("2026-01-01T00:00:00Z", "2026-01-01T00:00:00.000000001Z", "second"),
        ("2026-01-01T01:30:00+02:00", "2026-01-01T00:00:00Z", "second"),
        ("2026-01-02", "2026-01-01T00:00:00", "first"),
        ("2026-01-02T00:00:00Z", "yesterday", "second"),
    ],
)
def test_the_newest_of_duplicates_counts(
    tmp_path: Path, first: str, second: str, winner: str
) -> None:
    """By `updated_at` where both have one, else the lower line; a warning names both lines."""
    path = write(
        tmp_path,
        {"id": "a", "title": "first", "updated_at": first},
        {"id": "b", "title": "x"},
        {"id": "a", "title": "second", "updated_at": second},
    )
    found = read_beads(path)
    assert [bead.title for bead in found.beads if bead.id == "a"] == [winner]
    older, newer = (3, 1) if winner == "first" else (1, 3)
    assert [bead.id for bead in found.beads] == (["a", "b"] if newer == 1 else ["b", "a"])
    assert warned(found, path) == [
        f"beads.jsonl:{older}: bead a is newer on line {newer}; this line was left out."
    ]


def test_known_beads_may_be_waited_for(tmp_path: Path) -> None:
    """A need that exists elsewhere stays; the file's own word on a bead goes before that."""
    path = write(
        tmp_path,
        {"id": "a", "title": "x", "deps": ["old", "gone", "done"]},
        {"id": "done", "status": "closed"},
    )
    found = read_beads(path, known={BeadId("a"), BeadId("old"), BeadId("done")})
    assert found.beads[0].needs == ("old",)
    assert warned(found, path) == [
        (
            "beads.jsonl:1: bead a depends on gone, which is not in the file; "
            "that dependency is ignored."
        )
    ]


@pytest.mark.parametrize(
    ("fields", "now_ms", "held"),
    [
        ({"defer_until": "2027-01-01T00:00:00Z"}, IN_2026_MS, True),
        ({"defer_until": "2026-01-01"}, IN_2026_MS, False),
        ({"defer_until": "2027-01-01T00:00:00Z"}, None, False),
        ({"defer_until": ""}, IN_2026_MS, False),
        ({"status": "deferred"}, IN_2026_MS, True),
        ({"status": "deferred"}, None, True),
        ({"status": "deferred", "defer_until": "2026-01-01"}, IN_2026_MS, False),
        ({"status": "deferred", "defer_until": "2027-01-01"}, None, True),
        ({"status": "pinned"}, IN_2026_MS, True),
        ({"status": "pinned", "defer_until": "2026-01-01"}, IN_2026_MS, True),
        ({"status": "blocked"}, IN_2026_MS, False),
    ],
)
def test_who_is_held(
    tmp_path: Path, fields: dict[str, object], now_ms: int | None, held: bool
) -> None:
    """A held bead is left out with all that wait for it; nothing of the rest changes."""
    path = write(
        tmp_path,
        {"id": "far", "title": "x", "deps": ["near"]},
        {"id": "near", "title": "x", "deps": ["late", "free"]},
        {"id": "late", "title": "x", **fields},
        {"id": "free", "title": "x"},
    )
    found = read_beads(path, now_ms=now_ms)
    assert found.held == (("far", "near", "late") if held else ())
    assert [bead.id for bead in found.beads if bead.id not in found.held] == (
        ["free"] if held else ["far", "near", "late", "free"]
    )
    assert len(found.warnings) == (2 if held else 0)
