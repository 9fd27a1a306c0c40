"""Configuration: precedence, types, limits, and messages that name the place."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import asdict, fields, is_dataclass
from pathlib import Path

import pytest

from oya_vcs import config as configs
from oya_vcs.config import Config, load
from oya_vcs.config.rules import INTEGER_MAX
from oya_vcs.config.sections import USERS_OWN
from oya_vcs.errors import ConfigurationInvalid
from oya_vcs.oya_toml import line_of


def read(
    toml: str = "",
    *,
    user: Path | None = None,
    env: Mapping[str, str] | None = None,
    flags: Mapping[str, object] | None = None,
) -> Config:
    """The configuration out of an `oya.toml` with this text."""
    return load(user, toml, "oya.toml", env or {}, flags or {})


def refusal(toml: str = "", **sources: Mapping[str, object]) -> str:
    """The message that this configuration is refused with."""
    with pytest.raises(ConfigurationInvalid) as caught:
        read(toml, **sources)  # type: ignore[arg-type]
    return caught.value.message


def test_nothing_at_all_gives_the_defaults() -> None:
    """No file and no variable is a configuration; loopback, serial landing, local forge."""
    assert load(None, None, "oya.toml", {"HOME": "/", "OYA_HOME": "/x"}, {}) == Config()
    assert Config().queue.merge == "adaptive"
    assert Config().web.listen == "127.0.0.1:7420"


EVERY_KEY = """
[repo]
target = "trunk"
remote = "origin"
forge = "local"
[checks]
test = "pytest -q"
lint-all_2 = "ruff check ."
[worker]
kind = "acp"
preset = "codex"
command = ["./agent.sh", "-x"]
permissions = ["edit", "all"]
home = "private"
verify = "make quick"
verify_ms_max = 12
slots = 8
attempts_max = 5
wall_ms_max = 60_000
lease_ms = 0
stop_ms = 1
output_bytes_max = 10
rss_bytes_max = 11
processes_max = 0
env = ["API_KEY"]
sandbox = "bwrap"
network = "none"
reads = ["~/.local/bin"]
writes = ["/var/cache/agent"]
backoff_ms = 7
[workspace]
show = "files"
always = ["tools", "Makefile"]
setup = "make deps"
setup_ms_max = 6
[queue]
strategy = "round_robin"
age_ms = 8
tokens_max = 0
tokens_per_s = 3
sticky_ms = 0
merge = "serial"
method = "merge"
window_max = 3
batch_max = 4
flaky_depth = 1
disjoint = true
approval = "manual"
freeze = ["Fri 16:00 - Mon 08:00"]
test_ms_max = 0
check_ms_max = 9
checks_slots = 3
checks_parallel = 2
[budget]
bead_ms_max = 21
bead_tokens_max = 22
bead_cents_max = 23
day_ms_max = 24
day_tokens_max = 25
day_cents_max = 26
failures_max = 27
cool_ms = 28
[tracker]
live = true
file = "beads.jsonl"
cancel_closed = true
write_back = true
[hooks]
pre_push = "make lint"
pre_enqueue = "make quick"
pre_land = "make sure"
post_enqueue = "say queued"
post_land = "say landed"
post_fail = "say failed"
post_op = "say moved"
post_create = "make deps"
pre_remove = "make down"
pre_commit = "closed"
without_daemon = "open"
wall_ms_max = 8
[logs]
bytes_max = 0
files_max = 0
age_ms_max = 1
[web]
listen = "[::1]:80"
url = "https://oya.example.org"
[github]
api_url = "http://localhost:8080/api/v3"
repo = "owner/na.me"
prefix = "@robot"
wip = ["SOON"]
blocked = ["frozen"]
app_id = 12
private_key_file = "key.pem"
token_env = "TOKEN"
webhook_secret_env = "SECRET"
poll_ms = 5
[opencode]
urls = ["http://[::1]:4096", "https://oc.example"]
password_env = "PW"
model = "a/b:c"
agent = "build"
"""


EVERY_HOOKS_KEY = {
    "pre_push": "make lint",
    "pre_enqueue": "make quick",
    "pre_land": "make sure",
    "post_enqueue": "say queued",
    "post_land": "say landed",
    "post_fail": "say failed",
    "post_op": "say moved",
    "post_create": "make deps",
    "pre_remove": "make down",
    "pre_commit": "closed",
    "without_daemon": "open",
    "wall_ms_max": 8,
}
EVERY_BUDGET_KEY = {
    "bead_ms_max": 21,
    "bead_tokens_max": 22,
    "bead_cents_max": 23,
    "day_ms_max": 24,
    "day_tokens_max": 25,
    "day_cents_max": 26,
    "failures_max": 27,
    "cool_ms": 28,
}
EVERY_GITHUB_KEY = {
    "api_url": "http://localhost:8080/api/v3",
    "repo": "owner/na.me",
    "prefix": "@robot",
    "wip": ("SOON",),
    "blocked": ("frozen",),
    "app_id": 12,
    "private_key_file": "key.pem",
    "token_env": "TOKEN",
    "webhook_secret_env": "SECRET",
    "poll_ms": 5,
}


EVERY_WORKER_KEY = {
    "kind": "acp",
    "preset": "codex",
    "permissions": ("edit", "all"),
    "home": "private",
    "verify": "make quick",
    "verify_ms_max": 12,
    "command": ("./agent.sh", "-x"),
    "slots": 8,
    "attempts_max": 5,
    "wall_ms_max": 60_000,
    "lease_ms": 0,
    "stop_ms": 1,
    "output_bytes_max": 10,
    "rss_bytes_max": 11,
    "processes_max": 0,
    "env": ("API_KEY",),
    "sandbox": "bwrap",
    "network": "none",
    "reads": ("~/.local/bin",),
    "writes": ("/var/cache/agent",),
    "backoff_ms": 7,
}


EVERY_OPENCODE_KEY = {
    "urls": ("http://[::1]:4096", "https://oc.example"),
    "password_env": "PW",
    "model": "a/b:c",
    "agent": "build",
}


def test_every_documented_key_is_taken() -> None:
    """The configuration block of the public interface, with other values than the defaults."""
    found = read(EVERY_KEY)
    assert asdict(found) == {
        "repo": {"target": "trunk", "remote": "origin", "forge": "local"},
        "checks": {"test": "pytest -q", "lint-all_2": "ruff check ."},
        "worker": EVERY_WORKER_KEY,
        "budget": EVERY_BUDGET_KEY,
        "queue": {
            "strategy": "round_robin",
            "age_ms": 8,
            "tokens_max": 0,
            "tokens_per_s": 3,
            "sticky_ms": 0,
            "merge": "serial",
            "method": "merge",
            "window_max": 3,
            "batch_max": 4,
            "flaky_depth": 1,
            "disjoint": True,
            "approval": "manual",
            "freeze": ("Fri 16:00 - Mon 08:00",),
            "test_ms_max": 0,
            "check_ms_max": 9,
            "checks_slots": 3,
            "checks_parallel": 2,
        },
        "tracker": {
            "live": True,
            "file": "beads.jsonl",
            "cancel_closed": True,
            "write_back": True,
        },
        "hooks": EVERY_HOOKS_KEY,
        "logs": {"bytes_max": 0, "files_max": 0, "age_ms_max": 1},
        "workspace": {
            "show": "files",
            "always": ("tools", "Makefile"),
            "setup": "make deps",
            "setup_ms_max": 6,
        },
        "web": {"listen": "[::1]:80", "url": "https://oya.example.org"},
        "github": EVERY_GITHUB_KEY,
        "gateway": asdict(Config().gateway),
        "opencode": EVERY_OPENCODE_KEY,
    }


def test_later_sources_win_key_by_key(tmp_path: Path) -> None:
    """Defaults, user file, repository file, environment, flags; what one does not say stays."""
    user = tmp_path / "config.toml"
    user.write_text(
        "[worker]\nslots = 1\nattempts_max = 1\nstop_ms = 1\nlease_ms = 1\n"
        "[checks]\na = 'u'\nb = 'u'\n"
    )
    found = read(
        "[worker]\nslots = 2\nattempts_max = 2\nstop_ms = 2\n[checks]\nb = 'r'\nc = 'r'\n",
        user=user,
        env={"OYA_WORKER__SLOTS": "3", "OYA_WORKER__ATTEMPTS_MAX": "3", "OYA_CHECKS__C": "e"},
        flags={"worker.slots": 4, "worker.kind": None},
    )
    worker = found.worker
    assert (worker.slots, worker.attempts_max, worker.stop_ms, worker.lease_ms) == (4, 3, 2, 1)
    assert worker.wall_ms_max == Config().worker.wall_ms_max
    assert found.checks == {"a": "u", "b": "r", "c": "e"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("./agent.sh --fast 'two words'", ("./agent.sh", "--fast", "two words")),
        ('["./agent.sh", "two words"]', ("./agent.sh", "two words")),
        ("", ()),
    ],
)
def test_a_command_can_be_given_as_text(text: str, expected: tuple[str, ...]) -> None:
    """In a variable or flag it is a JSON list or read as a shell reads words."""
    assert read(env={"OYA_WORKER__COMMAND": text}).worker.command == expected
    assert read(flags={"worker.command": text}).worker.command == expected
    assert read(flags={"worker.command": expected}).worker.command == expected


@pytest.mark.parametrize(
    ("toml", "expected"),
    [
        ("[worker]\nslot = 2", "oya.toml:2: worker.slot is no key; did you mean slots?"),
        ("[worker]\nzzz = 2", "oya.toml:2: worker.zzz is no key."),
        ("\n[work]\nslots = 2", "oya.toml:2: [work] is no section; did you mean worker?"),
        ("[other]", "oya.toml:1: [other] is no section."),
        (
            "# top\nslots = 2",
            "oya.toml:2: slots stands in no section; did you mean [worker]?",
        ),
        ("zzz = 2", "oya.toml:1: zzz stands in no section."),
        ("worker = 2", "oya.toml:1: worker must be a section, written [worker]."),
        ("[[checks]]\na='b'", "oya.toml:1: checks must be a section, written [checks]."),
        (
            '[worker]\n\nslots = "four"',
            "oya.toml:3: worker.slots must be a whole number, and is 'four'.",
        ),
        ("[worker]\nslots = 4.0", "oya.toml:2: worker.slots must be a whole number, and is 4.0."),
        ("worker.slots = true", "oya.toml:1: worker.slots must be a whole number, and is True."),
        (
            "[worker]\ncommand = './agent.sh'",
            "oya.toml:2: worker.command must be a list of texts, and is './agent.sh'.",
        ),
        (
            "[worker]\ncommand = [\n'./agent.sh',\n1]",
            "oya.toml:2: worker.command must be a list of texts, and is ['./agent.sh', 1].",
        ),
        (
            "[worker]\ncommand = ['']",
            "oya.toml:2: worker.command must begin with a program, and begins with an empty text.",
        ),
        (
            '[worker]\ncommand = ["a\\u0000"]',
            "oya.toml:2: worker.command must not hold a NUL character.",
        ),
        ("[repo]\ntarget = 1", "oya.toml:2: repo.target must be text, and is 1."),
        (
            '[tracker]\nfile = "../x"',
            "oya.toml:2: tracker.file must hold paths within the repository, and holds '../x'.",
        ),
        ("[checks]\ntest = ['x']", "oya.toml:2: checks.test must be text, and is ['x']."),
        ("[checks]\ntest = ' '", "oya.toml:2: checks.test must be a command, and is ' '."),
        (
            "[checks]\n'Unit tests' = 'x'",
            "oya.toml:2: checks.Unit tests must be named with a-z, 0-9, _ and - only.",
        ),
        (
            "[checks.test]\nrun = 'x'",
            "oya.toml:1: checks.test must be text, and is {'run': 'x'}.",
        ),
        (
            "[worker]\nenv = ['A-B']",
            "oya.toml:2: worker.env must hold names of environment variables, and holds 'A-B'.",
        ),
        (
            "[worker]\nenv = ['A', 'OYA_X']",
            (
                "oya.toml:2: worker.env must not hold OYA_X: variables of oya-vcs are set by it or"
                " meant for it alone."
            ),
        ),
        (
            "[worker]\nreads = ['~/a', 'b']",
            "oya.toml:2: worker.reads must hold paths that begin with / or ~/, and holds 'b'.",
        ),
        (
            "[worker]\nwrites = ['/a/../..']",
            (
                "oya.toml:2: worker.writes must hold paths that begin with / or ~/, and holds"
                " '/a/../..'."
            ),
        ),
        (
            "[worker]\nwrites = ['/']",
            "oya.toml:2: worker.writes must hold paths that begin with / or ~/, and holds '/'.",
        ),
        (
            "repo = { target = 'main', forge = 3 }",
            "oya.toml:1: repo.forge must be text, and is 3.",
        ),
    ],
)
def test_what_is_wrong_is_named_with_its_line(toml: str, expected: str) -> None:
    """Unknown sections and keys (with a suggestion where one is near) and wrong types."""
    assert refusal(toml) == expected


@pytest.mark.parametrize(
    ("key", "low", "high"),
    [
        ("worker.slots", 1, 1000),
        ("worker.attempts_max", 1, 100),
        ("worker.wall_ms_max", 1, None),
        ("worker.lease_ms", 0, None),
        ("worker.stop_ms", 1, None),
        ("worker.output_bytes_max", 1, None),
        ("worker.rss_bytes_max", 0, None),
        ("worker.processes_max", 0, None),
        ("worker.backoff_ms", 1, None),
        ("queue.age_ms", 1, None),
        ("queue.tokens_max", 0, 1_000_000),
        ("queue.tokens_per_s", 1, 1_000_000),
        ("queue.sticky_ms", 0, None),
        ("logs.bytes_max", 0, None),
        ("logs.files_max", 0, None),
        ("logs.age_ms_max", 1, None),
        ("queue.check_ms_max", 1, None),
        ("queue.checks_slots", 0, 1000),
        ("queue.checks_parallel", 1, 1000),
        ("github.app_id", 0, None),
        ("github.poll_ms", 1, None),
    ],
)
def test_numbers_have_limits(key: str, low: int, high: int | None) -> None:
    """The limits themselves are taken, the next numbers are not, and the message says both."""
    most = INTEGER_MAX if high is None else high
    read(flags={key: low})
    read(flags={key: most})
    said = "upwards" if high is None else f"to {high}"
    for wrong in (low - 1, most + 1):
        expected = f"command line: {key} must be from {low} {said}, and is {wrong}."
        assert refusal(flags={key: wrong}) == expected


def test_unknown_words_are_refused_with_the_choice() -> None:
    """Everything documented is named, and what was probably meant."""
    assert refusal('[queue]\nmerge = "seriall"') == (
        "oya.toml:2: queue.merge must be adaptive, serial, window or batch, and is 'seriall'"
        "; did you mean serial?"
    )


@pytest.mark.parametrize(
    ("key", "good", "bad"),
    [
        ("repo.target", ["main", "release/1.x", "täst"], ["", "a b", "-f", "a^", "a\n", "a:b"]),
        ("repo.remote", ["", "origin"], ["-x", "a b"]),
        (
            "web.listen",
            ["localhost:0", "0.0.0.0:65535", "[::1]:7420", ""],
            ["7420", ":80", "h:", "h:65536", "h:x", "::1:80", "h:80 ", " "],
        ),
        ("github.api_url", ["https://ghe.example/api/v3"], ["", "ghe.example", "https://a b"]),
        ("github.repo", ["", "a/b", "a-b/c.d"], ["a", "a/b/c", "/b", "a b/c"]),
        ("github.prefix", ["@oya", ".m+", "oya"], ["", "@", "a b", "`oya`", "[a]", "<a>"]),
        ("github.token_env", ["", "GH_TOKEN"], ["1X", "A-B", "a b"]),
        ("github.webhook_secret_env", ["", "_S"], ["$S"]),
    ],
)
def test_texts_have_a_form(key: str, good: list[str], bad: list[str]) -> None:
    """A value that could be mistaken for an option, or that nothing can understand, is refused."""
    for value in good:
        read(flags={key: value})
    for value in bad:
        assert f"command line: {key} must be " in refusal(flags={key: value})


def test_variables_are_read_by_type_and_named_in_errors() -> None:
    """OYA_SECTION__KEY; a variable with one underscore between its words is none of ours."""
    assert read(env={"OYA_QUEUE__CHECK_MS_MAX": "7"}).queue.check_ms_max == 7
    assert read(env={"OYA_REPO__TARGET": "7"}).repo.target == "7"
    assert read(env={"OYA_WORKER_SLOTS": "x", "MY_OYA_WORKER__SLOTS": "x"}) == Config()
    assert refusal(env={"OYA_WORKER__SLOTS": "four"}) == (
        "OYA_WORKER__SLOTS: worker.slots must be a whole number, and is 'four'."
    )
    assert refusal(env={"OYA_WORKER__SLOT": "4"}) == (
        "OYA_WORKER__SLOT: worker.slot is no key; did you mean slots?"
    )
    assert refusal(env={"OYA_WORKR__SLOTS": "4"}) == (
        "OYA_WORKR__SLOTS: [workr] is no section; did you mean worker?"
    )
    for broken in ("'open", '["a"', "[1]"):
        assert refusal(env={"OYA_WORKER__COMMAND": broken}) == (
            f"OYA_WORKER__COMMAND: worker.command must be a list of texts, and is {broken!r}."
        )


def test_everything_wrong_is_said_at_once() -> None:
    """One line each, in the order of the sources."""
    said = refusal("[worker]\nslots = 0\nx = 1\n", env={"OYA_WEB__LISTEN": "no"})
    assert [line.split(" ", 1)[0] for line in said.splitlines()] == [
        "oya.toml:2:",
        "oya.toml:3:",
        "OYA_WEB__LISTEN:",
    ]


@pytest.mark.parametrize(
    ("toml", "place"),
    [
        ("[worker]\nslots == 4\n", "oya.toml:2:8: "),
        ("[worker]\nslots = 1\nslots = 2\n", "oya.toml:3:10: "),
        ("\n\n[worker]\ncommand = [", "oya.toml:4: "),
        ("a = " + "[" * 5000, "oya.toml: "),
    ],
)
def test_what_is_not_toml_is_named_with_line_and_column(toml: str, place: str) -> None:
    """The parser's own message, after the place."""
    assert refusal(toml).startswith(place)


