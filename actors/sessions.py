"""The directory of conversations."""

from __future__ import annotations

import secrets
from collections import OrderedDict
from collections.abc import Iterable
from contextlib import suppress
from functools import partial
from itertools import islice

import msgspec

from actors.agent import Message
from actors.channels import Channels
from actors.childspec import ChildSpec, Restart
from actors.commands import CreateSession, SessionView
from actors.errors import CallboardError, ErrorCode
from actors.groups import Groups
from actors.kept_session import MESSAGE_RECORDS, SESSION_RECORDS, KeptSession, by_session
from actors.principal import Principal
from actors.session import Session
from actors.session_record import SessionRecord
from actors.spawner import Spawner, spawn
from actors.store import Store

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
        self._of_user: Groups[str, Session] = Groups()
        self._keyed: dict[str, dict[str, Session]] = {}
        """Those that their creator has given a key: by that, then by owner."""
        self._serial = 0
        self._idle: OrderedDict[Session, None] = OrderedDict()
        """No task of theirs is to come, waits or runs. In the order of their last use."""

    def __len__(self) -> int:
        return len(self._sessions)

    def create(self, principal: Principal, command: CreateSession) -> Session:
        """Raises CallboardError BUSY where all that may be kept are in use, INVALID_PAYLOAD for too long a title. What
        is kept in order behind this call is kept only with it."""
        if len(command.title) > _TITLE_CHARACTERS:
            message = f"a session's title has at most {_TITLE_CHARACTERS} characters"
            raise CallboardError(ErrorCode.INVALID_PAYLOAD, message)
        if len(self._sessions) >= self._options.sessions:
            self._forget_one()
        chosen = msgspec.structs.replace(command, agent=command.agent or self._options.default_agent)
        session = self._make(f"session-{secrets.token_hex(8)}", principal.user_id, chosen, self._serial + 1)
        self._enter(session)
        self._channels.keeper.note(session.record.kept, opened=(session.opening,))
        return session

    async def take_up(self, store: Store) -> None:
        """All that are kept go on. Raises actors.store.StoreError."""
        messages = by_session(await store.records(MESSAGE_RECORDS))
        records = await store.records(SESSION_RECORDS)
        kept = [(session_id, msgspec.json.decode(body, type=KeptSession)) for session_id, body in records]
        for session_id, one in sorted(kept, key=lambda each: each[1].serial):
            command = CreateSession(title=one.title, agent=one.agent, key=one.key)
            session = self._make(session_id, one.user_id, command, one.serial)
            session.record.take_up(one, messages.get(session_id, []))
            self._enter(session)
        for session_id, _ in sorted(kept, key=lambda each: each[1].updated_at):
            self._note_use(self._sessions[session_id])

    def named(self, session_id: str) -> Session | None:
        """Whoever's it is; None for one that is forgotten or never was."""
        return self._sessions.get(session_id)

    def keyed(self, key: str) -> tuple[Session, ...]:
        """Everybody's sessions of that key."""
        return tuple(self._keyed.get(key, {}).values())

    def find_keyed(self, principal: Principal, key: str) -> Session | None:
        """The principal's own session of that key."""
        session = self._keyed.get(key, {}).get(principal.user_id)
        if session is not None:
            self._note_use(session)
        return session

    def find(self, principal: Principal, session_id: str) -> Session:
        """Raises CallboardError NOT_FOUND, also for somebody else's."""
        session = self._sessions.get(session_id)
        if session is None or not principal.sees(session.user_id):
            raise CallboardError(ErrorCode.NOT_FOUND, f"no session {session_id}")
        self._note_use(session)
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
                # Where the supervisor takes nobody it is being restarted again, and this comes again after it.
                with suppress(CallboardError):
                    self._start(session)

    def page(self, principal: Principal, after: str | None, limit: int) -> SessionPage:
        rest = iter(self._newest_first(principal))
        if after is not None:
            # Takes all where it is unknown: what was forgotten since has nothing older behind it.
            next((session for session in rest if session.id == after), None)
        chosen = list(islice(rest, limit + 1))
        page = tuple(session.view() for session in chosen[:limit])
        return SessionPage(page, page[-1].id if len(chosen) > limit else None)

    def messages(self, principal: Principal, session_id: str, after: int, limit: int) -> MessagePage:
        """`after` counts messages from the conversation's beginning: 0 reads from the first that is kept."""
        session = self.find(principal, session_id)
        history = session.record.history
        begin = max(after - history.first, 0)
        chosen = tuple(history.messages[begin : begin + limit])
        end = history.first + begin + len(chosen)
        return MessagePage(chosen, end if end < history.end else None)

    def _make(self, session_id: str, user_id: str, command: CreateSession, serial: int) -> Session:
        self._serial = serial
        record = SessionRecord(session_id, user_id, command, serial, self._options.messages)
        return Session(record, self._channels, mailbox=self._options.mailbox, used=self._note_use)

    def _enter(self, session: Session) -> None:
        self._sessions[session.id] = session
        self._of_user.add(session.user_id, session)
        if session.record.caller_key:
            self._keyed.setdefault(session.record.caller_key, {}).setdefault(session.user_id, session)
        self._note_use(session)

    def _start(self, session: Session) -> None:
        body = partial(session.alone.run, session.run)
        spawn(self._supervisor, ChildSpec(f"session {session.id}", body, Restart.TRANSIENT))
        session.running = True

    def _newest_first(self, principal: Principal) -> Iterable[Session]:
        """Those the principal sees."""
        if principal.is_admin:
            return reversed(self._sessions.values())
        return self._of_user.newest_first(principal.user_id)

    def _note_use(self, session: Session) -> None:
        self._idle.pop(session, None)
        # One that was forgotten may still hear of a task's end.
        if not session.record.is_expecting and self._sessions.get(session.id) is session:
            self._idle[session] = None

    def _forget_one(self) -> None:
        oldest = next((session for session in self._idle if session.is_idle), None)
        if oldest is None:
            raise CallboardError(ErrorCode.BUSY, f"{len(self._sessions)} sessions are in use", retry_after=5.0)
        del self._sessions[oldest.id], self._idle[oldest]
        self._of_user.discard(oldest.user_id, oldest)
        self._forget_key(oldest)
        oldest.close()
        self._channels.forget(oldest.key, *oldest.record.gone)

    def _forget_key(self, session: Session) -> None:
        owners = self._keyed.get(session.record.caller_key, {})
        if owners.get(session.user_id) is session:
            del owners[session.user_id]
            if not owners:
                del self._keyed[session.record.caller_key]
