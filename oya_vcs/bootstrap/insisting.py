"""A start does not fail of what passes: a jj or git that somebody killed, a lock that was left a
moment ago.

After the start the outbox sees to that, each effect under its key. Here is nothing to probe: must
only be given what can be begun anew at any time. Must not know what that is.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from oya_vcs.errors import WorldFailed

TRIES_MAX = 3
"""Once, and two more: what fails oftener does not pass by itself, and is said."""

T = TypeVar("T")


async def insist(begin: Callable[[], Awaitable[T]]) -> T:
    """What comes of it, begun anew where the world refuses it and may not the next time.

    Raises WorldFailed for what does not pass, or has not after TRIES_MAX tries.
    """
    for _ in range(TRIES_MAX - 1):
        try:
            return await begin()
        except WorldFailed as error:
            if not error.retryable:
                raise
    return await begin()
