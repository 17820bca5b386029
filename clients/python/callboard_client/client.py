"""The client: one connection after another, and what is asked over them."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, TypeAlias, TypeVar

import trio

from callboard_client.backoff import Backoff
from callboard_client.chat import Chat, ConfirmQuestion
from callboard_client.connector import Connector, OnDrop, Options
from callboard_client.errors import ClientError, Closed, ConnectionLost, RequestTimedOut
from callboard_client.events import Position
from callboard_client.frames import ExecStarted, Receipt, Subscribed, read
from callboard_client.http import create_session
from callboard_client.link import OnReply
from callboard_client.places import Places, Start
from callboard_client.subscription import CAPACITY, Subscription
from callboard_client.target import Target, open_stream
from callboard_client.task_run import TaskRun

Since: TypeAlias = Position | str
"""A position, as an object or as text; `"0"` for the oldest event kept."""

_Answer = TypeVar("_Answer")


class Client:
    """A user's device at the gateway. Made by `connect`.

    While the connection is away a request waits for the next one. One that was under way when it broke is sent again
    where that changes nothing (`ping`, `cancel`, `subscribe`); the others (`create`, `append_turn`, `confirm`, `exec`,
    `return_tool`, `fail_tool`) raise ConnectionLost. All raise RequestRefused, RequestTimedOut, and Stopped once the
    client has come to its end.
    """

    def __init__(self, connector: Connector, nursery: trio.Nursery) -> None:
        self._connector = connector
        self._nursery = nursery
        self._order = trio.Lock()
        """Subscribing and unsubscribing, one after the other: what is needed is looked up and said in one piece."""

    @property
    def user_id(self) -> str:
        """Whom the server takes this client for; empty where nobody needs a credential."""
        return self._connector.user_id

    @property
    def device_id(self) -> str:
        return self._connector.device_id

    @property
    def is_connected(self) -> bool:
        return self._connector.link is not None

    async def authenticate(self, token: str) -> None:
        """Renews the credential, for the connections to come too. Raises AuthenticationFailed, changing nothing."""
        await self._in_time(self._connector.renew(token), "auth")

    async def ping(self) -> None:
        """Returns when the server has answered."""
        await self._ask("ping", {}, dict, repeats=True)

    @asynccontextmanager
    async def subscribe(
        self,
        channel: str,
        *topics: str,
        since: Mapping[str, Since] | Since | None = None,
        snapshot: bool = False,
        capacity: int = CAPACITY,
    ) -> AsyncIterator[Subscription]:
        """Events of these topics, or of the whole channel without one, until the block is left.

        `since` is where to begin, for all topics or for each, in place of what comes from now on. After a drop it is
        taken up by position, a whole channel also in the topics that have begun meanwhile. `snapshot`, for named tasks
        or sessions: each begins with a Snapshot, what it has come to, where it was given no position; and goes on with
        one after a gap, instead of less than all. `capacity` is how many events may wait for the consumer.
        """
        if snapshot and not topics:
            raise ValueError("snapshots are of topics that are named")
        places = Places(channel, topics, _starts(topics, since), snapshot=snapshot)
        subscription = Subscription(places, capacity, self._connector.audience.make_room)
        connector = self._connector
        connector.subscriptions[subscription] = None
        try:
            async with self._order:
                payload = connector.subscribe_payload(subscription)
                await self._ask(
                    "subscribe", payload, Subscribed, repeats=True, on_reply=connector.confirming(subscription)
                )
            yield subscription
        finally:
            connector.forget(subscription)
            if connector.failure is None:
                self._nursery.start_soon(self._leave, subscription)

    async def create(
        self, agent: str, prompt: str, *, session_id: str | None = None, context: Mapping[str, Any] | None = None
    ) -> Receipt:
        """Starts a task. Subscribing from the receipt's position gives all of its events."""
        data = {"agent": agent, "prompt": prompt, "session_id": session_id, "context": dict(context or {})}
        return await self._act("create", data=data)

    async def append_turn(self, task_id: str, prompt: str) -> Receipt:
        return await self._act("append_turn", task_id, prompt)

    async def confirm(self, task_id: str, step_id: str, approved: bool) -> Receipt:
        """Answers a `step.confirm`. The first answer of all devices counts, a later one is refused with EXEC_FAILED."""
        return await self._act("confirm", task_id, {"step_id": step_id, "approved": approved})

    async def return_tool(self, task_id: str, call_id: str, result: object) -> Receipt:
        """Says what came of a ClientToolCall. The first answer of all devices counts, a later one is refused with
        EXEC_FAILED."""
        return await self._act("tool_result", task_id, {"call_id": call_id, "result": result})

    async def fail_tool(self, task_id: str, call_id: str, error: str) -> Receipt:
        """As `return_tool`, where it did not work."""
        return await self._act("tool_result", task_id, {"call_id": call_id, "error": error})

    async def cancel(self, task_id: str) -> Receipt:
        """Asks the task to stop. `task.cancelled` follows when it really has."""
        return await self._act("cancel", task_id, repeats=True)

    async def exec(self, session_id: str, command: str) -> ExecStarted:
        """Runs a command in a session, as a task of the session's agent whose id is the `exec_id`."""
        return await self._ask("session.exec", {"session_id": session_id, "command": command}, ExecStarted)

    async def create_session(self, *, title: str = "", agent: str = "") -> str:
        """Opens a conversation, over HTTP, and returns its id. `agent` answers it, else the server's default one."""
        connector = self._connector
        return await self._in_time(
            create_session(connector.target.base_url, connector.token, connector.tls, title=title, agent=agent),
            "create_session",
        )

    @asynccontextmanager
    async def run(
        self, agent: str, prompt: str, *, session_id: str | None = None, context: Mapping[str, Any] | None = None
    ) -> AsyncIterator[TaskRun]:
        """Starts a task and follows it from its first event. Leaving the block early does not cancel it."""
        receipt = await self.create(agent, prompt, session_id=session_id, context=context)
        async with self.subscribe("task", receipt.task_id, since=receipt.position) as events:
            yield TaskRun(receipt.task_id, events, self)

    def chat(self, session_id: str, *, on_question: ConfirmQuestion | None = None) -> Chat:
        """A conversation in a session. `on_question` is asked for the confirmations that an answer needs; all are
        declined without it."""
        return Chat(self, session_id, on_question)

    async def _act(self, action: str, task_id: str = "", data: object = None, *, repeats: bool = False) -> Receipt:
        payload = {"task_id": task_id, "action": action, "data": data}
        return await self._ask("task.action", payload, Receipt, repeats=repeats)

    async def _ask(
        self,
        kind: str,
        payload: dict[str, Any],
        answer: type[_Answer],
        *,
        repeats: bool = False,
        on_reply: OnReply | None = None,
    ) -> _Answer:
        async def asked() -> _Answer:
            while True:
                link = await self._connector.connected()
                try:
                    return read(await link.request(kind, payload, on_reply), answer)
                except ConnectionLost:
                    if not repeats:
                        raise

        return await self._in_time(asked(), kind)

    async def _in_time(self, asked: Awaitable[_Answer], kind: str) -> _Answer:
        seconds = self._connector.options.request_seconds
        with trio.move_on_after(seconds):
            return await asked
        raise RequestTimedOut(f"{kind} was not answered in {seconds:g} s")

    async def _leave(self, left: Subscription) -> None:
        """Tells the server what nobody here listens to any more. Where the connection ends there is nothing to tell."""
        async with self._order:
            connector = self._connector
            topics = connector.unneeded(left)
            link = connector.link
            if link is None or topics is None:
                return
            try:
                read(await link.request("unsubscribe", {"channel": left.channel, "topics": topics}), dict)
                if left.places.everything:
                    # That has dropped the topics held by name, too.
                    await connector.subscribe_again(link, left.channel)
            except ClientError:
                return


