"""Redaction of streams: cuts change nothing, secrets never pass, nothing else is touched."""

from __future__ import annotations

import itertools
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oya_vcs.adapters.reaper.redaction import (
    CONTEXT_BYTES,
    MARK,
    SECRET_BYTES_MAX,
    Redactor,
    literals,
    redact,
)

KNOWN = (
    "hunter2!",
    "hunter2!longer",
    "line one of it\nline two of it\r\n",
    "ghp_",
    "short",
    "k€y-€€",
)
SECRETS = literals(KNOWN)

GITHUB = ("ghp_", "gho_", "ghu_", "ghs_", "ghr_", "ghs_123456_", "github_pat_")
BODY = "Ab9" * 13
TOKENS = (
    *(f"{head}{BODY[:size]}" for head in GITHUB for size in (16, 36, 39)),
    f"ghs_{BODY * 40}",
    f"ghs_123_eyJhbGciOiJIUzI1NiJ9.{BODY}.{BODY}",
    f"github_pat_{BODY[:22]}_{BODY}",
    "AKIAIOSFODNN7EXAMPLE",
    "ASIAIOSFODNN7EXAMPLE",
    f"xoxb-123456789012-{BODY}",
    f"xoxe.xoxp-1-{BODY}",
    f"xapp-1-A123-{BODY}",
    f"sk-{BODY}",
    f"sk-proj-{BODY}_-{BODY}",
    f"sk-ant-api03-{BODY}-{BODY}AA",
    f"glpat-{BODY[:20]}",
    f"npm_{BODY[:36]}",
    f"AIza{BODY[:35]}",
    "sk_live_" + "a1B2" * 6,
    f"eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.{BODY}",
    f"eyJ{'x' * 700}.eyJ{BODY}.",
)
"""Whole tokens of which nothing may be left."""

PEM_BODY = [f"{BODY}{BODY[:25]}"] * 20
PEM = "\n".join(("-----BEGIN PRIVATE KEY-----", *PEM_BODY, "Qw==", "-----END PRIVATE KEY-----"))

PIECES = (
    *KNOWN,
    *(known[:cut] for known in KNOWN for cut in (1, 3, 6) if known[:cut]),
    *("gh", "p_", "gh ghp_", "sk-", "ant-", "xox", "b-", "AK", "IA", "eyJ", ".eyJ", ".", "_", "-"),
    *("://", ":", "@", "user", "/", "http", "Authorization", "bearer", " ", "=", '"', "\\n", "%3D"),
    *("secret_access_key", "SecretAccessKey", "hooks.slack.com/", "services/", "\n", "\t", "1234"),
    *("-----BEGIN ", "RSA ", "PRIVATE KEY", "-----", "-----END ", "Proc-Type: 4,ENCRYPTED\n"),
    *(BODY, BODY[:16], "A" * 16, "x" * 300, "a plain line of output\n", "\x1b[31m", "\0", "é"),
)
TEXTS = st.lists(st.sampled_from((*PIECES, *TOKENS[:6], PEM)), max_size=14).map("".join)


def in_pieces(text: bytes, cuts: list[int]) -> bytes:
    """The text through one redactor, cut at these places."""
    redactor = Redactor(SECRETS)
    places = sorted({0, len(text), *(cut % (len(text) + 1) for cut in cuts)})
    parts = [redactor.feed(text[one:other]) for one, other in itertools.pairwise(places)]
    return b"".join([*parts, redactor.finish()])


@settings(deadline=None)
@given(TEXTS, st.lists(st.integers(0, 10_000), max_size=12))
def test_cuts_change_nothing(text: str, cuts: list[int]) -> None:
    """Any split of any text gives what the whole gives."""
    data = text.encode()
    assert in_pieces(data, cuts) == in_pieces(data, [])


@settings(deadline=None)
@given(TEXTS)
def test_byte_by_byte_is_the_same(text: str) -> None:
    """The finest split, too."""
    data = text.encode()
    assert in_pieces(data, list(range(len(data)))) == in_pieces(data, [])


