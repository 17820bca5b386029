"""A client of a pipeline's room."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from tests.support.faces.face import Ending, Said, State
from tests.support.faces.socket import Frame, Frames, Place, connected
from tests.support.pipeline import PIPELINE

_BASE = f"/api/v1/pipelines/{PIPELINE}/ws"
_STATES: dict[str | None, State] = {None: "completed", "failed": "failed", "cancelled": "cancelled"}


class PipelineFace:
    """In the owner's own room; `session_id` is that of its conversation."""

    def __init__(self, place: Place, frames: Frames, session_id: str) -> None:
        self.session_id = session_id
        self._place = place
        self._frames = frames
        self._asked: dict[str, int] = {}
        """The number of the message to which a task is the answer."""

    async def start(self, prompt: str, session_id: str | None) -> None:
        """All is said in the room."""
        await self._frames.send({"type": "message", "message": [{"type": "Plain", "text": prompt}]})

    async def cancel(self, task_id: str) -> None:
        """There is no request for it; what ends an answer is that its question is recalled."""
        await self._frames.send({"type": "recall", "message_id": self._asked[task_id]})

    async def broadcast(self, session_id: str, message: str) -> None:
        await self._place.request("POST", f"{_BASE}/broadcast", {"message": message})

    async def see_begin(self) -> str:
        asked: Frame = (await self._frames.until("user_message"))["data"]
        task_id: str = asked["task_id"]
        self._asked[task_id] = asked["id"]
        return task_id

    async def see_end(self) -> Ending:
        """An answer that was recalled as it grew has a tombstone for its end."""
        while True:
            frame = await self._frames.next()
            match frame["type"]:
                case "response" if frame["data"]["is_final"]:
                    return Ending(_STATES[frame["data"].get("state")], frame["data"]["content"])
                case "recalled" if frame["data"]["role"] == "assistant":
                    return Ending("cancelled", "")

    async def see_broadcast(self) -> str:
        message: str = (await self._frames.until("broadcast"))["message"]
        return message

    async def learn_broadcast(self, session_id: str) -> str:
        async with connected(self._place, f"{_path(self._place)}&since=0") as replay:
            message: str = (await replay.until("broadcast"))["message"]
        return message

    async def history(self, session_id: str, count: int) -> Sequence[Said]:
        messages = (await self._place.request("GET", f"{_BASE}/messages/person"))["data"]["messages"]
        return [Said(message["role"], message["content"]) for message in messages[:count]]

    async def hears_nothing(self) -> bool:
        """Whether a ping is answered before anything else comes."""
        await self._frames.send({"type": "ping"})
        kind: str = (await self._frames.next())["type"]
        return kind == "pong"


@asynccontextmanager
async def pipeline_face(place: Place) -> AsyncIterator[PipelineFace]:
    async with connected(place, _path(place)) as frames:
        greeting = await frames.until("connected")
        yield PipelineFace(place, frames, greeting["session_id"])


def _path(place: Place) -> str:
    return f"{_BASE}/connect?session_type=person&access_token={place.token}"
