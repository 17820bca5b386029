"""The rooms that one client of the agent dialect is in."""

from __future__ import annotations

from functools import partial
from typing import assert_never

import trio

from actors.errors import CallboardError, ErrorCode
from actors.rooms import Rooms
from transport.client_socket import ClientSocket
from transport.dialects import agent, agent_replies


class AgentRooms:
    """Joins, leaves and talks on the client's behalf."""

    __slots__ = ("_client", "_joined", "_rooms")

    def __init__(self, client: ClientSocket, rooms: Rooms) -> None:
        self._client = client
        self._rooms = rooms
        self._joined: dict[str, None] = {}

    async def carry_out(self, echo: agent.Echo, command: agent.RoomCommand) -> None:
        """Raises CallboardError, and has replied otherwise."""
        principal, rooms, connection = self._client.principal, self._rooms, self._client.connection
        reply = partial(agent_replies.frame, echo, room=command.room)
        match command:
            case agent.JoinRoom():
                await self._join(echo, command)
            case agent.LeaveRoom():
                await rooms.leave(principal, command.room, connection)
                self._joined.pop(command.room, None)
                connection.let_go(rooms.key(principal, command.room))
                self._client.push(reply("room_left"))
            case agent.TalkInRoom():
                position = await rooms.talk(principal, command.room, connection, command.content)
                self._client.push(reply("room_sent", position=str(position)))
            case agent.ListMembers():
                self._client.push(reply("room_members", members=list(rooms.members(principal, command.room))))
                await trio.lowlevel.checkpoint()
            case _:
                assert_never(command)

    def end(self) -> None:
        """The client is gone. Its user stays for a time of grace in the rooms where it has no other connection."""
        for name in self._joined:
            self._rooms.lose(self._client.principal, name, self._client.connection, trio.current_time())
        self._joined.clear()

    async def _join(self, echo: agent.Echo, asked: agent.JoinRoom) -> None:
        principal, connection = self._client.principal, self._client.connection
        key = self._rooms.key(principal, asked.room)
        most = self._client.services.options.subscriptions
        if connection.subscriptions >= most:
            raise CallboardError(ErrorCode.RATE_LIMITED, f"a connection follows at most {most} topics")
        # From before the client is there: it sees itself come.
        admission = connection.admission(key, asked.start)
        self._joined[asked.room] = None
        await self._rooms.join(principal, asked.room, connection)
        reply = agent_replies.frame(
            echo,
            "room_joined",
            room=asked.room,
            members=list(self._rooms.members(principal, asked.room)),
            position=f"{admission.epoch}:{admission.start.offset}",
            recovered=admission.recovered,
        )
        # The reply goes first: what is written at once would overtake it.
        self._client.push(reply)
        connection.hold(admission)
