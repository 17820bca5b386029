"""`/api/websocket-info` and `/api/conversations`: what a wallet loads and does over HTTP."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
import trio
from werkzeug.datastructures import Headers

from actors.agent import Message
from actors.commands import CreateSession, ExecSession
from actors.principal import Principal
from transport.dialects.wallet_frames import CLIENT_TYPES, SERVER_TYPES
from transport.dialects.wallet_projection import message_id
from transport.dialects.wallet_task import TextPart, iso
from transport.http.identity import Rates
from transport.http.route import Answer, AnyRoute, Call, Nothing, Route
from transport.http.services import HttpServices
from transport.http.sessions import MessageFilter, SessionFilter
from transport.http.wallet_bodies import (
    Conversation,
    ConversationEntries,
    ConversationEntry,
    ConversationList,
    MessageAccepted,
    MessageTypes,
    NewConversation,
    NewMessage,
    WebSocketInfo,
)
from transport.http.wallet_tasks import WalletTasksApi
from transport.wallet_identity import KEY_HEADER, Shown

_TAG = "wallet"
_SECURITY: tuple[dict[str, list[str]], ...] = ({"wallet": []},)


class WalletApi:
    def __init__(self, services: HttpServices, rates: Rates) -> None:
        self._router = services.router
        self._wallets = services.wallets
        self._rates = rates

    async def info(self, call: Call[Nothing, Nothing]) -> Answer[WebSocketInfo]:
        info = WebSocketInfo(
            endpoint="/api/ws",
            protocols=("ws", "wss"),
            auth_header=KEY_HEADER,
            supported_message_types=MessageTypes(CLIENT_TYPES, SERVER_TYPES),
            heartbeat_interval=self._wallets.heartbeat_seconds,
            active_connections=self._wallets.sockets,
        )
        return Answer(info)

    async def create(self, call: Call[NewConversation, Nothing]) -> Answer[Conversation]:
        # What comes of it is kept for the wallet from now on, also where it has no socket yet.
        self._wallets.feed(call.principal)
        command = CreateSession(title=call.body.title, agent=call.body.agent)
        return Answer(Conversation.of(await self._router.create_session(call.principal, command)))

    async def page(self, call: Call[Nothing, SessionFilter]) -> Answer[ConversationList]:
        page = self._router.sessions.page(call.principal, call.query.after, call.query.limit)
        return Answer(ConversationList([Conversation.of(view) for view in page.sessions], page.next))

    async def read(self, call: Call[Nothing, Nothing]) -> Answer[Conversation]:
        return Answer(Conversation.of(self._router.sessions.find(call.principal, call.path["conversation_id"]).view()))

    async def messages(self, call: Call[Nothing, MessageFilter]) -> Answer[ConversationEntries]:
        conversation_id, query = call.path["conversation_id"], call.query
        session = self._router.sessions.find(call.principal, conversation_id)
        first = max(query.after, session.record.history.first)
        page = self._router.sessions.messages(call.principal, conversation_id, query.after, query.limit)
        entries = [_entry(conversation_id, first + count, one) for count, one in enumerate(page.messages)]
        return Answer(ConversationEntries(entries, page.next))

    async def send(self, call: Call[NewMessage, Nothing]) -> Answer[MessageAccepted]:
        command = ExecSession(call.path["conversation_id"], call.body.said())
        self._wallets.feed(call.principal)
        started = await self._router.exec_session(call.principal, command)
        return Answer(MessageAccepted(started.session_id, started.exec_id))

    async def admit(self, method: str, headers: Headers, parameters: Mapping[str, str]) -> Principal:
        principal = await self._wallets.identity.identify(Shown.of(headers.get, parameters.get))
        self._rates.take(principal.user_id, trio.current_time())
        return principal

    def routes(self) -> list[AnyRoute]:
        own = "/api/conversations"
        rows: list[AnyRoute] = [
            Route(
                method="POST",
                path=own,
                handler=self.create,
                tag=_TAG,
                summary="Open a conversation of the wallet",
                body=NewConversation,
                example={"title": "Arithmetic"},
                query=Nothing,
                answer=Conversation,
                status=201,
                errors=(404, 503),
            ),
            Route(
                method="GET",
                path=own,
                handler=self.page,
                tag=_TAG,
                summary="List the wallet's conversations",
                body=Nothing,
                query=SessionFilter,
                answer=ConversationList,
            ),
            Route(
                method="GET",
                path=f"{own}/{{conversation_id}}",
                handler=self.read,
                tag=_TAG,
                summary="Read how a conversation of the wallet stands",
                body=Nothing,
                query=Nothing,
                answer=Conversation,
                errors=(404,),
            ),
            Route(
                method="GET",
                path=f"{own}/{{conversation_id}}/messages",
                handler=self.messages,
                tag=_TAG,
                summary="Read a conversation of the wallet",
                body=Nothing,
                query=MessageFilter,
                answer=ConversationEntries,
                errors=(404,),
            ),
            Route(
                method="POST",
                path=f"{own}/{{conversation_id}}/messages",
                handler=self.send,
                tag=_TAG,
                summary="Say something; the conversation's agent answers",
                body=NewMessage,
                example={"content": "What is 6*7?"},
                query=Nothing,
                answer=MessageAccepted,
                status=202,
                errors=(404, 503),
            ),
        ]
        rows += WalletTasksApi(self._router).routes()
        own_rows = (msgspec.structs.replace(row, admit=self.admit, security=_SECURITY) for row in rows)
        return [self._info_route(), *own_rows]

    def _info_route(self) -> AnyRoute:
        return Route(
            method="GET",
            path="/api/websocket-info",
            handler=self.info,
            tag=_TAG,
            summary="Read how wallets connect (no credential)",
            body=Nothing,
            query=Nothing,
            answer=WebSocketInfo,
            admit=_admit_anybody,
            security=(),
        )


async def _admit_anybody(method: str, headers: Headers, parameters: Mapping[str, str]) -> Principal:
    await trio.lowlevel.checkpoint()
    return Principal("anybody")


def _entry(conversation_id: str, index: int, message: Message) -> ConversationEntry:
    return ConversationEntry(
        id=message_id(conversation_id, index),
        role=message.role,
        content=(TextPart(message.content),),
        task_id=message.task_id,
        timestamp=iso(message.timestamp),
    )
