"""Who may speak to us as GitHub, and what becomes of it."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json

import pytest

from oya_vcs.core.hints import Hint, Topic
from oya_vcs.core.ids import RepoId
from oya_vcs.core.pulls import PullSeen
from oya_vcs.errors import ConfigurationInvalid, WorldFailed
from oya_vcs_bot import reception as room
from oya_vcs_bot.app import make_app
from oya_vcs_bot.reception import LONG_BYTES, Desk, Reception
from oya_vcs_bot.translate import News, Translator
from oya_vcs_bot.webhooks import BODY_BYTES_MAX, Envelope, is_signed, read_headers
from tests.hooks import NAME, REPO, SECRET, Headers, Office, examples, send, signed

BODY = b'{"zen": "Keep it logically awesome."}'


def without(headers: Headers, name: bytes) -> Headers:
    """The headers but for one."""
    return [one for one in headers if one[0] != name]


def instead(headers: Headers, name: bytes, *values: bytes) -> Headers:
    """The headers with another value, or several."""
    return [*without(headers, name), *((name, value) for value in values)]


def opened(action: str = "opened") -> bytes:
    """The body of a delivery that is worth a fact."""
    payload = next(one for _, one in examples("pull_request") if one["action"] == action)
    return json.dumps(payload).encode()


def test_the_signature_is_githubs() -> None:
    """The vector of GitHub's documentation."""
    body = b"Hello, World!"
    wanted = "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
    headers = instead(signed(body), b"x-hub-signature-256", f"sha256={wanted}".encode())
    envelope = read_headers(headers)
    assert isinstance(envelope, Envelope)
    assert is_signed(envelope, body, b"It's a Secret to Everybody")
    assert not is_signed(envelope, body, b"It's a secret to Everybody")


async def test_a_signed_delivery_is_accepted_when_it_is_on_disk() -> None:
    """202 and nothing else; its facts are offered under its id, once a delivery."""
    office = Office()
    body = opened()
    answer = await send(office.app(), signed(body, "pull_request", delivery="a-b-1"), body)
    assert (answer.status, answer.body) == (202, b"")
    ((delivery, facts),) = office.offered
    assert delivery == "github:a-b-1"
    assert [type(fact).__name__ for fact in facts] == ["PullSeen"]


async def test_what_tells_no_fact_leaves_no_row() -> None:
    """A ping, and what is only a hint, are acknowledged and not offered: nothing to remember."""
    office = Office()
    app = office.app()
    for event in ("ping", "check_run", "star"):
        for _, payload in examples(event):
            body = json.dumps(payload).encode()
            assert (await send(app, signed(body, event), body)).status == 202
    assert office.offered == []
    assert {one.topic for one in office.hints} == {"checks"}


async def test_every_official_example_is_taken() -> None:
    """404 payloads of 64 kinds, of GitHub and of its Enterprise Server: 202 for each."""
    office = Office()
    app = office.app()
    kinds = set()
    for number, (event, payload) in enumerate(examples()):
        body = json.dumps(payload).encode()
        answer = await send(app, signed(body, event, delivery=f"d-{number}"), body)
        assert answer.status == 202, (event, answer)
        kinds.add(event)
    assert len(kinds) == 64
    told = {type(fact).__name__ for _, facts in office.offered for fact in facts}
    assert told == {"PullSeen", "QueueResumed"}, "nobody speaks to us; the App is installed"
    assert {one.topic for one in office.hints} == {"checks", "ref", "access"}


@pytest.mark.parametrize(
    "signature",
    [
        b"",
        b"sha256=",
        b"sha256=" + 63 * b"0",
        b"sha256=" + 65 * b"0",
        b"sha256=" + 64 * b"g",
        b"SHA256=" + 64 * b"0",
        b"sha1=" + hmac.new(SECRET, BODY, "sha1").hexdigest().encode(),
        hmac.new(SECRET, BODY, "sha256").hexdigest().encode(),
        b"sha256=" + hmac.new(SECRET, BODY, "sha256").hexdigest().upper().encode(),
        b"sha256=" + hashlib.sha256(BODY).hexdigest().encode(),
        b"sha256=\xc3\xbc" + 62 * b"0",
        b"sha256=" + hmac.new(b"", BODY, "sha256").hexdigest().encode(),
        b"sha256=" + hmac.new(SECRET + b"\n", BODY, "sha256").hexdigest().encode(),
        b"sha256=" + hmac.new(SECRET, BODY + b" ", "sha256").hexdigest().encode(),
    ],
)
async def test_a_wrong_signature_is_refused(signature: bytes) -> None:
    """401, and the mend is said; nothing is offered, woken or read."""
    office = Office()
    headers = instead(signed(BODY, "push"), b"x-hub-signature-256", signature)
    answer = await send(office.app(), headers, BODY)
    assert answer.status == 401
    assert "GitHub" in answer.problem["detail"]
    assert not office.offered
    assert not office.hints


