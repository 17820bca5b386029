"""An agent that runs elsewhere, as a test plays it."""

from __future__ import annotations

from actors.commands import ClaimTask, CreateTask, PostEvents, Receipt, RegisterAgent
from actors.event import Draft, Json, draft
from tests.support.drafts import Seen, read_back
from tests.support.world import ALICE, OPERATOR, MemorySink, World


class RemoteAgent:
    """Registered by the operator under the name `far`, and watching its board."""

    def __init__(self, world: World, board: MemorySink) -> None:
        self._world = world
        self._board = board

    @classmethod
    async def register(cls, world: World) -> RemoteAgent:
        await world.router.register_agent(OPERATOR, RegisterAgent("far", "Works elsewhere."))
        connection, board = world.connect(OPERATOR)
        world.watch(connection, "agent", "far")
        return cls(world, board)

    @property
    def board(self) -> list[Seen]:
        return [read_back(line) for line in self._board.lines]

    @property
    def heard(self) -> list[str]:
        return [one.event_type for one in self.board]

    async def is_given(self, prompt: str = "hello", session_id: str | None = None) -> str:
        """A task of alice's."""
        command = CreateTask(agent="far", prompt=prompt, session_id=session_id)
        return (await self._world.router.create_task(ALICE, command)).id

    async def claim(self, task_id: str) -> Receipt:
        return await self._world.router.command_task(OPERATOR, ClaimTask(task_id))

    async def post(self, task_id: str, *drafts: Draft, key: str | None = None) -> Receipt:
        return await self._world.router.command_task(OPERATOR, PostEvents(task_id, drafts, key))


def message(content: str) -> Draft:
    return draft("agent.message", {"content": content})


def completed(result: str | None = None, data: Json = None) -> Draft:
    return draft("task.completed", {"result": result, "data": data})
