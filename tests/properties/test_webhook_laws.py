"""Whatever is sent to the webhook: no fault of ours, and no fact without a valid signature."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from oya_vcs.core.pulls import CommentSeen
from oya_vcs.journal.codec import CODEC
from tests.hooks import NAME, SECRET, Headers, Office, examples, send, signed

MEANT = [
    *("issue_comment", "pull_request", "pull_request_review", "pull_request_review_comment"),
    *("push", "check_run", "check_suite", "status", "workflow_run", "merge_group", "create"),
    *("installation", "installation_repositories", "repository", "ping"),
]
"""The kinds of events that are worth fuzzing in depth; the others mean nothing, whatever is in
them."""
PAYLOADS = [(event, payload) for event, payload in examples() if event in MEANT]

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8)
    | st.sampled_from(["@oya r+", "@oya\x00 p=", 100 * "@oya r+\n", "0" * 40, "\u202e", "9" * 30]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)
NAMES = st.sampled_from(
    [
        *(b"content-type", b"content-length", b"x-github-delivery", b"x-github-event"),
        *(b"x-hub-signature-256", b"x-hub-signature", b"host", b"accept", b"cookie", b"range"),
        *(b"content-encoding", b"transfer-encoding", b"expect", b"accept-encoding", b"if-match"),
        *(b"authorization", b"origin", b"x-forwarded-for", b"x-http-method-override", b"upgrade"),
    ]
)
VALUES = st.binary(max_size=80) | st.sampled_from(
    [
        *(b"application/json", b"push", b"0", b"-1", b"2", b"99999999999", b"a-1", b"gzip"),
        *(b"sha256=" + 64 * b"0", b"sha1=" + 40 * b"0", b"multipart/form-data", b"text/html, */*"),
    ]
)


def plant(payload: Any, path: list[int], value: object) -> Any:
    """The payload with a value put in somewhere: `path` says which way to go at each fork."""
    if not path or not isinstance(payload, dict | list) or not payload:
        return value
    turn, *rest = path
    if isinstance(payload, list):
        at = turn % len(payload)
        return [*payload[:at], plant(payload[at], rest, value), *payload[at + 1 :]]
    name = sorted(payload)[turn % len(payload)]
    return payload | {name: plant(payload[name], rest, value)}


@given(st.lists(st.tuples(NAMES, VALUES), max_size=8), st.binary(max_size=200))
@example([(b"content-type", b"application/json"), (b"content-type", b"text/html")], b"{}")
def test_no_header_and_no_body_is_a_fault_of_ours(headers: Headers, body: bytes) -> None:
    """Refused with a status of the client's, and nothing is taken: no signature is right by
    chance."""
    office = Office()
    answer = asyncio.run(send(office.app(), headers, body))
    assert 400 <= answer.status < 500
    assert not office.offered
    assert not office.hints


@given(st.data())
def test_a_signature_is_of_exactly_these_bytes(data: st.DataObject) -> None:
    """One bit of the body, the secret or the signature is different: refused, and nothing is
    taken."""
    office = Office()
    event, payload = data.draw(st.sampled_from(PAYLOADS))
    body = json.dumps(payload).encode()
    secret = SECRET
    headers = signed(body, event)
    which = data.draw(st.sampled_from(["body", "secret", "signature"]))
    if which == "body":
        body = flipped(body, data.draw(st.integers(0, len(body) * 8 - 1)))
    elif which == "secret":
        secret = flipped(SECRET, data.draw(st.integers(0, len(SECRET) * 8 - 1)))
        headers = signed(body, event, secret=secret)
    else:
        bit = data.draw(st.integers(7 * 8, 71 * 8 - 1))
        headers[-1] = (headers[-1][0], flipped(headers[-1][1], bit))
    answer = asyncio.run(send(office.app(), headers, body))
    assert answer.status == 401
    assert not office.offered
    assert not office.hints


def flipped(text: bytes, bit: int) -> bytes:
    """The bytes with one bit changed."""
    at, shift = divmod(bit, 8)
    return text[:at] + bytes([text[at] ^ 1 << shift]) + text[at + 1 :]


@settings(max_examples=400)
@given(
    st.sampled_from(PAYLOADS),
    st.lists(st.tuples(st.lists(st.integers(0, 200), max_size=6), JSON), min_size=1, max_size=4),
)
def test_a_signed_payload_of_any_shape_is_taken(
    source: tuple[str, dict[str, Any]], planted: list[tuple[list[int], object]]
) -> None:
    """202 for every JSON object, however far it is from what GitHub documents; what is made of it
    is fit for the record, byte for byte."""
    event, payload = source
    payload["repository"] = payload.get("repository", {}) | {"full_name": NAME}
    for path, value in planted:
        changed = plant(payload, path, value)
        payload = changed if isinstance(changed, dict) else payload
    body = json.dumps(payload, ensure_ascii=False).encode("utf-8", "replace")
    office = Office()
    answer = asyncio.run(send(office.app(), signed(body, event), body))
    assert answer.status == 202
    for _, facts in office.offered:
        for fact in facts:
            name, version, _, _, data = CODEC.encode(fact)
            assert CODEC.decode(name, version, data) == fact


@given(
    st.text(max_size=300) | st.lists(st.sampled_from(["@oya", " r+", "\n", "`", "> "])).map("".join)
)
def test_a_comment_of_any_text_is_taken(text: str) -> None:
    """A command in it is found as `plain` and `listen` say, on its way through the endpoint."""
    payload = next(one for _, one in examples("issue_comment") if one["action"] == "created")
    url = f"https://github.com/{NAME}/pull/2#issuecomment-1"
    payload["repository"]["full_name"] = NAME
    payload["comment"] |= {"body": text, "html_url": url}
    body = json.dumps(payload).encode()
    office = Office()
    answer = asyncio.run(send(office.app(), signed(body, "issue_comment"), body))
    assert answer.status in (202, 400)
    assert (answer.status == 400) == any(0xD800 <= ord(one) < 0xE000 for one in text)
    facts = [fact for _, found in office.offered for fact in found]
    assert all(isinstance(fact, CommentSeen) for fact in facts)
    assert len(facts) <= 1