@asynccontextmanager
async def connect(
    url: str,
    token: str | None = None,
    *,
    device_id: str | None = None,
    options: Options | None = None,
    tls: ssl.SSLContext | None = None,
    on_drop: OnDrop | None = None,
    backoff: Backoff | None = None,
    stream: Callable[[], Awaitable[trio.abc.Stream]] | None = None,
) -> AsyncIterator[Client]:
    """A connected client, until the block is left.

    `url` is the server's, `http(s)://host:port`, or the gateway's own, `ws(s)://…`; `device_id` names this device
    among the user's, for good if it is kept: by default a new one. The first connection is tried once: raises
    Unreachable or Stopped. A later drop is `on_drop`'s to tell, with the reason and the seconds until the next attempt;
    connecting again, subscribing again and losing nothing is the client's. `stream` opens the byte stream where that is
    not a TCP or TLS connection to `url`.
    """
    chosen = options or Options()
    target = Target.parse(url)

    async def dial() -> trio.abc.Stream:
        return await open_stream(target, tls, chosen.connect_seconds)

    connector = Connector(
        target,
        stream or dial,
        token=token,
        device_id=device_id,
        options=chosen,
        tls=tls,
        on_drop=on_drop,
        backoff=backoff or Backoff(),
    )
    failure: Exception | None = None
    async with trio.open_nursery() as nursery:
        try:
            await nursery.start(connector.run)
            yield Client(connector, nursery)
        except Exception as error:  # noqa: BLE001  raised outside the nursery: no `except` of the user's expects a group
            failure = error
        connector.stop(Closed("the client is closed"))
        await connector.say_goodbye()
        nursery.cancel_scope.cancel()
    if failure is not None:
        raise failure


def _starts(topics: tuple[str, ...], since: Mapping[str, Since] | Since | None) -> dict[str, Start]:
    match since:
        case None:
            return {}
        case str() | Position():
            if not topics:
                raise ValueError("a position is one topic's: give `since` for each, {topic: position}")
            return {topic: _start(since) for topic in topics}
        case _:
            return {topic: _start(start) for topic, start in since.items()}


def _start(since: Since) -> Start:
    if since == "0":
        return "0"
    return Position.parse(since) if isinstance(since, str) else since
