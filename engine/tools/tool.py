"""A tool made of a typed function: its JSON Schema, the check of its arguments, and how it is run."""

from __future__ import annotations

import inspect
import re
from collections.abc import Awaitable, Callable
from typing import Any, cast, get_type_hints, overload

import msgspec
import trio

from actors.event import Json
from actors.tool import ToolError, ToolSpec

_NAME_FORM = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)

Function = Callable[..., object]


class Tool:
    """One tool. `timeout` is in seconds and bounds each call."""

    def __init__(self, function: Function, spec: ToolSpec, *, timeout: float, inline: bool) -> None:
        self.spec = spec
        self.timeout = timeout
        self._function = function
        self._inline = inline
        self._is_async = inspect.iscoroutinefunction(function)
        self._arguments = _arguments_type(function)

    def bind(self, arguments: Json) -> dict[str, object]:
        """The keyword arguments, checked and converted. Raises ToolError with the name of the field that is wrong."""
        try:
            bound = msgspec.convert({} if arguments is None else arguments, self._arguments, strict=True)
        except msgspec.ValidationError as error:
            raise ToolError(f"{self.spec.name}: {error}") from error
        return {field: getattr(bound, field) for field in self._arguments.__struct_fields__}

    async def run(self, arguments: dict[str, object], limiter: trio.CapacityLimiter) -> object:
        """Calls the function. A thread left behind by a cancel keeps its place in `limiter` until it ends."""
        if self._is_async:
            return await cast(Awaitable[object], self._function(**arguments))
        if self._inline:
            await trio.lowlevel.checkpoint()
            return self._function(**arguments)
        return await trio.to_thread.run_sync(
            lambda: self._function(**arguments), abandon_on_cancel=True, limiter=limiter
        )


@overload
def tool(function: Function, /) -> Tool: ...
@overload
def tool(
    *, name: str = "", description: str = "", category: str = "general", timeout: float = 10.0, inline: bool = False
) -> Callable[[Function], Tool]: ...
def tool(
    function: Function | None = None,
    /,
    *,
    name: str = "",
    description: str = "",
    category: str = "general",
    timeout: float = 10.0,
    inline: bool = False,
) -> Tool | Callable[[Function], Tool]:
    """Makes a tool of a typed function, sync or async: `@tool` or `@tool(timeout=5)`.

    Name and description default to the function's name and docstring. A parameter is described, and bounded, by
    `Annotated[str, msgspec.Meta(description=…, max_length=…)]`. The result is anything that JSON can hold, or a
    msgspec struct or dataclass of such.

    A sync function runs in a worker thread, because nobody can tell whether it blocks; `inline=True` calls it in the
    event loop instead and is for short work whose bounds do not depend on its arguments. The time limit ends the wait
    of the caller in every case; it cannot stop a thread, and it cannot interrupt an inline function.

    Raises TypeError for a function whose signature a JSON object cannot express.
    """

    def decorate(decorated: Function) -> Tool:
        tool_name = name or getattr(decorated, "__name__", "")
        if not _NAME_FORM.fullmatch(tool_name):
            raise TypeError(f"a tool's name is 1 to 64 of A-Z a-z 0-9 _ -, not {tool_name!r}")
        text = description or inspect.cleandoc(decorated.__doc__ or "")
        spec = ToolSpec(tool_name, text, _schema(_arguments_type(decorated)), category)
        return Tool(decorated, spec, timeout=timeout, inline=inline)

    return decorate if function is None else decorate(function)


def _arguments_type(function: Function) -> type[msgspec.Struct]:
    hints = get_type_hints(function, include_extras=True)
    fields: list[tuple[str, Any] | tuple[str, Any, Any]] = []
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind not in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
            raise TypeError(f"parameter {parameter.name} of a tool must be passable by name")
        if parameter.name not in hints:
            raise TypeError(f"parameter {parameter.name} of a tool needs a type")
        if parameter.default is parameter.empty:
            fields.append((parameter.name, hints[parameter.name]))
        else:
            fields.append((parameter.name, hints[parameter.name], parameter.default))
    return msgspec.defstruct("Arguments", fields, frozen=True, kw_only=True, forbid_unknown_fields=True)


def _schema(arguments: type[msgspec.Struct]) -> dict[str, Json]:
    _, components = msgspec.json.schema_components((arguments,), ref_template="#/$defs/{name}")
    schema: dict[str, Json] = components.pop(arguments.__name__)
    del schema["title"]
    if components:
        schema["$defs"] = cast(Json, components)
    return schema
