"""A wallet: it listens on its socket, and acts over HTTP."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from tests.support.faces.face import Ending, NotInDialectError, Said, State
from tests.support.faces.socket import Frame, Frames, Place, connected

_ENDS: dict[str, State] = {"completed": "completed", "failed": "failed", "canceled": "cancelled"}


class WalletFace:
    """It is told of all tasks and conversations without asking."""

    def __init__(self, place: Place, frames: Frames) -> None:
        self._place = place
        self._frames = frames

    async def start(self, prompt: str, session_id: str | None) -> None:
        """A wallet's tasks are all answers in conversations."""
        if session_id is None:
            session_id = (await self._request("POST", "/api/conversations", {"agent": "speaker"}))["id"]
        await self._request("POST", f"/api/conversations/{session_id}/messages", {"content": prompt})

    async def cancel(self, task_id: str) -> None:
        await self._request("POST", f"/api/tasks/{task_id}/cancel")

    async def broadcast(self, session_id: str, message: str) -> None:
        raise NotInDialectError

    async def see_begin(self) -> str:
        while (task := await self._task())["status"]["state"] != "working":
            pass
        task_id: str = task["id"]
        return task_id

    async def see_end(self) -> Ending:
        """What the agent says comes in whole messages."""
        while (task := await self._task())["status"]["state"] not in _ENDS:
            pass
        said = [part["text"] for entry in task["history"] if entry["role"] == "agent" for part in entry["parts"]]
        return Ending(_ENDS[task["status"]["state"]], "".join(said))

    async def see_broadcast(self) -> str:
        while (message := (await self._frames.until("new_message"))["message"])["role"] != "system":
            pass
        return "".join(part["text"] for part in message["content"])

    async def learn_broadcast(self, session_id: str) -> str:
        """What came while the wallet was away follows its greeting."""
        return await self.see_broadcast()

    async def history(self, session_id: str, count: int) -> Sequence[Said]:
        page = await self._request("GET", f"/api/conversations/{session_id}/messages")
        return [Said(one["role"], one["content"][0]["text"]) for one in page["messages"][:count]]

    async def _task(self) -> Frame:
        task: Frame = (await self._frames.until("task_update"))["task"]
        return task

    async def _request(self, method: str, path: str, body: object = None) -> Any:
        return await self._place.request(method, path, body, self._place.wallet.proof())


@asynccontextmanager
async def wallet_face(place: Place) -> AsyncIterator[WalletFace]:
    async with connected(place, "/api/ws", place.wallet.proof()) as frames:
        await frames.until("connection_established")
        yield WalletFace(place, frames)
