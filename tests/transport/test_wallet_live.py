"""What a wallet says on one device reaches its others at once, under the id that its history has."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2

from actors.agent import AgentError, Result, TaskContext
from actors.commands import AppendTurn, CancelTask, CreateSession, ExecSession
from actors.principal import Principal
from actors.redaction import TaskRedaction
from actors.redactor import Redactor
from tests.support.gateway import Gateway, running_gateway
from tests.support.wallets import Wallet, WalletClient, wallet_client
from tests.transport.agents import AGENTS

ALICE = Wallet(1)
USER = Principal(ALICE.public_key)


async def begun(task: TaskContext) -> Result:
    """Begins an answer, and fails once it is told to."""
    await task.message("begun")
    await task.confirm("s1", "Shall I fail?")
    raise AgentError("no_luck", "there was no luck")


class Device:
    """A wallet's socket and what it has been told of, with its HTTP side."""

    def __init__(self, gateway: Gateway, client: WalletClient, conversation: str) -> None:
        self._gateway = gateway
        self._client = client
        self._conversation = conversation
        self.heard: list[dict[str, Any]] = []
        self._states: set[str] = set()
        """Those that tasks have been in."""

    async def hear(self) -> str:
        """The next message of the conversation, as text."""
        while (frame := await self._client.receive())["type"] != "new_message":
            self._states.add(frame["task"]["status"]["state"])
        self.heard.append(frame["message"])
        return f"{frame['message']['role']}: {frame['message']['content'][0]['text']}"

    async def history(self) -> list[dict[str, Any]]:
        """The conversation over HTTP, in the form of `new_message`."""
        url = f"http://127.0.0.1:{self._gateway.port}/api/conversations/{self._conversation}/messages"
        async with httpx2.AsyncClient() as http:
            answer = await http.get(url, headers=ALICE.headers())
        return [{name: one[name] for name in ("id", "role", "content")} for one in answer.json()["messages"]]

    async def all_heard_is_the_history(self) -> None:
        """And nothing more comes before the answer to a ping."""
        assert self.heard == await self.history()
        await self._client.send('{"type":"ping","timestamp":1}')
        frames = await self._client.until("pong")
        assert [frame for frame in frames if frame["type"] == "new_message"] == []

    async def until_state(self, state: str) -> None:
        """Returns once a task has been in that state. No message comes meanwhile."""
        while state not in self._states:
            frame = await self._client.receive()
            self._states.add(frame["task"]["status"]["state"])


@asynccontextmanager
async def device(agent: str) -> AsyncIterator[tuple[Gateway, Device, str]]:
    agents = {**AGENTS, "begun": begun}
    async with running_gateway(agents) as gateway, wallet_client(gateway, ALICE.headers()) as client:
        conversation = (await gateway.world.router.create_session(USER, CreateSession(agent=agent))).id
        yield gateway, Device(gateway, client, conversation), conversation


async def say(gateway: Gateway, conversation: str, text: str) -> str:
    return (await gateway.world.router.exec_session(USER, ExecSession(conversation, text))).exec_id


async def cancel(gateway: Gateway, task_id: str) -> None:
    await gateway.world.router.command_task(USER, CancelTask(task_id))


async def test_a_question_is_told_and_kept_while_its_task_runs() -> None:
    async with device("sleeper") as (gateway, other, conversation):
        task_id = await say(gateway, conversation, "hello")
        assert await other.hear() == "user: hello"
        assert other.heard == await other.history()
        await cancel(gateway, task_id)
        await other.until_state("canceled")
        await other.all_heard_is_the_history()


async def test_turns_that_are_appended_are_told_one_by_one() -> None:
    async with device("patient") as (gateway, other, conversation):
        task_id = await say(gateway, conversation, "zero")
        assert await other.hear() == "user: zero"
        answer = ""
        for prompt in ("one", "two", "stop"):
            await gateway.world.router.command_task(USER, AppendTurn(task_id, prompt))
            if answer:
                assert await other.hear() == f"assistant: {answer}"
            assert await other.hear() == f"user: {prompt}"
            answer = f"{prompt} "
        assert await other.hear() == "assistant: stopped"
        await other.all_heard_is_the_history()


async def test_of_two_tasks_the_second_is_told_behind_the_first() -> None:
    async with device("sleeper") as (gateway, other, conversation):
        first = await say(gateway, conversation, "one")
        second = await say(gateway, conversation, "two")
        assert await other.hear() == "user: one"
        await cancel(gateway, first)
        assert await other.hear() == "user: two"
        await cancel(gateway, second)
        await other.all_heard_is_the_history()
        assert len(other.heard) == 2


async def test_a_task_that_fails_is_told_with_what_it_had_said() -> None:
    async with device("begun") as (gateway, other, conversation):
        task_id = await say(gateway, conversation, "hello")
        assert await other.hear() == "user: hello"
        await other.until_state("input-required")
        url = f"http://127.0.0.1:{gateway.port}/api/tasks/{task_id}/confirm"
        async with httpx2.AsyncClient() as http:
            agreed = await http.post(url, headers=ALICE.headers(), json={"approved": True})
            assert agreed.is_success, agreed.text
        assert await other.hear() == "assistant: begun"
        await other.all_heard_is_the_history()


async def test_what_was_recalled_is_told_no_more() -> None:
    async with device("begun") as (gateway, other, conversation):
        task_id = await say(gateway, conversation, "secret")
        assert await other.hear() == "user: secret"
        await other.until_state("input-required")
        session = gateway.world.sessions.find(USER, conversation)
        await Redactor(gateway.world.router, gateway.world.feeds).redact(session, TaskRedaction(task_id, asked=True))
        await cancel(gateway, task_id)
        await other.until_state("canceled")
        assert [one["content"][0]["text"] for one in await other.history()] == ["", ""]
        await say(gateway, conversation, "open")
        assert await other.hear() == "user: open"
        assert other.heard[-1] == (await other.history())[-1]
        assert other.heard[-1]["id"] == f"{conversation}-2"