async def test_a_sha1_signature_alone_is_none() -> None:
    """The older header proves nothing, even where it is right."""
    office = Office()
    old = b"sha1=" + hmac.new(SECRET, BODY, "sha1").hexdigest().encode()
    headers = [*without(signed(BODY), b"x-hub-signature-256"), (b"x-hub-signature", old)]
    assert (await send(office.app(), headers, BODY)).status == 401
    both = [*signed(BODY), (b"x-hub-signature", b"sha1=" + 40 * b"0")]
    assert (await send(office.app(), both, BODY)).status == 202


@pytest.mark.parametrize(
    ("name", "values", "status"),
    [
        (b"x-github-delivery", (), 400),
        (b"x-github-delivery", (b"",), 400),
        (b"x-github-delivery", (b"a b",), 400),
        (b"x-github-delivery", (b"a", b"b"), 400),
        (b"x-github-delivery", (101 * b"a",), 400),
        (b"x-github-event", (), 400),
        (b"x-github-event", (b"Push",), 400),
        (b"x-github-event", (b"\xff",), 400),
        (b"x-hub-signature-256", (b"sha256=" + 64 * b"0", b"sha256=" + 64 * b"1"), 400),
        (b"content-type", (), 415),
        (b"content-type", (b"application/x-www-form-urlencoded",), 415),
        (b"content-type", (b"Application/JSON; charset=utf-8",), 202),
        (b"content-length", (), 202),
        (b"content-length", (str(BODY_BYTES_MAX + 1).encode(),), 413),
        (b"content-length", (20 * b"9",), 413),
        (b"content-encoding", (b"gzip",), 202),
        (b"x-hub-signature", (b"sha1=\xff",), 202),
        (b"cookie", (b"\xff\x00=;",), 202),
    ],
)
async def test_odd_headers_are_refused_or_do_nothing(
    name: bytes, values: tuple[bytes, ...], status: int
) -> None:
    """Each with a status of its own, as a problem of RFC 9457; never as a fault of ours."""
    office = Office()
    answer = await send(office.app(), instead(signed(BODY), name, *values), BODY)
    assert answer.status == status
    if status != 202:
        assert answer.problem["status"] == status
        assert answer.problem["title"]


@pytest.mark.parametrize("announced", [True, False])
async def test_a_body_has_a_greatest_size(announced: bool) -> None:
    """10 MiB are read, one byte more is not, whether or not the length is announced."""
    office = Office()
    body = b"{" + b" " * (BODY_BYTES_MAX - 2) + b"}"
    headers = signed(body)
    longer = signed(body + b" ")
    if not announced:
        headers, longer = (without(one, b"content-length") for one in (headers, longer))
    assert (await send(office.app(), headers, body)).status == 202
    assert (await send(office.app(), longer, body + b" ")).status == 413
    assert not office.offered


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b'"text"',
        b"{",
        b'{"a": "\\ud800"}',
        b"\xff\xfe{}",
        b"[" * 200_000,
        b'{"a":' * 100_000,
        b"payload=%7B%7D",
    ],
)
async def test_a_signed_body_that_is_no_object_is_refused(body: bytes) -> None:
    """400, however deep or broken it is: only who has the secret can get that far."""
    answer = await send(Office().app(), signed(body, "push"), body)
    assert answer.status == 400


@pytest.mark.parametrize("wrong", [b"1e999", b'"\xff"', b'{"full_name": "\xff"}', b"[1e999]"])
async def test_a_value_that_cannot_be_read_means_nothing(wrong: bytes) -> None:
    """Only what is asked for is read; where that is no JSON after all, it is empty."""
    body = opened()
    for name in (b'"repository": ', b'"action": '):
        before, _, after = body.rpartition(name)
        office = Office()
        broken = before + name + wrong + b', "odd": ' + after
        assert (await send(office.app(), signed(broken, "pull_request"), broken)).status == 202
        assert len(office.offered) == (name != b'"repository": ')


async def test_what_cannot_be_recorded_is_not_acknowledged() -> None:
    """503, which GitHub shows, and nobody is woken by what is not on disk."""
    office = Office(refuse=WorldFailed("The disk is full."))
    body = opened()
    answer = await send(office.app(), signed(body, "pull_request"), body)
    assert answer.status == 503
    assert "polling" in answer.problem["detail"]
    assert "disk is full" not in answer.body.decode()
    assert not office.hints


async def test_a_disk_that_does_not_answer_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """GitHub would give up and never know; it is told in time."""
    monkeypatch.setattr(room, "OFFER_S_MAX", 0.01)
    taken = asyncio.Event()

    async def never(_facts: object, _delivery: str) -> None:
        await taken.wait()

    reception = Reception()
    reception.open(REPO, Office().desk())
    body = opened()
    answer = await send(make_app(reception, never), signed(body, "pull_request"), body)
    assert answer.status == 503


