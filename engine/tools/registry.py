"""The tools of one engine, by name."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import assert_never

import msgspec
import orjson
import structlog
import trio

from actors.event import Json
from actors.outcome import Raised, Returned, outcome_of
from actors.tool import ToolError, ToolSpec
from engine.tools.tool import Tool

_MESSAGE_LENGTH = 500
_log = structlog.get_logger("callboard")


class ToolRegistry:
    """Implements actors.tool.Toolbox.

    At most `threads` sync tools run at once, those given up included. A call beyond that waits for a place within its
    own time limit, so runaway tools make others fail by time-out and never pile up threads.
    """

    def __init__(self, tools: Iterable[Tool] = (), *, threads: int = 16) -> None:
        self._tools: dict[str, Tool] = {}
        self._limiter = trio.CapacityLimiter(threads)
        for each in tools:
            self.register(each)

    def register(self, tool: Tool) -> None:
        """Raises ValueError if the name is taken."""
        if tool.spec.name in self._tools:
            raise ValueError(f"there is a tool named {tool.spec.name} already")
        self._tools[tool.spec.name] = tool

    def specs(self) -> tuple[ToolSpec, ...]:
        return tuple(tool.spec for tool in self._tools.values())

    async def call(self, name: str, arguments: Json) -> Json:
        """Validates the arguments (None: no arguments) and runs the tool within its limit. Raises ToolError only."""
        tool = self._tools.get(name)
        if tool is None:
            raise ToolError(f"Tool not found: {name}")
        return _plain(name, await self._run(tool, tool.bind(arguments)))

    async def _run(self, tool: Tool, arguments: dict[str, object]) -> object:
        name = tool.spec.name
        with trio.move_on_after(tool.timeout):
            outcome = await outcome_of(lambda: tool.run(arguments, self._limiter), partial(_note_failure, name))
            match outcome:
                case Returned(value=value):
                    return value
                case Raised(error=ToolError() as error):
                    raise error
                case Raised(error=error):
                    # A bug in a tool is an answer to its caller and no crash of the task.
                    reason = str(error)[:_MESSAGE_LENGTH] or "no reason given"
                    raise ToolError(f"{name} failed: {type(error).__name__}: {reason}") from error
                case _:
                    assert_never(outcome)
        raise ToolError(f"{name} took longer than its limit of {tool.timeout:g} seconds")


def _note_failure(name: str, error: BaseException) -> None:
    """The tool failed while it was cancelled: nobody waits for its answer any more."""
    _log.warning("a cancelled tool failed", tool=name, exc_info=error)


def _plain(name: str, result: object) -> Json:
    """The result as the JSON values that an event will carry."""
    try:
        plain: Json = orjson.loads(orjson.dumps(msgspec.to_builtins(result, str_keys=True)))
    except (TypeError, ValueError, RecursionError) as error:
        raise ToolError(f"{name} returned what JSON cannot hold: {str(error)[:_MESSAGE_LENGTH]}") from error
    return plain
