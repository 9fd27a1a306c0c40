"""Whether a request is a delivery of GitHub's: its headers, its signature, its body.

Pure: a request's bytes in, a delivery or a refusal out. Nothing of a body is looked at before its
signature was found right. Knows no web server, and not what a delivery means.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import msgspec

from oya_vcs_bot.payloads import UNREADABLE

BODY_BYTES_MAX = 10 * 1_024 * 1_024
"""Of a delivery. GitHub sends up to 25 MB, but nothing that large is about a pull request; what is
refused here the poller finds by itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Why a request is not taken: the status of the answer, what is wrong, and the mend."""

    status: int
    title: str
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """What the headers of a request say of it: GitHub's id of the delivery, the kind of event, and
    the signature that the body must have (32 bytes)."""

    delivery: str
    event: str
    signature: bytes


TOO_LARGE = Refusal(
    status=413,
    title="The delivery is too large.",
    detail=f"A body may have {BODY_BYTES_MAX} bytes. What it tells is found by polling.",
)

_DELIVERY = re.compile(rb"[0-9A-Za-z-]{1,100}")
_EVENT = re.compile(rb"[a-z][a-z0-9_]{0,99}")
_SIGNATURE = re.compile(rb"sha256=([0-9a-f]{64})")


def read_headers(headers: Iterable[tuple[bytes, bytes]]) -> Envelope | Refusal:
    """What the headers say, or why the body need not be read. Names of headers are in lower case,
    as ASGI has them.

    SHA-256 only: the older signature by SHA-1 proves nothing here. A header that comes twice is
    refused, since nobody can tell which one counts.
    """
    found: dict[bytes, bytes] = {}
    for name, value in headers:
        if name in _READ and name in found:
            return Refusal(
                status=400, title="A header comes twice.", detail=f"Send {name.decode()} once."
            )
        found[name] = value
    signature = _SIGNATURE.fullmatch(found.get(b"x-hub-signature-256", b""))
    if signature is None:
        return _UNSIGNED
    if _length(found.get(b"content-length", b"")) > BODY_BYTES_MAX:
        return TOO_LARGE
    if found.get(b"content-type", b"").partition(b";")[0].strip().lower() != b"application/json":
        return _NOT_JSON
    delivery, event = found.get(b"x-github-delivery", b""), found.get(b"x-github-event", b"")
    if not (_DELIVERY.fullmatch(delivery) and _EVENT.fullmatch(event)):
        return _NO_DELIVERY
    return Envelope(
        delivery=delivery.decode(),
        event=event.decode(),
        signature=bytes.fromhex(signature[1].decode()),
    )


_READ = frozenset(
    {
        b"content-length",
        b"content-type",
        b"x-github-delivery",
        b"x-github-event",
        b"x-hub-signature-256",
    }
)
_UNSIGNED = Refusal(
    status=401,
    title="The delivery is not signed.",
    detail="X-Hub-Signature-256 is missing or is none. Give the webhook its secret on GitHub.",
)
FORGED = Refusal(
    status=401,
    title="The signature is wrong.",
    detail="The secret of the webhook on GitHub is not the one that this daemon was given for it.",
)
_NOT_JSON = Refusal(
    status=415,
    title="The delivery is not JSON.",
    detail="Set the content type of the webhook on GitHub to application/json.",
)
_NO_DELIVERY = Refusal(
    status=400,
    title="The request is no delivery of GitHub's.",
    detail="X-GitHub-Delivery or X-GitHub-Event is missing or is none.",
)
_UNREADABLE = Refusal(
    status=400,
    title="The body cannot be read.",
    detail="It is signed, but is no JSON object in UTF-8.",
)


def _length(value: bytes) -> int:
    """What is announced; what is no number is left to the web server."""
    return int(value) if re.fullmatch(rb"[0-9]{1,20}", value) else 0


def is_signed(envelope: Envelope, body: bytes, secret: bytes) -> bool:
    """Whether the body has the signature of the envelope; compared in constant time."""
    return hmac.compare_digest(hmac.digest(secret, body, "sha256"), envelope.signature)


def read_payload(body: bytes) -> Mapping[str, object] | Refusal:
    """The payload of a body that was proved, each of its values still as text."""
    try:
        return _PAYLOAD.decode(body)
    except UNREADABLE:
        return _UNREADABLE


_PAYLOAD = msgspec.json.Decoder(dict[str, msgspec.Raw])
