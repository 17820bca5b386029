"""How code that is not ours ended: the fault boundary between an agent and the task that runs it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Generic, TypeAlias, TypeVar

import msgspec
import trio

T = TypeVar("T")


class Returned(msgspec.Struct, Generic[T], frozen=True):
    value: T


class Raised(msgspec.Struct, frozen=True):
    error: BaseException


Outcome: TypeAlias = Returned[T] | Raised


async def outcome_of(run: Callable[[], Awaitable[T]], also: Callable[[BaseException], None]) -> Outcome[T]:
    """Runs it and tells how it ended. trio.Cancelled and KeyboardInterrupt pass: they come from outside.

    SystemExit is an outcome as any other: what calls `sys.exit` in somebody else's code does not speak for the engine.
    Where it was cancelled and failed as well, the cancellation goes to the scope that asked for it and the failure to
    `also`: neither is dropped.
    """
    try:
        return Returned(await run())
    except BaseException as raised:  # noqa: BLE001  the edge of supervised foreign code: an agent may raise anything
        passing, error = _divide(raised)
        if passing is None:
            return Raised(error or raised)
        if error is not None:
            also(error)
        raise passing from None


def _divide(raised: BaseException) -> tuple[BaseException | None, BaseException | None]:
    """Parts it into what passes and what the code itself failed with."""
    if isinstance(raised, BaseExceptionGroup):
        passing, errors = raised.split(_passes)
        return passing, None if errors is None else _only(errors)
    return (raised, None) if _passes(raised) else (None, raised)


def _passes(error: BaseException) -> bool:
    # GeneratorExit is what a coroutine gets that is closed unfinished: nothing may be awaited after it.
    return isinstance(error, (trio.Cancelled, KeyboardInterrupt, GeneratorExit))


def _only(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The one error in a group, as a nursery with one failing task wraps it; else the group itself."""
    match group.exceptions:
        case [BaseExceptionGroup() as inner]:
            return _only(inner)
        case [error]:
            return error
        case _:
            return group
