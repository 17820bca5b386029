"""Work that was made and will not be done."""

from __future__ import annotations

import inspect


def drop(work: object) -> None:
    """Gives up a coroutine that nobody has awaited yet, and those that it was given to await. Anything else is left."""
    if inspect.iscoroutine(work):
        for inner in inspect.getcoroutinelocals(work).values():
            drop(inner)
        work.close()