@settings(deadline=None)
@given(TEXTS)
def test_no_known_secret_passes(text: str) -> None:
    """Whatever stands around it, a known secret is not in the result, nor is one of its lines."""
    result = redact(text, SECRETS).encode()
    assert not [one for one in SECRETS if one in result]


@pytest.mark.parametrize("token", TOKENS, ids=[f"{one[:12]}{len(one)}" for one in TOKENS])
@settings(deadline=None)
@given(
    before=st.sampled_from(("", " ", "\n", '"', "'", "=", "\\n", "token: ", "(", "%3D", "é")),
    after=st.sampled_from(("", " ", "\n", '"', ",", "\\n", ")", "&x=1")),
    cuts=st.lists(st.integers(0, 2_000), max_size=6),
)
def test_no_token_of_a_known_shape_passes(
    token: str, before: str, after: str, cuts: list[int]
) -> None:
    """A whole token becomes the mark, and what stands around it stays."""
    result = in_pieces(f"{before}{token}{after}".encode(), cuts).decode()
    assert result == f"{before}[redacted]{after}"


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("https://bob:pa55:w0rd@host/x", "https://bob:[redacted]@host/x"),
        ("postgres://:p@db", "postgres://:[redacted]@db"),
        ("Authorization: Basic dXNlcjpwYXNz", "Authorization: Basic [redacted]"),
        ('"authorization":"Bearer abcdefgh"', '"authorization":"Bearer [redacted]"'),
        ("AWS_SECRET_ACCESS_KEY=" + "a/B+" * 10, "AWS_SECRET_ACCESS_KEY=[redacted]"),
        ('{"SecretAccessKey": "' + "a/B+" * 10 + '"}', '{"SecretAccessKey": "[redacted]"}'),
        (
            "https://hooks.slack.com/services/T000/B000/XXXX",
            "https://hooks.slack.com/services/[redacted]",
        ),
    ],
)
def test_of_a_line_with_a_secret_the_rest_stays(text: str, result: str) -> None:
    """Where the secret stands in something that is none, only the secret goes."""
    assert redact(f"say {text} and on") == f"say {result} and on"


PLAIN = (
    "task-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    "highs_and_lows_of_everything_in_the_world",
    "http://localhost:8080/path?x=1 and git@github.com:owner/name.git, see me@example.org",
    "http://[::1]:80/ 'http://a:80' \"@b\"",
    "0123456789abcdef0123456789abcdef01234567 commit",
    "the authorization of the bearer; Authorization: none",
    "eyJhbGciOiJIUzI1NiJ9 alone, and eyJ.eyJ",
    "ghp_ is the prefix, ghp_short too, github_pat_ as well",
    "-----BEGIN CERTIFICATE-----\nMIIB" + BODY + "\n-----END CERTIFICATE-----",
    "-----BEGIN PUBLIC KEY-----",
    "disk-usage sk-learn desk-top mask-all",
    "secret_access_key is not set",
    "hunter2 is not the whole of it.",
)


@pytest.mark.parametrize("text", PLAIN)
def test_what_is_no_secret_is_untouched(text: str) -> None:
    """Look-alikes stay, to the byte."""
    assert redact(f"{text}\n", SECRETS) == f"{text}\n"


@settings(deadline=None)
@given(st.lists(st.sampled_from("abc ABC 0189 .,:;/+=_-\t\n(){}é"), max_size=400).map("".join))
def test_text_without_heads_is_untouched(text: str) -> None:
    """No head of a shape and no beginning of a known secret: the same bytes, all of them at
    once."""
    data = text.replace("://", "").encode() + b"\n"
    redactor = Redactor(literals(["zzzzzzzz"]))
    assert redactor.feed(data) == data


@settings(deadline=None)
@given(st.lists(st.sampled_from((*PIECES, *TOKENS, PEM)), max_size=40).map("".join))
def test_what_is_held_back_is_bounded(text: str) -> None:
    """No more than `look_bytes` wait for what comes, however long the text or the line."""
    redactor = Redactor(SECRETS)
    data = text.encode()
    for at in range(0, len(data), 50):
        redactor.feed(data[at : at + 50])
        assert len(redactor._text) <= redactor.look_bytes + CONTEXT_BYTES


