"""Style is a test: what docs/STYLE.md promises and no other tool checks.

Reads the sources as text and as syntax trees; imports nothing of the product.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SOURCE_FOLDERS = ("oya_vcs", "bot")
TEST_FOLDERS = ("tests", "fixtures")

MODULE_LINES_MAX = 400
FUNCTION_LINES_MAX = 60
COLUMNS_MAX = 100

BANNED_NAMES = {"utils", "util", "helpers", "helper", "common", "manager", "base", "misc"}

CATCHES_ALL = {
    "oya_vcs/runtime/outbox.py": "an effect may fail in any way; the outbox goes on",
    "oya_vcs/cli/__init__.py": "main: a bug becomes one line and an exit code",
}

NOT_IMPORTED = {
    "oya_vcs/adapters/memory.py": "a double of the ports, for tests here and in other projects",
    "oya_vcs/adapters/memory_journal.py": "the same, of the record",
}

READS_ENVIRONMENT = {
    "oya_vcs/config/places.py": "reads it once, for everyone",
    "oya_vcs/adapters/escort/attending.py": "a program of its own, which is given a password there",
}

STOPWATCHES = {
    "oya_vcs/journal/measure.py": "measures how fast the record is, for the benchmarks",
}

CLOCKS = {
    "time": {"time", "time_ns", "monotonic", "monotonic_ns", "perf_counter", "perf_counter_ns"},
    "datetime": {"now", "utcnow", "today"},
    "date": {"today"},
}


def python_files(*folders: str) -> list[Path]:
    """Every Python file below the folders that exist."""
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def name_of(path: Path) -> str:
    """The path as people write it."""
    return path.relative_to(ROOT).as_posix()


def tree_of(path: Path) -> ast.Module:
    """The syntax tree of a module."""
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def in_room(path: Path, *rooms: str) -> bool:
    """Whether the file is one of the rooms, or in one."""
    return any(name_of(path) == room or name_of(path).startswith(f"{room}/") for room in rooms)


def none_of(found: Iterable[str], rule: str) -> None:
    """Fail with every place that breaks the rule."""
    places = sorted(found)
    assert not places, f"{rule}:\n  " + "\n  ".join(places)


def imports(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """The line and the dotted name of everything imported: `from a import b` gives a and a.b."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.lineno, node.module
            for alias in node.names:
                yield node.lineno, f"{node.module}.{alias.name}"