async def test_a_long_body_is_understood_too() -> None:
    """In a thread, so that hostile Markdown in it stops nobody; with the same meaning."""
    office = Office()
    payload = json.loads(opened())
    payload["pull_request"]["body"] = "x" * LONG_BYTES
    body = json.dumps(payload).encode()
    assert (await send(office.app(), signed(body, "pull_request"), body)).status == 202
    assert len(office.offered) == 1


@pytest.mark.parametrize(
    ("path", "method", "status"),
    [("/", "POST", 404), ("/github/webhook", "GET", 405), ("/github/webhook/x", "POST", 404)],
)
async def test_nothing_else_answers(path: str, method: str, status: int) -> None:
    """One address, one method; no page that describes it."""
    answer = await send(Office().app(), signed(BODY), BODY, path=path, method=method)
    assert answer.status == status


def test_a_webhook_without_a_secret_is_refused() -> None:
    """An empty secret is a signature that anybody can make."""
    with pytest.raises(ConfigurationInvalid, match="no secret"):
        Desk(name=NAME, secret=b"", understand=lambda _event, _payload: News())


def test_the_secret_is_not_shown() -> None:
    """Not by a trace, not by a log that prints the value."""
    assert "Secret" not in repr(Office().desk())


ELSEWHERE = RepoId("repo-2")


def about(name: str, **more: object) -> bytes:
    """The body of a delivery that is worth a fact, about a repository of this name."""
    payload = json.loads(opened())
    payload["repository"]["full_name"] = name
    payload["pull_request"]["base"]["repo"]["full_name"] = name
    return json.dumps(payload | more).encode()


async def delivered(office: Office, body: bytes, secret: bytes) -> int:
    """The status of the answer to a delivery signed with a secret."""
    headers = signed(body, "pull_request", secret=secret)
    return (await send(office.app(), headers, body)).status


async def test_each_repository_has_its_own_secret() -> None:
    """A delivery goes to the repository that it names, and only where it was signed with that one's
    secret: the secret of another repository does not speak for it."""
    office, other = Office(), Translator(repo=ELSEWHERE, name="Else/Where")
    desk = Desk(name="else/where", secret=b"other", understand=other.read)
    office.reception.open(ELSEWHERE, desk)
    assert await delivered(office, about("Else/Where"), b"other") == 202
    ((_, facts),) = office.offered
    assert [fact.repo for fact in facts if isinstance(fact, PullSeen)] == [ELSEWHERE]
    assert await delivered(office, about("Else/Where"), SECRET) == 401
    assert await delivered(office, about(NAME), b"other") == 401
    assert await delivered(office, about(NAME.upper()), SECRET) == 202
    assert len(office.offered) == 2
    assert office.reception.dropped == 0


async def test_what_is_about_nobody_here_is_dropped_and_counted() -> None:
    """Another repository of the same App, or the App as another owner has installed it: 202, for
    the delivery is GitHub's and nothing is wrong with it; nothing is on record, nobody looks."""
    office = Office(Translator(repo=REPO, name=NAME, installation=7))
    assert await delivered(office, about("somebody/else"), SECRET) == 202
    assert await delivered(office, about(NAME, installation={"id": 8}), SECRET) == 202
    assert (office.offered, office.hints, office.reception.dropped) == ([], [], 2)
    assert await delivered(office, about(NAME, installation={"id": 7}), SECRET) == 202
    assert (len(office.offered), office.reception.dropped) == (1, 2)


async def test_what_names_no_repository_is_for_all_of_its_secret() -> None:
    """An App's installation was changed: each repository that has its secret looks, no other."""
    office, heard = Office(), list[Hint]()
    for number, secret in enumerate((SECRET, b"other")):
        read = Translator(repo=RepoId(str(number)), name=f"a/{number}").read
        desk = Desk(name=f"a/{number}", secret=secret, understand=read, wake=heard.append)
        office.reception.open(RepoId(str(number)), desk)
    body = b'{"action": "created", "installation": {"id": 1}}'
    answer = await send(office.app(), signed(body, "installation"), body)
    assert answer.status == 202
    assert [one.topic for one in heard] == [Topic.ACCESS]
    assert [one.topic for one in office.hints] == [Topic.ACCESS]


async def test_a_closed_desk_takes_nothing() -> None:
    """What went is as if it had never been; a desk that was opened anew stays when the old one is
    closed; without any desk nobody can prove anything."""
    office = Office()
    old, new = office.desk(b"old"), office.desk(b"new")
    office.reception.open(REPO, old)
    office.reception.open(REPO, new)
    office.reception.close(REPO, old)
    app = make_app(office.reception, office.offer)
    body = about(NAME)

    async def status(secret: bytes) -> int:
        return (await send(app, signed(body, "pull_request", secret=secret), body)).status

    assert (await status(b"old"), await status(b"new")) == (401, 202)
    office.reception.close(REPO)
    assert not office.reception.awaits
    assert await status(b"new") == 401


async def test_health_says_ok() -> None:
    """To anybody who may reach the address."""
    answer = await send(Office().app(), [], b"", path="/api/health", method="GET")
    assert (answer.status, json.loads(answer.body)) == (200, {"status": "ok"})