def test_a_line_is_passed_on_with_its_end() -> None:
    """The end of a line decides what might have begun in it: no line waits for the next one."""
    redactor = Redactor(SECRETS)
    for line in (*(one for one in PLAIN if "\n" not in one), "gh", "http:", "hunter2", "-----"):
        assert redactor.feed(f"{line}\n".encode()) == f"{line}\n".encode()


KEYS = {
    "plain": (PEM, "[redacted]"),
    "prefixed": ("\n".join(f"12:00 worker | {line}" for line in PEM.splitlines()), ""),
    "crlf": (PEM.replace("\n", "\r\n"), "[redacted]"),
    "escaped": (PEM.replace("\n", "\\n"), "[redacted]"),
    "one line": (PEM.replace("\n", ""), "[redacted]"),
    "encrypted": (
        PEM.replace(
            "KEY-----\n", "KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,0A1B\n\n", 1
        ),
        "[redacted]",
    ),
    "pgp": (
        PEM.replace("PRIVATE KEY", "PGP PRIVATE KEY BLOCK").replace(
            "BLOCK-----\n", "BLOCK-----\nVersion: GnuPG v2 (GNU/Linux)\n\n", 1
        ),
        "[redacted]",
    ),
    "openssh": (PEM.replace("PRIVATE", "OPENSSH PRIVATE"), "[redacted]"),
}


@pytest.mark.parametrize("form", KEYS)
@settings(deadline=None)
@given(cuts=st.lists(st.integers(0, 3_000), max_size=6))
def test_no_private_key_passes(form: str, cuts: list[int]) -> None:
    """A key goes with its last line, in whatever form it was printed, and what follows it stays."""
    key, result = KEYS[form]
    said = in_pieces(f"before\n{key}\nafter it, said.\n".encode(), cuts).decode()
    assert not re.search("[A-Za-z0-9+/]{40}", said)
    assert said.startswith("before\n")
    assert said.endswith("\nafter it, said.\n")
    if result:
        assert said == f"before\n{result}\nafter it, said.\n"


def test_the_first_line_of_a_key_takes_no_prose_with_it() -> None:
    """Where no key follows, as in the source of a program that looks for keys, the text goes on."""
    text = "if line == '-----BEGIN PRIVATE KEY-----':  # (a key)\n    stop(reading)\n"
    assert redact(text) == "if line == '[redacted]':  # (a key)\n    stop(reading)\n"


def test_a_key_without_end_takes_no_more_than_a_key_has() -> None:
    """After 32 kB of what might be a key the text is shown again."""
    said = redact("-----BEGIN PRIVATE KEY-----\n" + f"{'A' * 63}\n" * 1_000)
    assert 1_000 * 64 - len(said) <= 33_000
    assert said.endswith("A\n")


def test_a_known_secret_that_is_cut_off_does_not_show() -> None:
    """The end of the output in the middle of a secret: what there is of it goes, too."""
    assert redact("it is hunter2", literals(["hunter2!longer"])) == "it is [redacted]"
    assert redact("it is hunt", literals(["hunter2!longer"])) == "it is hunt"


def test_a_long_secret_is_found_in_pieces() -> None:
    """Memory stays bounded by its pieces, and nothing of it is left."""
    secret = "".join(f"{number:05d}" for number in range(1_000))
    known = literals([secret])
    assert max(map(len, known)) == SECRET_BYTES_MAX
    said = redact(f"a {secret} z", known)
    assert said == f"a {'[redacted]' * len(known)} z"


def test_each_line_of_a_secret_is_one() -> None:
    """A secret of several lines is found when a log puts something between them."""
    said = redact("> line one of it\n> line two of it\n", SECRETS)
    assert said == "> [redacted]\n> [redacted]\n"


def test_what_is_too_short_or_the_mark_itself_is_not_looked_for() -> None:
    """`1`, `true` and what the mark is made of would make logs unreadable."""
    assert literals(["1", "true", "redacted", MARK.decode(), "", "\n\n"]) == ()