def attributes(tree: ast.Module) -> Iterator[tuple[int, str, str]]:
    """Line, owner and attribute of each `owner.attribute` and `x.owner.attribute`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            owner = node.value
            if isinstance(owner, ast.Name):
                yield node.lineno, owner.id, node.attr
            elif isinstance(owner, ast.Attribute):
                yield node.lineno, owner.attr, node.attr


def named_commands(path: Path) -> Iterator[str]:
    """The sibling modules that a package loads by name: its strings "module:function"."""
    package = name_of(path.parent).replace("/", ".")
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            match = re.fullmatch(r"([a-z_]+):[a-z_]+", node.value)
            if match is not None:
                yield f"{package}.{match[1]}"


def importers_outside(names: set[str], *rooms: str) -> Iterator[str]:
    """Where a source file outside the rooms imports one of the top-level names."""
    for path in python_files(*SOURCE_FOLDERS):
        if not in_room(path, *rooms):
            for line, imported in imports(tree_of(path)):
                if imported in names:
                    yield f"{name_of(path)}:{line} {imported}"


# --- Sizes and names -----------------------------------------------------------------------------


def test_modules_are_small() -> None:
    """No module of the product is longer than MODULE_LINES_MAX; a longer one is two rooms."""
    lengths = {
        name_of(path): len(path.read_text(encoding="utf-8").splitlines())
        for path in [*python_files(*SOURCE_FOLDERS), ROOT / "hatch_build.py"]
    }
    none_of(
        (
            f"{name}: {length} lines"
            for name, length in lengths.items()
            if length > MODULE_LINES_MAX
        ),
        f"longer than {MODULE_LINES_MAX} lines",
    )


def test_functions_are_small() -> None:
    """No function, of the product or of a test, is longer than FUNCTION_LINES_MAX."""
    long = []
    for path in python_files(*SOURCE_FOLDERS, *TEST_FOLDERS):
        for node in ast.walk(tree_of(path)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                length = (node.end_lineno or node.lineno) - node.lineno + 1
                if length > FUNCTION_LINES_MAX:
                    long.append(f"{name_of(path)}:{node.lineno} {node.name}: {length} lines")
    none_of(long, f"longer than {FUNCTION_LINES_MAX} lines")


def test_lines_are_short() -> None:
    """No line of Python is wider than COLUMNS_MAX, docstrings and comments too."""
    wide = []
    for path in [*python_files(*SOURCE_FOLDERS, *TEST_FOLDERS), ROOT / "hatch_build.py"]:
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            if len(line) > COLUMNS_MAX:
                wide.append(f"{name_of(path)}:{number} {len(line)} columns")
    none_of(wide, f"wider than {COLUMNS_MAX} columns")


def test_names_say_what_is_inside() -> None:
    """No module or folder has one of the names that fit anything."""
    none_of(
        (
            name_of(path)
            for path in python_files(*SOURCE_FOLDERS)
            if BANNED_NAMES & {part.removesuffix(".py") for part in path.relative_to(ROOT).parts}
        ),
        "a name that says nothing",
    )


# --- Docstrings ----------------------------------------------------------------------------------


def undocumented(body: list[ast.stmt], prefix: str) -> Iterator[str]:
    """The public classes and functions of a body, and of its public classes, without docstring."""
    for node in body:
        if not isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        if node.name.startswith("_"):
            continue
        if not ast.get_docstring(node):
            yield f"{prefix}:{node.lineno} {node.name}"
        if isinstance(node, ast.ClassDef):
            yield from undocumented(node.body, prefix)


def test_public_things_are_documented() -> None:
    """Modules with code in them, and all that is public in them, have docstrings."""
    missing = []
    for path in python_files(*SOURCE_FOLDERS):
        tree = tree_of(path)
        if tree.body and not ast.get_docstring(tree):
            missing.append(f"{name_of(path)}: the module")
        missing.extend(undocumented(tree.body, name_of(path)))
    none_of(missing, "no docstring")


def test_every_test_states_its_property() -> None:
    """A test's docstring says what holds, so that its failure says what broke."""
    none_of(
        (
            f"{name_of(path)}:{node.lineno} {node.name}"
            for path in python_files("tests")
            for node in ast.walk(tree_of(path))
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
            and node.name.startswith("test_")
            and not ast.get_docstring(node)
        ),
        "a test without a docstring",
    )


# --- Walls ---------------------------------------------------------------------------------------


def test_only_config_reads_the_environment() -> None:
    """`os.environ` and its kin are read in config/places.py, once."""
    kin = {"environ", "environb", "getenv", "getenvb", "putenv"}
    found = [
        f"{name_of(path)}:{line} os.{attribute}"
        for path in python_files(*SOURCE_FOLDERS)
        if name_of(path) not in READS_ENVIRONMENT
        for line, owner, attribute in attributes(tree_of(path))
        if owner == "os" and attribute in kin
    ]
    found += importers_outside({f"os.{name}" for name in kin}, *READS_ENVIRONMENT)
    none_of(found, "the environment is read outside config/places.py")


def test_only_the_journal_knows_sqlite() -> None:
    """Two SQLite libraries in a process drop each other's locks: one room chooses."""
    none_of(
        importers_outside({"sqlite3", "pysqlite3", "apsw", "sqlite_utils"}, "oya_vcs/journal"),
        "SQLite outside journal/",
    )


def test_only_adapters_start_programs() -> None:
    """Whoever starts a program must know how it ends: that is the adapters' knowledge."""
    starters = {"create_subprocess_exec", "create_subprocess_shell", "system", "popen", "fork"}
    starters |= {"posix_spawn", "posix_spawnp", "execv", "execve", "execvp", "execvpe"}
    found = [
        f"{name_of(path)}:{line} {owner}.{attribute}"
        for path in python_files(*SOURCE_FOLDERS)
        if not in_room(path, "oya_vcs/adapters")
        for line, owner, attribute in attributes(tree_of(path))
        if owner in {"asyncio", "os"} and attribute in starters
    ]
    found += importers_outside({"subprocess", "multiprocessing", "pty"}, "oya_vcs/adapters")
    none_of(found, "a program is started outside adapters/")


def test_only_adapters_ask_for_the_time() -> None:
    """Clocks stand behind the port; everyone else is handed a time."""
    found = []
    for path in python_files(*SOURCE_FOLDERS):
        if in_room(path, "oya_vcs/adapters", *STOPWATCHES):
            continue
        tree = tree_of(path)
        found += [
            f"{name_of(path)}:{line} {owner}.{attribute}"
            for line, owner, attribute in attributes(tree)
            if attribute in CLOCKS.get(owner, set())
        ]
        clocks = {f"time.{name}" for name in CLOCKS["time"]}
        found += [
            f"{name_of(path)}:{line} {name}" for line, name in imports(tree) if name in clocks
        ]
    none_of(found, "a clock outside adapters/")


