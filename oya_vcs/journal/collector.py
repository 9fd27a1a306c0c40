"""Python's garbage collector, held back while very many objects are made.

A collection looks at every object there is; while a state is loaded there are more each time, and
none of them is garbage: three quarters of the time of loading 10,000 beads went there. This module
knows nothing of what is loaded.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def held(*, stays: bool) -> Iterator[None]:
    """No automatic collection inside the block, in any thread of the process.

    `stays` says that what the block makes will live long: it is counted as old at once, or the
    first collection after the block would look through all of it in vain (40 ms for 10,000 beads).
    Blocks may overlap, also over threads: the collector runs again at the latest when all have
    ended.
    """
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if stays and not gc.get_freeze_count():
            gc.freeze()  # takes everything out of all generations, in no time,
            gc.unfreeze()  # and puts it into the oldest
        if was:
            gc.enable()
