"""All five faces of one owner on one engine."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager

import msgspec

from tests.support.faces.agent_face import agent_face
from tests.support.faces.face import Face
from tests.support.faces.gateway_face import gateway_face
from tests.support.faces.pipeline_face import pipeline_face
from tests.support.faces.socket import Place
from tests.support.faces.steps_face import steps_face
from tests.support.faces.wallet_face import wallet_face

DIALECTS = ("gateway", "agent", "steps", "pipeline", "wallet")
_OPEN: dict[str, Callable[[Place], AbstractAsyncContextManager[Face]]] = {
    "gateway": gateway_face,
    "agent": agent_face,
    "steps": steps_face,
    "wallet": wallet_face,
}
_SMALL_BUFFER = 4096


class Company(msgspec.Struct, frozen=True):
    """`session_id` is the conversation of the pipeline's room: what every dialect can name."""

    faces: Mapping[str, Face]
    session_id: str

    def __getitem__(self, dialect: str) -> Face:
        return self.faces[dialect]


@asynccontextmanager
async def company(place: Place, *dialects: str, slow: str | None = None) -> AsyncIterator[Company]:
    """Clients of these dialects, the pipeline's always. The kernel takes in little for the `slow` one."""

    def place_of(dialect: str) -> Place:
        return msgspec.structs.replace(place, receive_buffer=_SMALL_BUFFER if dialect == slow else None)

    async with AsyncExitStack() as stack:
        room = await stack.enter_async_context(pipeline_face(place_of("pipeline")))
        faces: dict[str, Face] = {"pipeline": room}
        for dialect in dict.fromkeys(dialects):
            if dialect != "pipeline":
                faces[dialect] = await stack.enter_async_context(_OPEN[dialect](place_of(dialect)))
        yield Company(faces, room.session_id)
