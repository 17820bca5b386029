"""`/api/v1/agents` and `/api/v1/tools`: who can be asked to run, and what they can use."""

from __future__ import annotations

from typing import Any

import msgspec

from actors.commands import AgentView, RegisterAgent
from actors.event import ChannelKey
from actors.position import Position
from actors.principal import Principal
from actors.router import Router
from actors.tool import Toolbox
from transport.http.bodies import fields_of
from transport.http.route import Answer, AnyRoute, Call, Nothing, Route


class NewAgent(msgspec.Struct, frozen=True):
    """`name` is 1 to 64 of `A-Z a-z 0-9 _ . -`. Registering one's own again changes its description."""

    name: str
    description: str


class AgentJson(msgspec.Struct, frozen=True, kw_only=True):
    """An agent that tasks can name. Whose a remote one is, its own registrant and admins see."""

    name: str
    description: str
    remote: bool
    user_id: str | None
    created_at: int

    @classmethod
    def of(cls, view: AgentView, reader: Principal) -> AgentJson:
        shown = view.user_id if view.user_id is not None and reader.sees(view.user_id) else None
        return cls(**{**fields_of(view), "user_id": shown})


class RegisteredAgent(msgspec.Struct, frozen=True, kw_only=True):
    """Its tasks arrive as `task.available` on `channel` and `topic`; `position` is before the first of them."""

    name: str
    description: str
    remote: bool
    user_id: str | None
    created_at: int
    channel: str
    topic: str
    position: str


class AgentList(msgspec.Struct, frozen=True):
    """Those of the engine's own process first, each group by name."""

    agents: list[AgentJson]


class ToolJson(msgspec.Struct, frozen=True):
    """`parameters` is a JSON Schema of type object."""

    name: str
    description: str
    category: str
    parameters: dict[str, Any]


class ToolList(msgspec.Struct, frozen=True):
    tools: list[ToolJson]


class AgentsApi:
    def __init__(self, router: Router, toolbox: Toolbox) -> None:
        self._router = router
        self._toolbox = toolbox

    async def register(self, call: Call[NewAgent, Nothing]) -> Answer[RegisteredAgent]:
        command = RegisterAgent(call.body.name, call.body.description)
        view, new = await self._router.register_agent(call.principal, command)
        board = ChannelKey("agent", view.name, view.user_id or "")
        position = Position(self._router.log(board).epoch, 0)
        registered = RegisteredAgent(
            **fields_of(view), channel=board.channel, topic=board.topic, position=str(position)
        )
        return Answer(registered, status=201 if new else 200)

    async def list_agents(self, call: Call[Nothing, Nothing]) -> Answer[AgentList]:
        return Answer(AgentList([AgentJson.of(view, call.principal) for view in self._router.agents.views()]))

    async def list_tools(self, call: Call[Nothing, Nothing]) -> Answer[ToolList]:
        specs = self._toolbox.specs()
        return Answer(ToolList([ToolJson(s.name, s.description, s.category, s.parameters) for s in specs]))

    def routes(self) -> list[AnyRoute]:
        return [
            Route(
                method="POST",
                path="/api/v1/agents",
                handler=self.register,
                tag="agents elsewhere",
                summary="Register an agent that runs elsewhere (scope `agent`)",
                body=NewAgent,
                example={"name": "researcher", "description": "Reads the web, elsewhere."},
                query=Nothing,
                answer=RegisteredAgent,
                status=201,
                other_status={200: "It was registered by the same user before."},
                errors=(403, 409, 503),
            ),
            Route(
                method="GET",
                path="/api/v1/agents",
                handler=self.list_agents,
                tag="agents and tools",
                summary="List agents",
                body=Nothing,
                query=Nothing,
                answer=AgentList,
            ),
            Route(
                method="GET",
                path="/api/v1/tools",
                handler=self.list_tools,
                tag="agents and tools",
                summary="List tools",
                body=Nothing,
                query=Nothing,
                answer=ToolList,
            ),
        ]