def test_a_key_that_also_stands_in_a_long_text_is_found_where_it_is_set() -> None:
    """Lines inside multi-line values and comments are not keys."""
    toml = '[checks]\ntest = """\nslots = 9\n[worker]\n"""\n# slots\n[worker]\nslots = 0\n'
    assert refusal(toml).startswith("oya.toml:8: ")
    assert line_of(toml, ("worker", "slots")) == 8
    assert line_of('"sl\\u006fts" = 1', ("slots",)) == 0


def test_a_file_with_a_mark_and_foreign_line_ends_is_read(tmp_path: Path) -> None:
    """A byte order mark and CRLF, as some editors write them."""
    user = tmp_path / "config.toml"
    user.write_bytes(b"\xef\xbb\xbf[worker]\r\nslots = 7\r\n")
    assert load(user, None, "", {}, {}).worker.slots == 7
    assert read("\ufeff[worker]\r\nslots = 7\r\n").worker.slots == 7


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    """Missing, a folder, not UTF-8: never a traceback, never ignored."""
    broken = tmp_path / "latin.toml"
    broken.write_bytes(b"[repo]\ntarget = '\xe4'\n")
    for path, said in (
        (tmp_path / "none.toml", "cannot be read: No such file"),
        (tmp_path, "cannot be read: Is a directory"),
        (broken, ":2: this is not UTF-8"),
    ):
        with pytest.raises(ConfigurationInvalid) as caught:
            load(path, None, "", {}, {})
        assert str(path) in caught.value.message
        assert said in caught.value.message


