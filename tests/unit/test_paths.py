"""Which paths the names in a bead's `files` stand for."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oya_vcs.core.paths import outside


@pytest.mark.parametrize(
    ("name", "within", "without"),
    [
        ("a.txt", ["a.txt"], ["b/a.txt", "a.txt2", "axtxt", "a.txt~"]),
        ("src", ["src", "src/a.py", "src/b/c.py"], ["srcs/a.py", "other/src/a.py"]),
        (".", ["a.txt", "src/a.py", ".hidden"], []),
        ("./src/", ["src/a.py"], ["src2"]),
        ("src/*.py", ["src/a.py", "src/.py"], ["src/b/c.py", "src/a.pyc", "a.py"]),
        ("**/*.md", ["a.md", "docs/b.md", "a/b/c.md"], ["a.md.txt", "docs/b.txt"]),
        ("docs/**", ["docs/a", "docs/b/c"], ["doc/a", "docs2/a"]),
        ("a/**/b", ["a/b", "a/x/b", "a/x/y/b"], ["a/xb", "ab"]),
        ("t?st", ["test", "tast/x"], ["tst", "t/st"]),
        ("[ab].c", ["a.c", "b.c"], ["c.c", "ab.c"]),
        ("[!ab].c", ["c.c"], ["a.c"]),
        ("{one,two}/x", ["one/x", "two/x"], ["three/x", "one"]),
        ("{a*,b}.c", ["abc.c", "b.c"], ["c.c"]),
        ("w(e)i+rd$", ["w(e)i+rd$"], ["weird"]),
        ("[z-a]", [], ["m"]),
    ],
)
def test_names_and_patterns(name: str, within: list[str], without: list[str]) -> None:
    """Files, folders with all in them, and patterns; what only resembles one is outside."""
    assert outside([*within, *without], [name]) == sorted(without)


@given(st.lists(st.text("ab/*?[]{}!,.\\^-", max_size=12), max_size=3), st.text("ab/.", max_size=8))
def test_any_name_is_read(names: list[str], path: str) -> None:
    """No name brings it down, and what is named literally is within."""
    outside([path], names)
    if path and not path.startswith(("/", "./")) and "//" not in path and "/./" not in path:
        plain = "/".join(part for part in path.split("/") if part not in {"", "."})
        assert outside([plain], [plain]) == []


def test_several_names_add_up() -> None:
    """What any of them stands for is within; without names nothing is."""
    assert outside(["b", "a", "c/d"], ["a", "c"]) == ["b"]
    assert outside(["a"], []) == ["a"]
