"""What a wallet sends and is answered over HTTP."""

from __future__ import annotations

from typing import Annotated, TypeAlias

import msgspec
from msgspec import Meta

from actors.commands import SessionView
from actors.errors import CallboardError, ErrorCode
from transport.dialects.wallet_task import Status, TextPart, WalletTask, iso

Text: TypeAlias = Annotated[str, Meta(min_length=1)]


class MessageTypes(msgspec.Struct, frozen=True):
    client_to_server: tuple[str, ...]
    server_to_client: tuple[str, ...]


class WebSocketInfo(msgspec.Struct, frozen=True, kw_only=True):
    """`heartbeat_interval` is in seconds, `active_connections` counts the sockets of all wallets now."""

    endpoint: str
    protocols: tuple[str, ...]
    auth_header: str
    supported_message_types: MessageTypes
    heartbeat_interval: float
    active_connections: int


class Conversation(msgspec.Struct, frozen=True, kw_only=True):
    """A conversation as it stands. Times are ISO 8601, `messages` counts them."""

    id: str
    title: str
    agent: str
    created_at: str
    updated_at: str
    messages: int

    @classmethod
    def of(cls, view: SessionView) -> Conversation:
        return cls(
            id=view.id,
            title=view.title,
            agent=view.agent,
            created_at=iso(view.created_at),
            updated_at=iso(view.updated_at),
            messages=view.messages,
        )


class NewConversation(msgspec.Struct, frozen=True, kw_only=True):
    """`agent` answers the messages; empty for the engine's default one."""

    title: str = ""
    agent: str = ""


class ConversationList(msgspec.Struct, frozen=True):
    """Newest first. `next` is the `after` of the following page, null on the last."""

    conversations: list[Conversation]
    next: str | None


class ConversationEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One message, as in `new_message`."""

    id: str
    role: str
    content: tuple[TextPart, ...]
    task_id: str
    timestamp: str


class ConversationEntries(msgspec.Struct, frozen=True):
    """Oldest first. `next` is the `after` of the following page, null on the last."""

    messages: list[ConversationEntry]
    next: int | None


class NewMessage(msgspec.Struct, frozen=True):
    """What the user says: a text, or parts of one."""

    content: Text | Annotated[tuple[TextPart, ...], Meta(min_length=1)]

    def said(self) -> str:
        """Raises CallboardError INVALID_PAYLOAD where there is no text in it."""
        text = self.content if isinstance(self.content, str) else "".join(part.text for part in self.content)
        if not text:
            raise CallboardError(ErrorCode.INVALID_PAYLOAD, "`content` has no text")
        return text


class MessageAccepted(msgspec.Struct, frozen=True):
    """The conversation's agent answers in this task."""

    conversation_id: str
    task_id: str


class Confirmed(msgspec.Struct, frozen=True):
    """An answer to a step that waits; the first one counts. Without a `step_id` it answers the only one that waits."""

    approved: bool
    step_id: str = ""


class ListedTask(msgspec.Struct, frozen=True, kw_only=True):
    """A task without its content. The status' `message` is the result, or what went wrong; times are ISO 8601."""

    id: str
    conversation_id: str
    created_at: str
    status: Status


class TaskListOfWallet(msgspec.Struct, frozen=True):
    """Newest first. `next` is the `after` of the following page, null on the last."""

    tasks: list[ListedTask]
    next: str | None


class TaskOfWallet(msgspec.Struct, frozen=True):
    """A whole task, as in `task_update`."""

    conversation_id: str
    task: WalletTask
