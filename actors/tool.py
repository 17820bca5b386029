"""The port behind which tools are run."""

from __future__ import annotations

from typing import Protocol

import msgspec

from actors.event import Json


class ToolSpec(msgspec.Struct, frozen=True):
    """What a model or a person is told of a tool. `parameters` is a JSON Schema of type object."""

    name: str
    description: str
    parameters: dict[str, Json]
    category: str = "general"


class ToolError(Exception):
    """A tool call failed: unknown tool, bad arguments, time limit, its own refusal. The text is for the caller."""


class Toolbox(Protocol):
    """The tools of one engine."""

    def specs(self) -> tuple[ToolSpec, ...]:
        """All tools, in the order of registration."""
        ...

    async def call(self, name: str, arguments: Json) -> Json:
        """Validates the arguments and runs the tool within its time limit. Raises ToolError, nothing else."""
        ...
