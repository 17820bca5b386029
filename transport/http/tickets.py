"""`/api/v1/tickets`: what an EventSource, which can send no header, shows in its address."""

from __future__ import annotations

import msgspec

from transport.http.route import Answer, AnyRoute, Call, Nothing, Route
from transport.http.services import Tickets


class Ticket(msgspec.Struct, frozen=True):
    """Good for reading, as `?ticket=`, for `expires_in` seconds; a stream that has begun goes on."""

    ticket: str
    expires_in: float


class TicketsApi:
    def __init__(self, tickets: Tickets) -> None:
        self._tickets = tickets

    async def issue(self, call: Call[Nothing, Nothing]) -> Answer[Ticket]:
        ticket, seconds = self._tickets.issue(call.principal)
        return Answer(Ticket(ticket, seconds))

    def routes(self) -> list[AnyRoute]:
        return [
            Route(
                method="POST",
                path="/api/v1/tickets",
                handler=self.issue,
                tag="channels",
                summary="Get a ticket for an EventSource",
                body=Nothing,
                query=Nothing,
                answer=Ticket,
                status=201,
                errors=(503,),
            )
        ]
