"""Keeps the client connected: one connection after another, each subscribed as the last one was."""

from __future__ import annotations

import secrets
import ssl
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, TypeAlias

import msgspec
import trio

from callboard_client.backoff import Backoff
from callboard_client.errors import (
    AuthenticationFailed,
    ClientError,
    ConnectionLost,
    RequestRefused,
    Stopped,
    Unreachable,
)
from callboard_client.frames import Reply, Subscribed, Welcome, read
from callboard_client.handshake import WatchedStream, shake_hands, told_apart
from callboard_client.link import Link, OnReply
from callboard_client.places import WHOLE, lowest
from callboard_client.snapshots import Pushed
from callboard_client.subscription import Audience, Subscription
from callboard_client.target import Target

OnDrop: TypeAlias = Callable[[str, float], None]

STABLE_SECONDS = 5.0
"""A connection that ends before this was no success: the delays go on growing, else a server that takes everybody and
hangs up at once would be asked several times a second."""


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """Seconds. `connect_seconds`: for the byte stream and the handshake, each. `request_seconds`: for an answer, the
    wait for a connection included. `ping_seconds`: how often the server is given cause to answer. `silence_seconds`:
    with no sign of life for so long the connection counts as broken. `close_seconds`: for the goodbye."""

    connect_seconds: float = 10.0
    request_seconds: float = 30.0
    ping_seconds: float = 30.0
    silence_seconds: float = 75.0
    close_seconds: float = 3.0


