"""The agents of one engine, by name."""

from __future__ import annotations

import difflib
import inspect
import re
from collections.abc import Mapping
from typing import cast

from actors.agent import Agent
from actors.errors import CallboardError, ErrorCode
from engine.importing import ImportTargetError, import_target

_NAME_FORM = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}", re.ASCII)


class AgentRegistry:
    """Agents that run inside the engine. The order is that of registration."""

    def __init__(self, agents: Mapping[str, Agent] | None = None) -> None:
        self._agents: dict[str, Agent] = {}
        for name, agent in (agents or {}).items():
            self.register(name, agent)

    def register(self, name: str, agent: Agent) -> None:
        """Raises ValueError for a name that is taken, or not a letter or digit and up to 63 of `A-Z a-z 0-9 _ . -`."""
        if not _NAME_FORM.fullmatch(name):
            raise ValueError(f"an agent's name is a letter or digit and up to 63 of A-Z a-z 0-9 _ . -, not {name!r}")
        if name in self._agents:
            raise ValueError(f"there is an agent named {name} already")
        self._agents[name] = agent

    def get(self, name: str) -> Agent:
        """Raises CallboardError NOT_FOUND, with the name that may have been meant."""
        agent = self._agents.get(name)
        if agent is None:
            close = difflib.get_close_matches(name, self._agents, 1)
            hint = f"; did you mean {close[0]}?" if close else ""
            raise CallboardError(ErrorCode.NOT_FOUND, f"there is no agent named {name[:64]}{hint}")
        return agent

    def names(self) -> tuple[str, ...]:
        return tuple(self._agents)


def load_agent(target: str) -> tuple[str, Agent]:
    """Name and agent of `module:function`, or of `name=module:function` to name it differently.

    Raises ImportTargetError when the target names nothing, or anything but an async function of one argument.
    """
    name, equals, path = target.rpartition("=")
    found = import_target(path)
    is_async = inspect.iscoroutinefunction(found) or (
        callable(found) and inspect.iscoroutinefunction(type(found).__call__)
    )
    if not is_async:
        raise ImportTargetError(f"{path} is not an agent: an agent is an `async def` that takes the task's context")
    agent = cast(Agent, found)
    try:
        inspect.signature(agent).bind(None)
    except TypeError as error:
        raise ImportTargetError(f"{path} is not an agent: it must take the task's context alone ({error})") from error
    return name if equals else path.rpartition(":")[2], agent
