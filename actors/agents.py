"""The directory of agents: those of this process, and those that registered from elsewhere."""

from __future__ import annotations

import re
from collections.abc import Mapping

import msgspec

from actors.agent import Agent
from actors.commands import AgentView, RegisterAgent
from actors.errors import CallboardError, ErrorCode
from actors.event import now_ms
from actors.principal import Principal, Scope
from actors.store import Record, Store

AGENT_RECORDS = "agent"
_DESCRIPTION_CHARACTERS = 4_000
_NAME_FORM = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}", re.ASCII)


class RemoteAgent(msgspec.Struct, frozen=True):
    """An agent that runs elsewhere; `user_id` is who registered it and works off its tasks."""

    name: str
    description: str
    user_id: str
    created_at: int


class Agents:
    """Names and what stands behind them. At most `limit` remote agents."""

    def __init__(self, local: Mapping[str, Agent], limit: int = 1000) -> None:
        self._local = dict(local)
        self._remote: dict[str, RemoteAgent] = {}
        self._limit = limit
        self._started_at = now_ms()

    def find(self, name: str) -> Agent | RemoteAgent:
        """Raises CallboardError NOT_FOUND."""
        agent = self._local.get(name) or self._remote.get(name)
        if agent is None:
            raise CallboardError(ErrorCode.NOT_FOUND, f"no agent {name!r}")
        return agent

    def register(self, principal: Principal, command: RegisterAgent) -> tuple[AgentView, bool]:
        """The agent, and whether it is new. Its own registrant may register it again, with another description."""
        if not principal.has(Scope.AGENT):
            raise CallboardError(ErrorCode.FORBIDDEN, "registering an agent needs the scope `agent`")
        if not _NAME_FORM.fullmatch(command.name):
            raise CallboardError(ErrorCode.INVALID_PAYLOAD, "an agent's name is 1 to 64 of A-Z a-z 0-9 _ . -")
        if len(command.description) > _DESCRIPTION_CHARACTERS:
            message = f"an agent's description has at most {_DESCRIPTION_CHARACTERS} characters"
            raise CallboardError(ErrorCode.INVALID_PAYLOAD, message)
        known = self._remote.get(command.name)
        if command.name in self._local or (known is not None and known.user_id != principal.user_id):
            raise CallboardError(ErrorCode.CONFLICT, f"the name {command.name!r} is taken")
        if known is None and len(self._remote) >= self._limit:
            raise CallboardError(ErrorCode.BUSY, f"{self._limit} agents are registered already")
        created_at = now_ms() if known is None else known.created_at
        agent = RemoteAgent(command.name, command.description, principal.user_id, created_at)
        self._remote[command.name] = agent
        return _view_remote(agent), known is None

    def record(self, name: str) -> Record:
        """What is kept of a remote agent."""
        return Record(AGENT_RECORDS, name, msgspec.json.encode(self._remote[name]))

    async def take_up(self, store: Store) -> None:
        """Those that had registered are there again. Raises actors.store.StoreError."""
        for name, body in await store.records(AGENT_RECORDS):
            self._remote[name] = msgspec.json.decode(body, type=RemoteAgent)

    def views(self) -> tuple[AgentView, ...]:
        """All agents by name, those of the process first."""
        local = [
            AgentView(
                name=name,
                description=(agent.__doc__ or "").strip().partition("\n")[0],
                remote=False,
                user_id=None,
                created_at=self._started_at,
            )
            for name, agent in sorted(self._local.items())
        ]
        return (*local, *(_view_remote(agent) for _, agent in sorted(self._remote.items())))

    def registrant(self, name: str) -> str | None:
        """Who registered a remote agent, None for an unknown or a local one."""
        agent = self._remote.get(name)
        return None if agent is None else agent.user_id


def _view_remote(agent: RemoteAgent) -> AgentView:
    return AgentView(
        name=agent.name,
        description=agent.description,
        remote=True,
        user_id=agent.user_id,
        created_at=agent.created_at,
    )