def catches_all(handler: ast.ExceptHandler) -> bool:
    """Whether the handler is bare, or names Exception or BaseException."""
    kinds = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    return any(
        kind is None or (isinstance(kind, ast.Name) and kind.id in {"Exception", "BaseException"})
        for kind in kinds
    )


def reraises(handler: ast.ExceptHandler) -> bool:
    """Whether the handler only cleans up: its last statement is a bare `raise`."""
    last = handler.body[-1]
    return isinstance(last, ast.Raise) and last.exc is None


def test_three_places_catch_everything() -> None:
    """Elsewhere an unexpected error is a bug, and must crash the actor it is in."""
    none_of(
        (
            f"{name_of(path)}:{node.lineno}"
            for path in python_files(*SOURCE_FOLDERS)
            if name_of(path) not in CATCHES_ALL
            for node in ast.walk(tree_of(path))
            if isinstance(node, ast.ExceptHandler) and catches_all(node) and not reraises(node)
        ),
        f"`except Exception` outside {', '.join(CATCHES_ALL)}",
    )


def test_no_module_is_dead() -> None:
    """Every module is imported by another one, or is run; what no one asks for is deleted."""
    modules = {}
    for path in python_files(*SOURCE_FOLDERS):
        relative = path.relative_to(ROOT).as_posix().removeprefix("bot/").removesuffix(".py")
        if path.name not in {"__init__.py", "__main__.py"} and name_of(path) not in NOT_IMPORTED:
            modules[relative.replace("/", ".")] = path
    imported = {
        (name, path) for path in python_files(*SOURCE_FOLDERS) for _, name in imports(tree_of(path))
    }
    commands = ROOT / "oya_vcs/cli/__init__.py"
    imported |= {(name, commands) for name in named_commands(commands)}
    none_of(
        (
            name_of(path)
            for module, path in modules.items()
            if not any(name == module and where != path for name, where in imported)
        ),
        "imported by no module (see NOT_IMPORTED for those that are run)",
    )


