"""How code that is not ours ended: the fault boundary between an agent and the task that runs it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Generic, TypeAlias, TypeVar

import msgspec

T = TypeVar("T")


class Returned(msgspec.Struct, Generic[T], frozen=True):
    value: T


class Raised(msgspec.Struct, frozen=True):
    error: Exception


Outcome: TypeAlias = Returned[T] | Raised


async def outcome_of(run: Callable[[], Awaitable[T]], also: Callable[[Exception], None]) -> Outcome[T]:
    """Runs it and tells how it ended. trio.Cancelled and all else that is no Exception passes.

    Where it was cancelled and failed as well, the cancellation goes to the scope that asked for it and the failure to
    `also`: neither is dropped.
    """
    try:
        return Returned(await run())
    except BaseExceptionGroup as group:
        errors, rest = group.split(Exception)
        if errors is not None and rest is not None:
            also(_only(errors))
        if rest is not None:
            raise rest from None
        return Raised(_only(group))
    except Exception as error:  # noqa: BLE001  the edge of supervised foreign code: an agent may raise anything
        return Raised(error)


def _only(group: BaseExceptionGroup[BaseException]) -> Exception:
    """The one error in a group, as a nursery with one failing task wraps it; else the group itself."""
    match group.exceptions:
        case [BaseExceptionGroup() as inner]:
            return _only(inner)
        case [Exception() as error]:
            return error
        case _:
            return ExceptionGroup(group.message, [e for e in group.exceptions if isinstance(e, Exception)])
