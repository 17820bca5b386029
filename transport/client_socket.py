"""One WebSocket client, from its upgrade to its end, whatever it speaks."""

from __future__ import annotations

import math
import secrets
from collections.abc import Awaitable, Callable
from typing import TypeAlias

import trio

from actors.connection import Connection
from actors.errors import CallboardError, CloseCode, ErrorCode
from actors.outbox import Outbox
from actors.principal import Principal
from actors.rate import TokenBucket
from actors.subscription import Encoder
from transport.auth_deadline import AuthDeadline
from transport.berth import Work
from transport.byte_stream import ByteStream
from transport.client_services import ClientServices
from transport.control_frames import PING
from transport.conversation import Conversation
from transport.unbegun import drop
from transport.websocket import WebSocket

Speaks: TypeAlias = "Callable[[ClientSocket], Conversation]"
"""Starts a client's conversation in some dialect."""


class ClientSocket:
    """Serves one client: reads its frames one by one, and has each answered in that order."""

    __slots__ = (
        "_auth",
        "_beat_seconds",
        "_begun",
        "_bucket",
        "_closing",
        "_conversation",
        "_idle",
        "_options",
        "_reading",
        "_socket",
        "_stream",
        "connection",
        "outbox",
        "services",
    )

    def __init__(
        self,
        stream: ByteStream,
        services: ClientServices,
        encoder: Encoder,
        speaks: Speaks,
        *,
        beat_seconds: float | None = None,
    ) -> None:
        """`encoder` makes frames of the events of what the client is subscribed to. `beat_seconds`: between two pings,
        also to a client that is heard of; None for the engine's usual ones, to the silent."""
        self._beat_seconds = beat_seconds
        self.services = services
        self._stream = stream
        self._options = services.options
        self.outbox = Outbox(stream, services.spawn_writer, self._options.outbox)
        # What asks for nothing, or for too much, has a rate of its own, as high as that of commands.
        spare = TokenBucket(self._options.commands_per_second, self._options.commands_burst, stream.last_received)
        self._socket = WebSocket(stream, self.outbox, self._options.message_bytes, spare)
        self.connection = Connection(services.router, self.outbox, encoder, self.close, self._options.subscriptions)
        self._reading: trio.CancelScope | None = None
        """All that may end the reading, in a task: an idle connection holds few objects."""
        self._idle = False
        """Waits for a request, and carries none out."""
        self._begun: Awaitable[None] | None = None
        """What has to wait of what has come, until there is a task."""
        self._auth: AuthDeadline | None = None
        """While the client has yet to say who it is."""
        self._closing: tuple[CloseCode, str] | None = None
        self._bucket: TokenBucket | None = None
        self._conversation = speaks(self)

    @property
    def last_received(self) -> float:
        return self._stream.last_received

    @property
    def answers(self) -> bool:
        # While a command is carried out, or replies wait for room, nothing is read: a pong would pass for none.
        return self._idle and self.outbox.has_room

    def beat(self) -> None:
        self.outbox.put_nowait(PING)

    def close(self, code: CloseCode, reason: str) -> None:
        """Ends the connection in good order: a command that is being carried out has some time left. The first reason
        counts."""
        if self._closing is None:
            self._closing = (code, reason)
            if self._reading is not None:
                self._reading.deadline = trio.current_time() + self._options.close_seconds
                if self._idle:
                    self._reading.cancel()
            elif self._idle and self._stream.berth is not None:
                self._stream.berth.wake()

    def begin(self, answer: bytes) -> None:
        """Sends the answer to the upgrade, and the greeting. `ready` or `attend` goes on."""
        self.outbox.put_nowait(answer)
        self.services.connections.add(self.connection, self, trio.current_time(), beat_seconds=self._beat_seconds)
        self._conversation.greet()

    async def serve(self, answer: bytes) -> None:
        """Sends the answer to the upgrade and returns when the client is gone, with everything of it cleared away; the
        socket itself is the caller's. Also returns when the client is idle and parked on its stream's berth."""
        try:
            self.begin(answer)
        except BaseException:
            self.abandon()
            raise
        await self.attend()

    def ready(self) -> Work | None:
        """Handles what has come to an idle client. What is returned goes on where something has to wait."""
        if self._socket.read_nowait():
            self._end_wait()
            self._begun = self._answer()
        return self.rest()

    def rest(self) -> Work | None:
        """As `ready`, of one of whom nothing has come."""
        # Before anything else runs: no event overtakes a reply.
        self._socket.flush()
        if self._begun is None:
            if self._socket.at_rest and self._begin_wait():
                return None
            if self._socket.needs_slice and self._begin_wait() and self._ask_turn():
                return None
            if self._socket.ended:
                # Nor does one follow a close frame.
                self._begun = self.connection.wind_up()
        return self.attend

    async def attend(self) -> None:
        """Goes on until the client is gone, with everything of it cleared away, or parked."""
        parked = False
        try:
            parked = await self._converse()
        finally:
            self._reading = None
            if not parked:
                self.abandon()

    def turn_away(self) -> None:
        self._socket.send_close(*(self._closing or (CloseCode.RESTARTING, "nobody can answer now")))

    def abandon(self) -> None:
        """Clears away all of it but the socket."""
        drop(self._begun)
        self._call_off_auth()
        self._conversation.end()
        self.connection.detach()
        self.services.connections.remove(self.connection)
        if self.outbox.busy:
            # What is still to be written will not be: a socket left in mid-frame is fit for nothing else. The
            # writer, which is no child of this task, ends by that too.
            self.outbox.abort()

    def reply(self, frame: bytes) -> None:
        """Has a frame sent, after those before it, when what has been read is handled or something waits."""
        self._socket.reply(frame)

    def flush(self) -> None:
        """Sends the replies so far."""
        self._socket.flush()

    def push(self, frame: bytes) -> None:
        """Sends a frame from another task, after the replies so far. Nothing follows a close frame."""
        if not self._socket.ended:
            self._socket.reply(frame)
            self._socket.flush()

    def over_rate(self) -> CallboardError | None:
        """Counts one frame, whatever it holds; the error to answer it with, where it is one too many."""
        now = trio.current_time()
        if self._bucket is None:
            self._bucket = TokenBucket(self._options.commands_per_second, self._options.commands_burst, now)
        delay = self._bucket.take(now)
        if not delay:
            return None
        self._socket.charge()
        limit = f"{self._options.commands_per_second:g} commands a second"
        return CallboardError(ErrorCode.RATE_LIMITED, f"more than {limit}", retry_after=delay)

    def await_identity(self) -> None:
        """From now on the client has some seconds to say who it is."""
        self._auth = AuthDeadline(self._options.auth_seconds, self._stream.berth)

    def identify(self, principal: Principal, device_id: str | None) -> str:
        """Makes this the connection of a user's device, and returns its id. The same user again renews its credential;
        another one starts with nothing subscribed."""
        connection = self.connection
        same_user = connection.principal is not None and connection.principal.user_id == principal.user_id
        device = device_id or (connection.device_id if same_user else "") or f"device-{secrets.token_hex(6)}"
        self.services.connections.identify(connection, principal, device)
        self._call_off_auth()
        return device

    def _call_off_auth(self) -> None:
        if self._auth is not None:
            self._auth.call_off()
            self._auth = None

    @property
    def principal(self) -> Principal:
        """Who the client is. Raises CallboardError UNAUTHORIZED where it has not said so yet."""
        principal = self.connection.principal
        if principal is None:
            raise CallboardError(ErrorCode.UNAUTHORIZED, "authenticate first")
        return principal

    def _answer(self) -> Awaitable[None] | None:
        """Handles the messages that have come, up to one that has to wait: what is returned carries it out."""
        text = self._socket.receive_nowait()
        while isinstance(text, str) and self._closing is None:
            if (work := self._conversation.answer(text)) is not None:
                return work
            text = self._socket.receive_nowait()
        return None

    async def _converse(self) -> bool:
        """True where the client is idle, and parked; False where it is to be cleared away."""
        # Short of calls: each is held for as long as the client is idle.
        with trio.CancelScope() as self._reading:
            if self._closing is not None:
                self._reading.deadline = trio.current_time() + self._options.close_seconds
            if (begun := self._begun) is not None:
                self._begun = None
                await begun
            while self._begin_wait():
                if self._park():
                    return True
                # Without a berth, or where it takes nobody, the task waits.
                waits = self._stream.berth is None or self._socket.at_rest
                text = await self._socket.receive(wait=waits)
                self._end_wait()
                if text is None and waits:
                    break
                while isinstance(text, str) and self._closing is None:
                    if (work := self._conversation.answer(text)) is not None:
                        await work
                    text = self._socket.receive_nowait()
        if self._reading.cancelled_caught and self._closing is None:
            self._closing = (CloseCode.UNAUTHORIZED, "not authenticated in time")
        if (rest := self.connection.wind_up()) is not None:
            await rest
        if self._socket.over and not self.outbox.busy:
            return False
        with trio.move_on_after(self._options.close_seconds):
            await self._socket.close(*(self._closing or (CloseCode.NORMAL, "")))
            await self.outbox.drain()
        return False

    def _ask_turn(self) -> bool:
        """The others have their turn first: a task would cost more than what is left to do."""
        berth = self._stream.berth
        return berth is not None and not self.is_overdue and berth.ask_turn()

    def _park(self) -> bool:
        """Leaves the client on its berth, where it has one and nothing of it is under way."""
        berth = self._stream.berth
        if berth is None or self.is_overdue or self._stream.has_unread or not self.outbox.has_room:
            return False
        self._socket.flush()
        return self._socket.at_rest and berth.park(self)

    @property
    def is_overdue(self) -> bool:
        """Whether it has not said in time who it is."""
        return self._auth is not None and self._auth.has_passed

    def _begin_wait(self) -> bool:
        """From now on `close` need not wait for a command. False where either side closes already."""
        # Not left to `receive`: it is a checkpoint, at which an event could follow the close frame.
        if self._closing is not None or self._socket.ended:
            return False
        if self._reading is not None and self._auth is not None:
            self._reading.deadline = self._auth.at
        self._idle = True
        return True

    def _end_wait(self) -> None:
        """A command is not cut short where its client has not authenticated in time."""
        self._idle = False
        if self._closing is None and self._reading is not None and self._auth is not None:
            self._reading.deadline = math.inf
