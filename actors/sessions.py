"""The directory of conversations."""

from __future__ import annotations

import secrets

import msgspec
import trio

from actors.agent import Message
from actors.channels import Channels
from actors.childspec import ChildSpec, Restart
from actors.commands import CreateSession, SessionView
from actors.errors import CallboardError, ErrorCode
from actors.principal import Principal
from actors.session import Session
from actors.spawner import Spawner, spawn

_TITLE_CHARACTERS = 1_000


class SessionsOptions(msgspec.Struct, frozen=True):
    """`sessions`: kept in all; beyond it the one idle for longest goes. `messages`: kept of each, the newest."""

    sessions: int = 10_000
    messages: int = 1_000
    mailbox: int = 256
    default_agent: str = "offline"


class SessionPage(msgspec.Struct, frozen=True):
    """Newest first. `next` is the `after` of the following page, None on the last."""

    sessions: tuple[SessionView, ...]
    next: str | None


class MessagePage(msgspec.Struct, frozen=True):
    """Oldest first. `next` is the `after` of the following page, None on the last."""

    messages: tuple[Message, ...]
    next: int | None


class Sessions:
    """All conversations of the engine."""

    def __init__(self, supervisor: Spawner, channels: Channels, options: SessionsOptions | None = None) -> None:
        self._supervisor = supervisor
        self._channels = channels
        self._options = options or SessionsOptions()
        self._sessions: dict[str, Session] = {}

    def __len__(self) -> int:
        return len(self._sessions)

    def create(self, principal: Principal, command: CreateSession) -> Session:
        """Raises CallboardError BUSY where all that may be kept are in use, INVALID_PAYLOAD for too long a title."""
        if len(command.title) > _TITLE_CHARACTERS:
            message = f"a session's title has at most {_TITLE_CHARACTERS} characters"
            raise CallboardError(ErrorCode.INVALID_PAYLOAD, message)
        if len(self._sessions) >= self._options.sessions:
            self._forget_one()
        chosen = msgspec.structs.replace(command, agent=command.agent or self._options.default_agent)
        session = Session(
            f"session-{secrets.token_hex(8)}",
            principal.user_id,
            chosen,
            self._channels,
            mailbox=self._options.mailbox,
            max_messages=self._options.messages,
        )
        self._sessions[session.id] = session
        return session

    def find(self, principal: Principal, session_id: str) -> Session:
        """Raises CallboardError NOT_FOUND, also for somebody else's."""
        session = self._sessions.get(session_id)
        if session is None or not principal.sees(session.user_id):
            raise CallboardError(ErrorCode.NOT_FOUND, f"no session {session_id}")
        session.last_active = trio.current_time()
        return session

    def open(self, principal: Principal, session_id: str) -> Session:
        """As `find`, its actor running."""
        session = self.find(principal, session_id)
        if not session.running:
            self._start(session)
        return session

    def revive(self) -> None:
        """The supervisor has lost its children and runs again: starts the actors of the conversations in use."""
        for session in self._sessions.values():
            session.running = False
            if not session.is_idle:
                self._start(session)

    def page(self, principal: Principal, after: str | None, limit: int) -> SessionPage:
        visible = [session for session in reversed(self._sessions.values()) if principal.sees(session.user_id)]
        start = 0
        if after is not None:
            start = next((index + 1 for index, session in enumerate(visible) if session.id == after), len(visible))
        chosen = visible[start : start + limit]
        more = start + limit < len(visible)
        return SessionPage(tuple(session.view() for session in chosen), chosen[-1].id if more else None)

    def messages(self, principal: Principal, session_id: str, after: int, limit: int) -> MessagePage:
        """`after` counts messages from the conversation's beginning: 0 reads from the first that is kept."""
        session = self.find(principal, session_id)
        begin = max(after - session.forgotten, 0)
        chosen = tuple(session.messages[begin : begin + limit])
        end = begin + len(chosen)
        return MessagePage(chosen, session.forgotten + end if end < len(session.messages) else None)

    def _start(self, session: Session) -> None:
        spawn(self._supervisor, ChildSpec(f"session {session.id}", session.run, Restart.TRANSIENT))
        session.running = True

    def _forget_one(self) -> None:
        idle = [session for session in self._sessions.values() if session.is_idle]
        if not idle:
            raise CallboardError(ErrorCode.BUSY, f"{len(self._sessions)} sessions are in use", retry_after=5.0)
        oldest = min(idle, key=lambda session: session.last_active)
        del self._sessions[oldest.id]
        oldest.close()
        self._channels.forget(oldest.key)
