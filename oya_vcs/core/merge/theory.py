"""The speed to expect of a queue that is always full, in closed form (docs/MERGE_QUEUE.md).

All are changes landed in the time of one test; `passing` is the chance that a change passes its
checks. The simulation is held against them.
"""

from __future__ import annotations


def serial_rate(passing: float) -> float:
    """One at a time: a test lands a change if it passes."""
    return passing


def window_rate(passing: float, width: int) -> float:
    """`width` at once, each on top of the one before: the passing ones up to the first failure
    land, the rest starts again."""
    if passing == 1:
        return float(width)
    return passing * (1 - passing**width) / (1 - passing)


def batch_rate(passing: float, size: int) -> float:
    """`size` (a power of two) under one test; each half of a failed batch is tested again, one
    after the other. A group of n fails where any of its changes does."""
    levels = size.bit_length() - 1
    sizes = [1 << level for level in range(1, levels + 1)]
    failing: float = sum(size // part * (1 - passing**part) for part in sizes)
    return size * passing / (1 + 2 * failing)
