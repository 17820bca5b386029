"""Tools: the schema that is derived, the arguments that are refused, limits and failures."""

from __future__ import annotations

import threading
from typing import Annotated, Literal

import msgspec
import pytest
import trio
import trio.testing

from actors.tool import ToolError
from engine.tools.registry import ToolRegistry
from engine.tools.tool import Tool, tool


class Place(msgspec.Struct):
    city: str
    country: str = "DE"


@tool(category="weather", inline=True)
def forecast(
    place: Place,
    days: Annotated[int, msgspec.Meta(description="How far to look.", ge=1, le=7)] = 3,
    unit: Literal["C", "F"] = "C",
) -> dict[str, object]:
    """Looks at the sky.

    And guesses.
    """
    return {"city": place.city, "days": days, "unit": unit}


def test_the_schema_is_derived_from_the_signature() -> None:
    spec = forecast.spec
    assert (spec.name, spec.category) == ("forecast", "weather")
    assert spec.description == "Looks at the sky.\n\nAnd guesses."
    assert spec.parameters["type"] == "object"
    assert spec.parameters["required"] == ["place"]
    assert spec.parameters["additionalProperties"] is False
    properties = spec.parameters["properties"]
    assert isinstance(properties, dict)
    assert properties["days"] == {
        "type": "integer",
        "description": "How far to look.",
        "minimum": 1,
        "maximum": 7,
        "default": 3,
    }
    assert properties["unit"] == {"enum": ["C", "F"], "default": "C"}
    assert properties["place"] == {"$ref": "#/$defs/Place"}
    assert set(spec.parameters["$defs"]) == {"Place"}  # type: ignore[arg-type]  # JSON's type is wide, a dict is there


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ({}, "`place`"),
        (None, "`place`"),
        ({"place": {"city": 1}}, "$.place.city"),
        ({"place": {"city": "Ulm"}, "days": "3"}, "$.days"),
        ({"place": {"city": "Ulm"}, "days": 8}, "$.days"),
        ({"place": {"city": "Ulm"}, "unit": "K"}, "$.unit"),
        ({"place": {"city": "Ulm"}, "week": 1}, "`week`"),
        ([], "object"),
    ],
)
async def test_bad_arguments_are_refused_by_field(arguments: object, field: str) -> None:
    with pytest.raises(ToolError, match="forecast") as caught:
        await ToolRegistry([forecast]).call("forecast", arguments)  # type: ignore[arg-type]  # on purpose
    assert field in str(caught.value)


async def test_defaults_are_filled_in() -> None:
    result = await ToolRegistry([forecast]).call("forecast", {"place": {"city": "Ulm"}})
    assert result == {"city": "Ulm", "days": 3, "unit": "C"}


async def test_an_unknown_tool_is_named() -> None:
    with pytest.raises(ToolError, match=r"^Tool not found: nope$"):
        await ToolRegistry().call("nope", {})


def test_a_name_is_taken_once() -> None:
    with pytest.raises(ValueError, match="forecast already"):
        ToolRegistry([forecast, forecast])


async def test_async_sync_and_inline_functions_run_where_they_should() -> None:
    here = threading.get_ident()

    @tool
    async def in_trio() -> int:
        await trio.lowlevel.checkpoint()
        return threading.get_ident()

    @tool(inline=True)
    def inline() -> int:
        return threading.get_ident()

    @tool
    def threaded() -> int:
        return threading.get_ident()

    registry = ToolRegistry([in_trio, inline, threaded])
    assert await registry.call("in_trio", {}) == here
    assert await registry.call("inline", {}) == here
    assert await registry.call("threaded", {}) != here
    assert [spec.name for spec in registry.specs()] == ["in_trio", "inline", "threaded"]


async def test_an_async_tool_is_stopped_at_its_limit(autojump_clock: trio.testing.MockClock) -> None:
    @tool(timeout=2)
    async def forever() -> None:
        await trio.sleep_forever()

    with pytest.raises(ToolError, match="forever took longer than its limit of 2 seconds"):
        await ToolRegistry([forever]).call("forever", {})
    assert trio.current_time() == pytest.approx(2)


async def test_threads_left_behind_keep_their_place() -> None:
    release = threading.Event()

    @tool(timeout=0.05)
    def stuck() -> None:
        release.wait(10)

    registry = ToolRegistry([stuck], threads=1)
    try:
        for _ in range(2):
            with pytest.raises(ToolError, match="took longer"):
                await registry.call("stuck", {})
    finally:
        release.set()


async def test_a_tool_that_calls_exit_fails_and_ends_nothing_else() -> None:
    @tool(inline=True)
    def leaving() -> int:
        raise SystemExit(3)

    with pytest.raises(ToolError, match="leaving failed: SystemExit: 3"):
        await ToolRegistry([leaving]).call("leaving", {})


async def test_a_tool_that_is_cancelled_and_fails_too_is_cancelled(autojump_clock: trio.abc.Clock) -> None:
    @tool(timeout=100.0)
    async def clumsy() -> int:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.sleep_forever)
            try:
                await trio.sleep_forever()
            finally:
                raise KeyError("on the way out")

    with trio.move_on_after(1) as scope:
        await ToolRegistry([clumsy]).call("clumsy", {})
    assert scope.cancelled_caught


async def test_any_failure_of_a_tool_is_a_tool_error_with_its_cause() -> None:
    @tool(inline=True)
    def broken() -> None:
        raise KeyError("missing")

    with pytest.raises(ToolError, match="broken failed: KeyError: 'missing'") as caught:
        await ToolRegistry([broken]).call("broken", {})
    assert isinstance(caught.value.__cause__, KeyError)


async def test_a_cancel_passes_through_a_tool(autojump_clock: trio.testing.MockClock) -> None:
    @tool(timeout=60)
    async def forever() -> None:
        await trio.sleep_forever()

    with trio.move_on_after(1) as scope:
        await ToolRegistry([forever]).call("forever", {})
    assert scope.cancelled_caught


@pytest.mark.parametrize("result", [object(), 2**80, float("nan")])
async def test_a_result_is_json_or_refused(result: object) -> None:
    @tool(inline=True)
    def odd() -> object:
        return result

    registry = ToolRegistry([odd])
    if isinstance(result, float):
        assert await registry.call("odd", {}) is None
    else:
        with pytest.raises(ToolError, match="odd returned what JSON cannot hold"):
            await registry.call("odd", {})


def test_signatures_that_no_object_can_express_are_refused() -> None:
    def untyped(a) -> None: ...  # type: ignore[no-untyped-def]  # noqa: ANN001  # the point of the test
    def positional(a: int, /) -> None: ...
    def variadic(*a: int) -> None: ...

    for function in (untyped, positional, variadic):
        with pytest.raises(TypeError, match="parameter a"):
            tool(function)
    with pytest.raises(TypeError, match="a tool's name"):
        tool(name="no spaces")(lambda: None)
    assert isinstance(tool(name="fine")(lambda: None), Tool)