def test_the_layers_hold() -> None:
    """import-linter's contracts in pyproject.toml: layers, the pure core, independent adapters."""
    ran = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-logo", "--no-cache"],
        cwd=ROOT,
        env={"PYTHONPATH": f"{ROOT}:{ROOT / 'bot'}", "COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr


# --- Tests about tests ---------------------------------------------------------------------------


def test_there_are_no_mocks() -> None:
    """A double is an adapter in memory or a fake executable: it behaves, and is tested too."""
    banned = {"unittest.mock", "mock", "pytest_mock"}
    none_of(
        (
            f"{name_of(path)}:{line}"
            for path in python_files(*SOURCE_FOLDERS, *TEST_FOLDERS)
            for line, name in imports(tree_of(path))
            if name in banned
        ),
        "a mock",
    )


def test_no_test_sleeps() -> None:
    """Tests await a state, poll with a deadline or push a tick; a sleep is slow and still races."""
    none_of(
        (
            f"{name_of(path)}:{node.lineno} {node.func.value.id}.sleep"
            for path in python_files("tests")
            for node in ast.walk(tree_of(path))
            if isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr == "sleep"
            and isinstance(node.func.value, ast.Name)
            and node.func.value.id in {"time", "asyncio"}
            and not (node.args and waits_briefly(node.args[0]))
        ),
        "a sleep of more than a poll's pause",
    )


def waits_briefly(argument: ast.expr) -> bool:
    """Whether a sleep's argument is a constant of at most 50 ms: the pause of a polling loop."""
    return (
        isinstance(argument, ast.Constant)
        and isinstance(argument.value, int | float)
        and argument.value <= 0.05
    )


def test_every_skip_has_a_reason() -> None:
    """skip, skipif and xfail say why; a skip without a reason is a test that nobody misses."""
    bare = []
    for path in python_files("tests"):
        tree = tree_of(path)
        called = {id(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and skip_name(node.func):
                positional = node.args and skip_name(node.func) == "skip"
                if not positional and not any(word.arg == "reason" for word in node.keywords):
                    bare.append(f"{name_of(path)}:{node.lineno}")
            elif isinstance(node, ast.Attribute) and skip_name(node) and id(node) not in called:
                bare.append(f"{name_of(path)}:{node.lineno}")
    none_of(bare, "a skip without a reason")


def skip_name(node: ast.expr) -> str:
    """The name where the expression is `pytest.skip`, `pytest.mark.skipif` and the like, or ""."""
    if isinstance(node, ast.Attribute) and node.attr in {"skip", "skipif", "xfail"}:
        owner = node.value
        if isinstance(owner, ast.Attribute) and owner.attr == "mark":
            return node.attr
        if isinstance(owner, ast.Name) and owner.id == "pytest":
            return node.attr
    return ""


# --- Text ----------------------------------------------------------------------------------------


def tracked_texts() -> Iterator[tuple[str, str]]:
    """Name and content of every text file that is tracked, or would be."""
    argv = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode == 0:
        names = sorted(set(filter(None, listed.stdout.split("\0"))))
    else:  # an unpacked source distribution
        folders = (*SOURCE_FOLDERS, *TEST_FOLDERS, "docs", "hooks", "templates", "requirements")
        files = [path for folder in folders for path in (ROOT / folder).rglob("*")]
        names = sorted(name_of(p) for p in [*files, *ROOT.iterdir()] if p.is_file())
    for name in names:
        try:
            yield name, (ROOT / name).read_text(encoding="utf-8")
        except (UnicodeDecodeError, FileNotFoundError, IsADirectoryError):
            continue


def places(pattern: re.Pattern[str]) -> Iterator[str]:
    """Where the pattern stands in a tracked file."""
    for name, text in tracked_texts():
        for match in pattern.finditer(text):
            yield f"{name}:{text.count(chr(10), 0, match.start()) + 1} {match[0]}"


def test_nothing_is_left_for_later() -> None:
    """What is missing is an issue, and what is there is meant."""
    words = ("TO" + "DO", "FIX" + "ME", "X" * 3)
    none_of(places(re.compile(rf"\b(?:{'|'.join(words)})\b")), "a note for later")


def test_no_machine_is_written_down() -> None:
    """No path of anyone's machine and no host of a package index: neither is true elsewhere."""
    folders = "|".join(("wo" + "rk", "ro" + "ot", "ho" + "me/[a-z]", "Us" + "ers/[A-Za-z]"))
    hosts = "|".join(
        rf"{host}\.{domain}"
        for host, domain in (
            ("py" + "pi", "(?:org|python)"),
            ("python" + "hosted", "org"),
            ("npm" + "js", "(?:org|com)"),
            ("deb" + r"\.debian", "org"),
            ("arch" + r"ive\.ubuntu", "com"),
            ("crat" + "es", "io"),
        )
    )
    none_of(
        places(re.compile(rf"(?<![\w.}})\]*~-])/(?:{folders})(?:/|\b)|\b(?:{hosts})\b")),
        "a machine's path or a package host",
    )


def test_requirement_files_are_portable() -> None:
    """The pinned files name no index, no folder and no wheel, and every requirement has a hash."""
    for name in ("run", "dev"):
        text = (ROOT / "requirements" / f"{name}.txt").read_text(encoding="utf-8")
        assert not re.search(r"^--|://|\.whl|@ file", text, re.MULTILINE), name
        for requirement in re.findall(r"^\S+==.*(?:\n .*)*", text, re.MULTILINE):
            assert "--hash=sha256:" in requirement, requirement


def test_dependencies_are_named_once_in_meaning() -> None:
    """pyproject.toml and requirements/run.in ask for the same."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lines = (ROOT / "requirements" / "run.in").read_text(encoding="utf-8").splitlines()
    wanted = {line.replace('"', "'") for line in lines if line and not line.startswith("#")}
    assert set(project["dependencies"]) == wanted


@pytest.mark.parametrize("name", sorted(CATCHES_ALL))
def test_the_rules_for_ruff_agree(name: str) -> None:
    """Where a handler may catch everything, ruff is told so, and nowhere else."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    ignores = settings["tool"]["ruff"]["lint"]["per-file-ignores"]
    assert {file for file, rules in ignores.items() if "BLE001" in rules} == set(CATCHES_ALL)
    assert name in ignores


@pytest.mark.parametrize("name", sorted({*NOT_IMPORTED, *READS_ENVIRONMENT, *STOPWATCHES}))
def test_exceptions_are_for_modules_that_exist(name: str) -> None:
    """An exception in the lists above that names no file would hide the next one."""
    assert (ROOT / name).is_file()
