"""A client of the agent dialect."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from tests.support.faces.face import Ending, NotInDialectError, Said, State
from tests.support.faces.socket import Frame, Frames, Place, connected

_ENDS: dict[str, State] = {"stream_end": "completed", "error": "failed", "cancelled": "cancelled"}


class AgentFace:
    """Watches all tasks and sessions, and the news.

    What it is told so has a `position`, unlike the answers to its own requests.
    """

    def __init__(self, frames: Frames) -> None:
        self._frames = frames
        self._texts: defaultdict[str, str] = defaultdict(str)
        """What tasks have said so far: a client that lags is told of several in turn."""

    async def greet(self) -> None:
        await self._frames.until("connected")
        for channel in ("task", "session", "system"):
            await self._frames.send({"type": "watch", "channel": channel})
            assert (await self._frames.until("watching"))["channel"] == channel

    async def start(self, prompt: str, session_id: str | None) -> None:
        asked: Frame = {"type": "streaming_query", "query": prompt}
        await self._frames.send(asked if session_id is None else {**asked, "session_id": session_id})

    async def cancel(self, task_id: str) -> None:
        await self._frames.send({"type": "cancel", "task_id": task_id})

    async def broadcast(self, session_id: str, message: str) -> None:
        raise NotInDialectError

    async def see_begin(self) -> str:
        while (frame := await self._of_a_task())["type"] != "stream_start":
            pass
        task_id: str = frame["task_id"]
        return task_id

    async def see_end(self) -> Ending:
        while (frame := await self._of_a_task())["type"] not in _ENDS:
            if frame["type"] == "stream_chunk":
                self._texts[frame["task_id"]] += frame["content"]
        return Ending(_ENDS[frame["type"]], self._texts.pop(frame["task_id"], ""))

    async def see_broadcast(self) -> str:
        message: str = (await self._frames.until("broadcast"))["message"]
        return message

    async def learn_broadcast(self, session_id: str) -> str:
        message: str = (await self._past(session_id, "broadcast"))[0]["message"]
        return message

    async def history(self, session_id: str, count: int) -> Sequence[Said]:
        told = await self._past(session_id, "message")
        return [Said(frame["role"], frame["content"]) for frame in told[:count]]

    async def _past(self, session_id: str, kind: str) -> list[Frame]:
        await self._frames.send({"type": "history", "session_id": session_id})
        told = (await self._frames.until("history"))["frames"]
        return [frame for frame in told if frame["type"] == kind]

    async def _of_a_task(self) -> Frame:
        while True:
            frame = await self._frames.next()
            if "position" in frame and "task_id" in frame and "session_id" not in frame:
                return frame


@asynccontextmanager
async def agent_face(place: Place) -> AsyncIterator[AgentFace]:
    async with connected(place, "/ws/agent", {"Authorization": f"Bearer {place.token}"}) as frames:
        face = AgentFace(frames)
        await face.greet()
        yield face
