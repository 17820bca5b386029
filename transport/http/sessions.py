"""`/api/v1/sessions`: conversations that tasks read and extend."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from actors.agent import Message
from actors.commands import CreateSession, SessionView
from actors.router import Router
from transport.http.bodies import fields_of
from transport.http.paging import PageLimit
from transport.http.route import Answer, AnyRoute, Call, Nothing, Route

_TAG = "sessions"


class SessionJson(msgspec.Struct, frozen=True, kw_only=True):
    """A conversation as it stands. Times are Unix milliseconds, `messages` counts them; `position` is before the
    session's first event."""

    id: str
    user_id: str
    title: str
    agent: str
    created_at: int
    updated_at: int
    messages: int
    position: str

    @classmethod
    def of(cls, view: SessionView) -> SessionJson:
        return cls(**fields_of(view))


class NewSession(msgspec.Struct, frozen=True, kw_only=True):
    """`agent` answers commands given to the session itself; empty for the engine's default one."""

    title: str = ""
    agent: str = ""


class SessionFilter(msgspec.Struct, frozen=True, kw_only=True):
    after: Annotated[str | None, Meta(description="The `next` of the page before.")] = None
    limit: PageLimit = 50


class SessionList(msgspec.Struct, frozen=True):
    """Newest first. `next` is the `after` of the following page, null on the last."""

    sessions: list[SessionJson]
    next: str | None


class MessageFilter(msgspec.Struct, frozen=True, kw_only=True):
    after: Annotated[int, Meta(ge=0, description="How many messages to pass over: the `next` of the page before.")] = 0
    limit: PageLimit = 100


class MessageList(msgspec.Struct, frozen=True):
    """Oldest first. `next` is the `after` of the following page, null on the last."""

    messages: tuple[Message, ...]
    next: int | None


class SessionsApi:
    def __init__(self, router: Router) -> None:
        self._router = router

    async def create(self, call: Call[NewSession, Nothing]) -> Answer[SessionJson]:
        command = CreateSession(title=call.body.title, agent=call.body.agent)
        view = await self._router.create_session(call.principal, command)
        return Answer(SessionJson.of(view), location=f"/api/v1/sessions/{view.id}")

    async def page(self, call: Call[Nothing, SessionFilter]) -> Answer[SessionList]:
        page = self._router.sessions.page(call.principal, call.query.after, call.query.limit)
        return Answer(SessionList([SessionJson.of(view) for view in page.sessions], page.next))

    async def read(self, call: Call[Nothing, Nothing]) -> Answer[SessionJson]:
        return Answer(SessionJson.of(self._router.sessions.find(call.principal, call.path["session_id"]).view()))

    async def messages(self, call: Call[Nothing, MessageFilter]) -> Answer[MessageList]:
        session_id, query = call.path["session_id"], call.query
        page = self._router.sessions.messages(call.principal, session_id, query.after, query.limit)
        return Answer(MessageList(page.messages, page.next))

    def routes(self) -> list[AnyRoute]:
        return [
            Route(
                method="POST",
                path="/api/v1/sessions",
                handler=self.create,
                tag=_TAG,
                summary="Open a conversation",
                body=NewSession,
                example={"title": "Arithmetic", "agent": "offline"},
                query=Nothing,
                answer=SessionJson,
                status=201,
                errors=(404, 503),
            ),
            Route(
                method="GET",
                path="/api/v1/sessions",
                handler=self.page,
                tag=_TAG,
                summary="List conversations",
                body=Nothing,
                query=SessionFilter,
                answer=SessionList,
            ),
            Route(
                method="GET",
                path="/api/v1/sessions/{session_id}",
                handler=self.read,
                tag=_TAG,
                summary="Read a conversation's state",
                body=Nothing,
                query=Nothing,
                answer=SessionJson,
                errors=(404,),
            ),
            Route(
                method="GET",
                path="/api/v1/sessions/{session_id}/messages",
                handler=self.messages,
                tag=_TAG,
                summary="Read a conversation's messages",
                body=Nothing,
                query=MessageFilter,
                answer=MessageList,
                errors=(404,),
            ),
        ]
