"""How Python's garbage collector is tuned for a process that holds very many long-lived objects."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

_YOUNG = 50_000
"""Objects made, less those freed, before the young are looked at: what ten thousand new connections hold is looked at
some ten times and not some thousand times."""
_OLDER = 20
_OLDEST = 100


@contextmanager
def paused() -> Iterator[None]:
    """While very many objects are made that all last: to look at them again and again finds nothing."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def settle() -> None:
    """Takes what the start has made, which lasts as long as the process, out of every later collection."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG, _OLDER, _OLDEST)
