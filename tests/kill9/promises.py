"""Those who were promised more than an event's place, and look after the last restart whether it was kept."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx2
import trio

from tests.kill9.clients import PAUSE
from tests.kill9.publishers import ask

_ENDED = ("completed", "failed", "cancelled")
_PAGE = 200


class Promised(ABC):
    """`kept` counts the promises that were kept."""

    def __init__(self, client: httpx2.AsyncClient) -> None:
        self.client = client
        self.kept = 0
        self.problems: list[str] = []

    @abstractmethod
    async def run(self) -> None:
        """Until it is cancelled, while engines come and go."""

    @abstractmethod
    async def examine(self) -> None:
        """Asks the last engine, which stays: waits until all has come, and notes what is not as promised."""

    def expect(self, *, kept: bool, problem: str) -> None:
        if kept:
            self.kept += 1
        else:
            self.problems.append(problem)

    async def get(self, path: str) -> Any:
        return (await self.client.get(path)).raise_for_status().json()

    async def ended(self, task_id: str) -> dict[str, Any]:
        """A task, once it has ended."""
        while True:
            task: dict[str, Any] = await self.get(f"/api/v1/tasks/{task_id}")
            if task["state"] in _ENDED:
                return task
            await trio.sleep(PAUSE)


class Tasks(Promised):
    """What was started ends: as it would have, or as interrupted."""

    def __init__(self, client: httpx2.AsyncClient, agent: str, prompt: str) -> None:
        super().__init__(client)
        self.started: list[str] = []
        self.interrupted: list[str] = []
        self._agent, self._prompt = agent, prompt

    async def run(self) -> None:
        while True:
            task = await ask(self.client, "/api/v1/tasks", {"agent": self._agent, "prompt": self._prompt})
            self.started.append(task["id"])
            await trio.sleep(10 * PAUSE)

    async def examine(self) -> None:
        for task_id in self.started:
            task = await self.ended(task_id)
            interrupted = task["state"] == "failed" and task["error"]["cause"] == "interrupted"
            if interrupted:
                self.interrupted.append(task_id)
            self.expect(kept=interrupted or task["state"] == "completed", problem=f"the task has ended so: {task}")


class Canceller(Promised):
    """What was cancelled is not taken up again. A receipt says that the task was asked to stop: that it has is told
    once it is kept."""

    def __init__(self, client: httpx2.AsyncClient) -> None:
        super().__init__(client)
        self._asked: list[str] = []
        self._cancelled: set[str] = set()

    async def run(self) -> None:
        while True:
            task = await ask(self.client, "/api/v1/tasks", {"agent": "burst", "prompt": "1000000"})
            await trio.sleep(PAUSE)
            await ask(self.client, f"/api/v1/tasks/{task['id']}/cancel", {})
            self._asked.append(task["id"])
            await trio.sleep(5 * PAUSE)
            with suppress(httpx2.HTTPError, OSError):
                if (await self.get(f"/api/v1/tasks/{task['id']}"))["state"] == "cancelled":
                    self._cancelled.add(task["id"])

    async def examine(self) -> None:
        for task_id in self._asked:
            task = await self.ended(task_id)
            fell = task["state"] == "failed" and task_id not in self._cancelled
            self.expect(kept=fell or task["state"] == "cancelled", problem=f"what was cancelled has ended so: {task}")


class Steady(Promised):
    """A few tasks whose agent goes on after a restart, and which end when they are told to."""

    def __init__(self, client: httpx2.AsyncClient, folder: Path, count: int) -> None:
        super().__init__(client)
        self._folder = folder
        self._count = count
        self._started: list[str] = []

    async def run(self) -> None:
        for number in range(self._count):
            task = await ask(self.client, "/api/v1/tasks", {"agent": "steady", "prompt": f"steady {number}"})
            self._started.append(task["id"])
            await trio.sleep(20 * PAUSE)
        await trio.sleep_forever()

    async def examine(self) -> None:
        (self._folder / "go").touch()
        for task_id in self._started:
            task = await self.ended(task_id)
            done = task["state"] == "completed" and task["result"].startswith(f"{task['prompt']} in ")
            self.expect(kept=done, problem=f"what goes on after a restart has ended so: {task}")


class Conversation(Promised):
    """Each turn that was taken is in the conversation once, and in its order."""

    def __init__(self, client: httpx2.AsyncClient) -> None:
        super().__init__(client)
        self._session = ""
        self._turns: list[str] = []

    async def run(self) -> None:
        self._session = (await ask(self.client, "/api/v1/sessions", {"title": "killed"}))["id"]
        while True:
            turn = {"agent": "burst", "prompt": "15", "session_id": self._session}
            self._turns.append((await ask(self.client, "/api/v1/tasks", turn))["id"])
            await trio.sleep(5 * PAUSE)

    async def examine(self) -> None:
        tasks = [await self.ended(task_id) for task_id in self._turns]
        said = [(message["task_id"], message["role"]) async for message in self._messages()]
        asked = [task_id for task_id, role in said if role == "user" and task_id in self._turns]
        begun = [task["id"] for task in tasks if task["started_at"] is not None]
        self.expect(kept=asked == begun, problem=f"the conversation has the turns {asked} in place of {begun}")
        for task in tasks:
            answers = said.count((task["id"], "assistant"))
            well = answers == 1 if task["state"] == "completed" else answers <= 1
            self.expect(kept=well, problem=f"{answers} answers in the conversation of {task}")

    async def _messages(self) -> AsyncIterator[dict[str, Any]]:
        after: int | None = 0
        while after is not None:
            page = await self.get(f"/api/v1/sessions/{self._session}/messages?limit={_PAGE}&after={after}")
            for message in page["messages"]:
                yield message
            after = page["next"]


class Uploads(Promised):
    """Files that were brought can be fetched."""

    def __init__(self, client: httpx2.AsyncClient) -> None:
        super().__init__(client)
        self._files: list[tuple[str, bytes]] = []

    async def run(self) -> None:
        number = 0
        while True:
            number += 1
            data = f"file {number} ".encode() * 2000
            with trio.move_on_after(1):
                # Lost with its engine, it is brought by nobody again.
                with suppress(httpx2.TransportError, OSError):
                    answer = await self.client.post(
                        "/api/v1/pipelines/support/ws/uploads", params={"name": f"{number}.txt"}, content=data
                    )
                    if answer.is_success:
                        self._files.append((answer.json()["data"]["url"], data))
            await trio.sleep(10 * PAUSE)

    async def examine(self) -> None:
        for url, data in self._files:
            answer = await self.client.get(url)
            self.expect(kept=answer.content == data, problem=f"{url} is answered with {answer.status_code}")
