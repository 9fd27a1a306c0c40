"""What passes does not stop a start."""

from __future__ import annotations

import pytest

from oya_vcs.bootstrap.insisting import TRIES_MAX, insist
from oya_vcs.errors import WorldFailed


class Refused:
    """Refused so often, and then answered."""

    def __init__(self, times: int, *, retryable: bool) -> None:
        self.tried = 0
        self._times = times
        self._retryable = retryable

    async def __call__(self) -> int:
        """The number of this try."""
        self.tried += 1
        if self.tried <= self._times:
            raise WorldFailed(f"Refusal {self.tried}.", retryable=self._retryable)
        return self.tried


async def test_what_passes_is_begun_anew() -> None:
    """As often as that may be needed."""
    for times in range(TRIES_MAX):
        assert await insist(Refused(times, retryable=True)) == times + 1


async def test_what_does_not_pass_is_said_at_once() -> None:
    """It is not tried again."""
    refused = Refused(1, retryable=False)
    with pytest.raises(WorldFailed, match=r"Refusal 1\."):
        await insist(refused)
    assert refused.tried == 1


async def test_what_always_passes_is_said_in_the_end() -> None:
    """The last refusal, and no try after it."""
    refused = Refused(99, retryable=True)
    with pytest.raises(WorldFailed, match=rf"Refusal {TRIES_MAX}\."):
        await insist(refused)
    assert refused.tried == TRIES_MAX