def test_every_field_has_a_type_that_can_be_read() -> None:
    """A key of a new type needs its reading from text; this fails until it has one."""
    for section in fields(Config):
        if section.name == "checks":
            continue
        value = getattr(Config(), section.name)
        assert is_dataclass(value)
        for key in fields(value):
            assert str(key.type) in {"int", "bool", "str", "tuple[str, ...]"}
            default = getattr(value, key.name)
            assert read(flags={f"{section.name}.{key.name}": default}) == Config()


def test_what_is_either_so_or_not_is_true_or_false() -> None:
    """In a file, a flag or a variable; any other word is refused with what it may be."""
    assert read("[queue]\ndisjoint = true").queue.disjoint
    assert read(flags={"queue.disjoint": "true"}).queue.disjoint
    assert not read(flags={"queue.disjoint": "false"}).queue.disjoint
    with pytest.raises(ConfigurationInvalid, match="must be true or false"):
        read(flags={"queue.disjoint": "yes"})


TEMPLATE = configs.templates_folder() / "oya.toml"


def test_the_template_is_the_defaults() -> None:
    """`oya-vcs init` changes nothing by writing it."""
    assert read(TEMPLATE.read_text()) == Config()


def test_the_template_shows_every_key_with_its_default() -> None:
    """With every setting uncommented it is valid, complete, and says what the defaults are."""
    text = re.sub(r"(?m)^# (?=[a-z_]+ = )", "", TEMPLATE.read_text())
    shown = read(text)
    expected = asdict(Config())
    del expected["gateway"]  # of the user's own file, below
    expected["checks"] = {"test": "pytest -q", "lint": "ruff check ."}
    expected["worker"]["command"] = ("./agent.sh",)
    assert asdict(shown) == {**expected, "gateway": asdict(Config().gateway)}
    for section, keys in expected.items():
        for key in keys:
            assert line_of(text, (section, key)), f"{section}.{key} is not shown"


def test_the_template_of_the_users_own_file_shows_what_counts_there_alone(tmp_path: Path) -> None:
    """Uncommented it is valid, complete, and says what the defaults are."""
    template = configs.templates_folder() / "config.toml"
    text = re.sub(r"(?m)^# (?=[a-z_]+ = )", "", template.read_text())
    own = tmp_path / "config.toml"
    own.write_text(text)
    assert load(own, None, "oya.toml", {}, {}) == Config()
    for section in USERS_OWN:
        for key in asdict(Config())[section]:
            assert line_of(text, (section, key)), f"{section}.{key} is not shown"


def test_importing_loads_nothing_that_only_some_need() -> None:
    """The command line's fast paths import this module."""
    code = (
        "import sys; import oya_vcs.config;"
        "print(*{'tomllib', 'json', 'shlex', 'difflib', 'networkx', 'asyncio'} & {*sys.modules})"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert not done.stdout.split()
