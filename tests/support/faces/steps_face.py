"""A client of the steps dialect."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from tests.support.faces.face import Ending, NotInDialectError, Said
from tests.support.faces.socket import Frame, Frames, Place, connected


class StepsFace:
    """It is told of all tasks and conversations without asking."""

    def __init__(self, place: Place, frames: Frames) -> None:
        self._place = place
        self._frames = frames

    async def start(self, prompt: str, session_id: str | None) -> None:
        named = {"agent": "speaker"} if session_id is None else {"sessionId": session_id}
        asked: Frame = {"task": prompt, "context": {}, **named}
        await self._frames.send({"type": "task:submit", "data": asked})

    async def cancel(self, task_id: str) -> None:
        await self._frames.send({"type": "task:cancel", "data": {"taskId": task_id}})

    async def broadcast(self, session_id: str, message: str) -> None:
        raise NotInDialectError

    async def see_begin(self) -> str:
        while "taskId" not in (frame := await self._frames.until("status"))["data"]:
            pass
        assert frame["data"]["state"] in ("planning", "executing"), frame
        task_id: str = frame["data"]["taskId"]
        return task_id

    async def see_end(self) -> Ending:
        """What the agent says comes whole, as the task's output."""
        data = (await self._frames.until("task:complete"))["data"]
        if data.get("cancelled"):
            return Ending("cancelled", "")
        return Ending("completed" if data["success"] else "failed", data["output"] or "")

    async def see_broadcast(self) -> str:
        message: str = (await self._frames.until("broadcast"))["data"]["message"]
        return message

    async def learn_broadcast(self, session_id: str) -> str:
        async with connected(self._place, _path(self._place, "&lastEventId=0")) as replay:
            data = (await replay.until("broadcast"))["data"]
        assert data["sessionId"] == session_id
        message: str = data["message"]
        return message

    async def history(self, session_id: str, count: int) -> Sequence[Said]:
        async with connected(self._place, _path(self._place, "&lastEventId=0")) as replay:
            told: list[Said] = []
            while len(told) < count:
                data = (await replay.until("session:message"))["data"]
                assert data["sessionId"] == session_id
                told.append(Said(data["role"], data["content"]))
        return told


@asynccontextmanager
async def steps_face(place: Place) -> AsyncIterator[StepsFace]:
    async with connected(place, _path(place)) as frames:
        await frames.until("status")
        yield StepsFace(place, frames)


def _path(place: Place, more: str = "") -> str:
    return f"/ws?access_token={place.token}{more}"
