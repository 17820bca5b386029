"""A client of the gateway."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from tests.support.faces.face import Ending, Said, State
from tests.support.faces.socket import Frame, Frames, Place, connected

_ENDS: dict[str, State] = {
    "task.completed": "completed",
    "task.failed": "failed",
    "task.cancelled": "cancelled",
}


class GatewayFace:
    """Subscribed to all tasks and sessions, and the news."""

    def __init__(self, place: Place, frames: Frames) -> None:
        self._place = place
        self._frames = frames
        self._texts: defaultdict[str, str] = defaultdict(str)
        """What tasks have said so far: a client that lags is told of several in turn."""

    async def greet(self) -> None:
        await self._frames.send({"id": "auth", "type": "auth", "payload": {"token": self._place.token}})
        assert (await self._frames.until("auth.result"))["payload"]["success"]
        for channel in ("task", "session", "system"):
            await self._frames.send({"id": channel, "type": "subscribe", "payload": {"channel": channel, "topics": []}})
            assert (await self._frames.until("subscribed"))["payload"]["success"]

    async def start(self, prompt: str, session_id: str | None) -> None:
        if session_id is None:
            asked: Frame = {"action": "create", "data": {"agent": "speaker", "prompt": prompt}}
            await self._frames.send({"id": "start", "type": "task.action", "payload": asked})
        else:
            asked = {"session_id": session_id, "command": prompt}
            await self._frames.send({"id": "start", "type": "session.exec", "payload": asked})

    async def cancel(self, task_id: str) -> None:
        asked = {"action": "cancel", "task_id": task_id}
        await self._frames.send({"id": "cancel", "type": "task.action", "payload": asked})

    async def broadcast(self, session_id: str, message: str) -> None:
        news = {"channel": "session", "topic": session_id, "event_type": "broadcast", "data": {"message": message}}
        await self._place.request("POST", "/api/v1/publish", news)

    async def see_begin(self) -> str:
        while (event := await self._event("task"))["event_type"] != "task.started":
            pass
        task_id: str = event["topic"]
        return task_id

    async def see_end(self) -> Ending:
        while (event := await self._event("task"))["event_type"] not in _ENDS:
            if event["event_type"] == "agent.message":
                self._texts[event["topic"]] += event["data"]["content"]
        return Ending(_ENDS[event["event_type"]], self._texts.pop(event["topic"], ""))

    async def see_broadcast(self) -> str:
        while (event := await self._event("session", "system"))["event_type"] != "broadcast":
            pass
        message: str = event["data"]["message"]
        return message

    async def learn_broadcast(self, session_id: str) -> str:
        message: str = (await self._past(session_id, "broadcast"))[0]["message"]
        return message

    async def history(self, session_id: str, count: int) -> Sequence[Said]:
        told = await self._past(session_id, "message")
        return [Said(data["role"], data["content"]) for data in told[:count]]

    async def _past(self, session_id: str, event_type: str) -> list[Frame]:
        page = await self._place.request("GET", f"/api/v1/channels/session/{session_id}/history?since=0")
        return [event["data"] for event in page["events"] if event["event_type"] == event_type]

    async def _event(self, *channels: str) -> Frame:
        while True:
            payload: Frame = (await self._frames.until("event"))["payload"]
            if payload["channel"] in channels:
                return payload


@asynccontextmanager
async def gateway_face(place: Place) -> AsyncIterator[GatewayFace]:
    async with connected(place, "/api/v1/gateway/ws") as frames:
        face = GatewayFace(place, frames)
        await face.greet()
        yield face
