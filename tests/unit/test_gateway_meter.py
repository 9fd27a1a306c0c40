"""What an answer used, in the forms of all providers, however its bytes come."""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oya_vcs.adapters.gateway.meter import ASKED_BYTES, CAME_BYTES, KEPT_MAX, Meter, Tokens
from oya_vcs.config import GatewayConfig
from tests.provider import chat_chunk

CHAT = {
    "prompt_tokens": 100,
    "completion_tokens": 20,
    "prompt_tokens_details": {"cached_tokens": 60},
}
RESPONSES = {
    "input_tokens": 100,
    "output_tokens": 20,
    "input_tokens_details": {"cached_tokens": 60},
    "output_tokens_details": {"reasoning_tokens": 15},
}
MESSAGES = {
    "input_tokens": 30,
    "output_tokens": 20,
    "cache_creation_input_tokens": 10,
    "cache_read_input_tokens": 60,
}
OPENAI = Tokens(read=40, written=20, cached=60)
ANTHROPIC = Tokens(read=30, written=20, cached=60, stored=10)
ASKED = 400


def stream(documents: Sequence[Mapping[str, Any]]) -> bytes:
    """A stream of events."""
    return b"".join(
        b"event: some\ndata: " + json.dumps(one).encode() + b"\n\n" for one in documents
    )


STREAMS: Mapping[str, tuple[Sequence[Mapping[str, Any]], Tokens]] = {
    "chat": (
        [chat_chunk("Hello"), chat_chunk(" you"), {"choices": [], "usage": CHAT}],
        OPENAI,
    ),
    "responses": (
        [
            {"type": "response.created", "response": {"usage": None}},
            {"type": "response.output_text.delta", "delta": 'the "usage" of words'},
            {"type": "response.completed", "response": {"usage": RESPONSES}},
        ],
        OPENAI,
    ),
    "messages": (
        [
            {"type": "message_start", "message": {"usage": {**MESSAGES, "output_tokens": 1}}},
            {"type": "content_block_delta", "delta": {"text": "Hello"}},
            {"type": "message_delta", "delta": {}, "usage": {"output_tokens": 20}},
        ],
        ANTHROPIC,
    ),
}


@pytest.mark.parametrize(
    ("usage", "tokens"), [(CHAT, OPENAI), (RESPONSES, OPENAI), (MESSAGES, ANTHROPIC)]
)
def test_a_whole_answer_says_what_it_used(usage: dict[str, Any], tokens: Tokens) -> None:
    """In each of the three forms; what was read from a cache is told apart."""
    meter = Meter(ASKED, streamed=False)
    meter.feed(json.dumps({"id": "x", "usage": usage}).encode())
    assert meter.tokens(whole=True) == tokens
    assert tokens.taken_in == 100


@given(kind=st.sampled_from(sorted(STREAMS)), cuts=st.lists(st.integers(0, 600), max_size=8))
def test_a_stream_says_it_however_its_bytes_come(kind: str, cuts: list[int]) -> None:
    """The same counts, wherever the stream was cut into pieces."""
    documents, tokens = STREAMS[kind]
    text = stream(documents)
    meter = Meter(ASKED, streamed=True)
    places = [0, *sorted(min(cut, len(text)) for cut in cuts), len(text)]
    for begin, end in itertools.pairwise(places):
        meter.feed(text[begin:end])
    assert meter.tokens(whole=True) == tokens


@given(kind=st.sampled_from(sorted(STREAMS)), length=st.integers(0, 600))
def test_an_answer_that_broke_off_is_not_cheaper(kind: str, length: int) -> None:
    """Who hangs up before the count comes is counted by what was asked and what came."""
    documents, _ = STREAMS[kind]
    text = stream(documents)[:length]
    meter = Meter(ASKED, streamed=True)
    meter.feed(text)
    tokens = meter.tokens(whole=False)
    assert tokens.written >= len(text) / CAME_BYTES
    assert tokens.taken_in >= min(100, ASKED / ASKED_BYTES)


@pytest.mark.parametrize("body", [b"", b"not JSON", b"[1]", b'{"usage": 3}', b'{"usage": null}'])
def test_what_says_nothing_is_estimated(body: bytes) -> None:
    """An answer in no known form costs what its length says, and never nothing."""
    meter = Meter(ASKED, streamed=False)
    meter.feed(body)
    assert meter.tokens(whole=True) == Tokens(
        read=ASKED // ASKED_BYTES, written=-(-len(body) // CAME_BYTES)
    )


def test_counts_that_are_none_are_not_believed() -> None:
    """Negative numbers, texts and truth values count nothing."""
    meter = Meter(ASKED, streamed=False)
    odd = {"prompt_tokens": -5, "completion_tokens": "many", "output_tokens": True}
    meter.feed(json.dumps({"usage": odd}).encode())
    assert meter.tokens(whole=True) == Tokens()


def test_a_line_without_end_takes_no_memory() -> None:
    """What is longer than KEPT_MAX is let go of; what comes after it is read again."""
    meter = Meter(ASKED, streamed=True)
    for _ in range(9):
        meter.feed(b"x" * 2**20)
    assert not meter._kept
    meter.feed(b"\n" + stream(STREAMS["chat"][0]))
    assert meter.tokens(whole=True) == OPENAI
    assert KEPT_MAX < 9 * 2**20


def test_costs_are_exact_and_rounded_up() -> None:
    """Millionths of a dollar by the four prices; a price that is not said is that of reading."""
    (_, full), (_, half), (_, short) = GatewayConfig(
        prices=("a=3/15/0.3/3.75", "b=1/2/0.5", "c=0.15/0.6")
    ).table
    assert Tokens(1_000_000, 1_000_000, 1_000_000, 1_000_000).cost_micros(full) == 22_050_000
    assert Tokens(stored=1_000_000).cost_micros(half) == 1_000_000
    assert Tokens(cached=1_000_000).cost_micros(short) == 150_000
    assert Tokens(read=1).cost_micros(short) == 1
    assert Tokens().cost_micros(full) == 0