class Connector:
    """`link` is the present connection, once it is authenticated and subscribed; `failure` why there will be none."""

    def __init__(
        self,
        target: Target,
        dial: Callable[[], Awaitable[trio.abc.Stream]],
        *,
        token: str | None,
        device_id: str | None,
        options: Options,
        tls: ssl.SSLContext | None,
        on_drop: OnDrop | None,
        backoff: Backoff,
    ) -> None:
        self.target = target
        self.token = token
        self.tls = tls
        # Kept over all connections: the server then ends one that it still holds for alive.
        self.device_id = device_id or f"device-{secrets.token_hex(6)}"
        self.user_id = ""
        self.options = options
        self.audience = Audience()
        self.subscriptions: dict[Subscription, None] = {}
        self.link: Link | None = None
        self.failure: Stopped | None = None
        self._dial = dial
        self._on_drop = on_drop
        self._backoff = backoff
        self._opened_at = 0.0
        self._changed = trio.lowlevel.ParkingLot()

    async def run(self, task_status: trio.TaskStatus[None]) -> None:
        """Returns when there is no use in connecting again. Raises what the first attempt ends with."""
        started = False

        def welcomed() -> None:
            nonlocal started
            if not started:
                started = True
                task_status.started()

        while self.failure is None:
            try:
                await self._connection(welcomed)
            except Stopped as failure:
                self.stop(failure)
                if not started:
                    raise
            except (ConnectionLost, Unreachable) as loss:
                if not started:
                    raise
                if self.failure is None:
                    await self._pause(loss)

    async def connected(self) -> Link:
        """The present connection, or the next one. Raises Stopped."""
        await trio.lowlevel.checkpoint()
        while self.link is None:
            if self.failure is not None:
                raise self.failure
            await self._changed.park()
        return self.link

    def stop(self, failure: Stopped) -> None:
        """No connection after this one. The first reason counts."""
        if self.failure is None:
            self.failure = failure
            self._changed.unpark_all()
            for subscription in self.subscriptions:
                subscription.fail(failure)

    async def say_goodbye(self) -> None:
        with trio.move_on_after(self.options.close_seconds):
            if self.link is not None:
                await self.link.close()

    async def renew(self, token: str) -> None:
        """Raises AuthenticationFailed, and keeps the credential that there was."""
        link = await self.connected()
        await self._authenticate(link, token)
        self.token = token

    def subscribe_payload(self, subscription: Subscription) -> dict[str, Any]:
        """The request that takes a subscription up where it stands."""
        channel = subscription.channel
        since = {
            topic: str(lowest(start, (each.places.position(topic) for each in self.audience.hearing(channel, topic))))
            for topic, start in subscription.places.starts().items()
        }
        payload = {"channel": channel, "topics": list(subscription.topics), "since": since}
        return {**payload, "snapshot": True} if subscription.places.snapshot else payload

    def confirming(self, subscription: Subscription) -> OnReply:
        """What to do at the answer, before anything behind it is read."""

        def confirm(reply: Reply) -> None:
            if reply.kind == "subscribed" and subscription in self.subscriptions:
                subscription.begin(read(reply, Subscribed))
                self.audience.add(subscription)

        return confirm

    def forget(self, subscription: Subscription) -> None:
        """Nobody listens to it any more."""
        self.subscriptions.pop(subscription, None)
        self.audience.discard(subscription)
        self.audience.make_room()

    def unneeded(self, left: Subscription) -> list[str] | None:
        """The topics that no other subscription holds; None where there is nothing to tell the server."""
        others = [each for each in self.subscriptions if each.channel == left.channel]
        if left.places.everything:
            return None if any(each.places.everything for each in others) else []
        return [topic for topic in left.topics if all(topic not in each.topics for each in others)] or None

    async def subscribe_again(self, link: Link, channel: str | None = None) -> None:
        """All subscriptions, or a channel's, one by one. One that the server refuses now ends with that."""
        for subscription in tuple(self.subscriptions):
            if channel in (None, subscription.channel) and subscription in self.subscriptions:
                try:
                    await self._subscribe_patiently(link, subscription)
                except RequestRefused as refused:
                    self.forget(subscription)
                    subscription.fail(refused)

    async def _connection(self, welcomed: Callable[[], None]) -> None:
        """One connection from its beginning to its end, which it raises: ConnectionLost, Unreachable or Stopped."""
        stream = WatchedStream(await self._dial(), self.options.silence_seconds)
        ended: BaseException
        try:
            async with trio.open_nursery() as nursery:
                socket = await shake_hands(nursery, stream, self.target, self.options.connect_seconds)
                link = Link(socket, self.audience.make_room)
                nursery.start_soon(link.write)
                nursery.start_soon(link.keep_alive, self.options.ping_seconds)
                nursery.start_soon(self._welcome, link, welcomed)
                await self._listen(link, nursery)
        # Nothing ends here: the nursery's group is raised again, as what it means.
        except BaseExceptionGroup as group:
            ended = told_apart(group)
        finally:
            await trio.aclose_forcefully(stream)
        raise ended

    async def _listen(self, link: Link, nursery: trio.Nursery) -> None:
        async def deliver(pushed: Pushed) -> None:
            await self.audience.deliver(pushed, link.is_awaited)
            for subscription in self.audience.hearing(pushed.channel, WHOLE):
                if subscription.places.needs_mark:
                    subscription.places.begin_renewal()
                    nursery.start_soon(self._renew_mark, link, subscription)

        why = "the client is closed"
        try:
            await link.read(deliver)
        except ClientError as ended:
            why = str(ended)
            raise
        finally:
            if self.link is not None and trio.current_time() - self._opened_at >= STABLE_SECONDS:
                self._backoff.reset()
            self.link = None
            self.audience.clear()
            link.lose(f"{why}; whether the request was carried out is not known")

    async def _welcome(self, link: Link, welcomed: Callable[[], None]) -> None:
        """Makes the connection what the last one was. One without a credential is good once it has answered."""
        if self.token is None:
            read(await self._request(link, "ping", {}), dict)
        else:
            await self._authenticate(link, self.token)
        await self.subscribe_again(link)
        self.link = link
        self._opened_at = trio.current_time()
        self._changed.unpark_all()
        welcomed()

    async def _authenticate(self, link: Link, token: str) -> None:
        reply = await self._request(link, "auth", {"token": token, "device_id": self.device_id})
        try:
            welcome = read(reply, Welcome)
        except RequestRefused as refused:
            if refused.retry_after is not None:
                raise ConnectionLost(str(refused), least=refused.retry_after) from refused
            raise AuthenticationFailed(str(refused)) from refused
        if not welcome.success:
            raise AuthenticationFailed(welcome.message or "the credential was refused")
        self.user_id = welcome.user_id

    async def _subscribe_patiently(self, link: Link, subscription: Subscription) -> None:
        """Many subscriptions at once may be over the server's rate."""
        while True:
            try:
                payload = self.subscribe_payload(subscription)
                read(await self._request(link, "subscribe", payload, self.confirming(subscription)), Subscribed)
            except RequestRefused as refused:
                if refused.retry_after is None:
                    raise
                await trio.sleep(refused.retry_after)
            else:
                return

    async def _renew_mark(self, link: Link, subscription: Subscription) -> None:
        """Asks how far everything was sent. A connection that breaks meanwhile says so to its reader."""

        def renew(reply: Reply) -> None:
            if reply.kind == "subscribed":
                subscription.renew(read(reply, Subscribed))

        payload = {"channel": subscription.channel, "topics": [], "since": {}}
        try:
            with suppress(ConnectionLost):
                await link.request("subscribe", payload, renew)
        finally:
            subscription.places.end_renewal()

    async def _request(self, link: Link, kind: str, payload: dict[str, Any], on_reply: OnReply | None = None) -> Reply:
        """A connection on which this is not answered is no connection."""
        with trio.move_on_after(self.options.request_seconds):
            return await link.request(kind, payload, on_reply)
        raise ConnectionLost(f"the server has not answered {kind}")

    async def _pause(self, loss: ConnectionLost | Unreachable) -> None:
        seconds = max(loss.least, self._backoff.next_seconds())
        if self._on_drop is not None:
            self._on_drop(str(loss), seconds)
        await trio.sleep(seconds)
