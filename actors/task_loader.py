"""How tasks come back from the store: as they have ended, to be ended, or to go on."""

from __future__ import annotations

from typing import Protocol

import msgspec

from actors import kept_questions
from actors.agent import Agent, is_resumable
from actors.agents import Agents, RemoteAgent
from actors.commands import TaskState
from actors.errors import CallboardError
from actors.event import ChannelKey
from actors.kept_questions import KeptQuestion
from actors.kept_task import POST_RECORDS, TASK_RECORDS, TURN_RECORDS, by_task, restored
from actors.log import Log, new_epoch
from actors.past_task import PastOutcome
from actors.position import Position
from actors.redaction import TaskRedaction
from actors.remote_task import RemoteTask
from actors.session import Session
from actors.sessions import Sessions
from actors.shelved_task import ShelvedTask, shelved
from actors.store import Store
from actors.task import LocalTask
from actors.task_events import is_over
from actors.task_handle import TaskHandle, failed
from actors.task_past import Past, read_journal, read_past
from actors.task_record import Ending, TaskRecord
from actors.task_services import TaskServices

_INTERRUPTED = "the engine was restarted while the task ran"


class MakeTask(Protocol):
    def __call__(
        self, record: TaskRecord, key: ChannelKey, session: Session | None, past: PastOutcome | None = None
    ) -> TaskHandle:
        """Raises CallboardError NOT_FOUND for an unknown agent."""
        ...


class TaskLoader:
    """Of a task that ran, its agent decides: one elsewhere goes on, a resumable one is started again, of any other the
    task has failed. One that did not begin to run is yet to."""

    def __init__(
        self, services: TaskServices, agents: Agents, sessions: Sessions, max_turns: int, make: MakeTask
    ) -> None:
        self._channels = services.channels
        self._client_tool_bytes = services.client_tool_bytes
        self._agents = agents
        self._sessions = sessions
        self._max_turns = max_turns
        self._make = make
        self._turns: dict[str, int] = {}
        """How many were appended."""
        self._posts: dict[str, list[str]] = {}
        self._questions: dict[str, list[KeptQuestion]] = {}

    async def load(self, store: Store) -> list[TaskHandle | ShelvedTask]:
        """All, in the order of their creation. Raises actors.store.StoreError."""
        turns = by_task(await store.records(TURN_RECORDS))
        self._turns = {task_id: len(prompts) for task_id, prompts in turns.items()}
        self._posts = by_task(await store.records(POST_RECORDS))
        self._questions = kept_questions.by_task(await store.records(kept_questions.QUESTION_RECORDS))
        found = [self._shelved(body) or self._restored(body) for _, body in await store.records(TASK_RECORDS)]
        return [
            one if isinstance(one, ShelvedTask) else await self._load(one, turns.get(one.id, []))
            for one in sorted(found, key=lambda one: one.serial)
        ]

    def take_off(self, shelved: ShelvedTask) -> TaskHandle:
        """The task, of which something is wanted now."""
        record = restored(shelved.body, self._beginning, self._max_turns)
        kept_questions.take_up(record, self._questions.get(record.id, ()), self._client_tool_bytes)
        outcome = record.decided or Ending(shelved.state)
        record.finish(outcome)
        record.turns_asked = 1 + self._turns.get(record.id, 0)
        key = ChannelKey("task", record.id, record.user_id)
        return self._make(record, key, None, self._past(record, Past(record.id, remote=False), outcome))

    def _shelved(self, body: bytes) -> ShelvedTask | None:
        """None for one that has not ended."""
        found = shelved(body)
        return found if found is not None and self._has_ended(ChannelKey("task", found.id, found.user_id)) else None

    def _restored(self, body: bytes) -> TaskRecord:
        record = restored(body, self._channels.origin, self._max_turns)
        kept_questions.take_up(record, self._questions.get(record.id, ()), self._client_tool_bytes)
        return record

    def _beginning(self, key: ChannelKey) -> Position:
        """Also of a topic that is no more, which is not opened again."""
        log = self._channels.peek(key)
        return Position(new_epoch() if log is None else log.epoch, 0)

    async def _load(self, record: TaskRecord, appended: list[str]) -> TaskHandle:
        key = ChannelKey("task", record.id, record.user_id)
        agent = self._find_agent(record.command.agent)
        log = self._channels.log(key)
        past = await read_past(log, remote=isinstance(agent, RemoteAgent))
        record.take_up_turns(past.turn, appended)
        session = self._rejoin(record, log, agent)
        return await self._unended(record, log, session, agent, past)

    async def _unended(
        self, record: TaskRecord, log: Log, session: Session | None, agent: Agent | RemoteAgent | None, past: Past
    ) -> TaskHandle:
        outcome = self._outcome(record, agent, past)
        if outcome is not None:
            # Nobody is asked any more, also before its last event is there.
            record.begin_end()
            return self._make(record, log.key, session, self._past(record, past, outcome))
        task = self._make(record, log.key, session)
        if isinstance(task, RemoteTask):
            task.take_up(past, self._posts.get(record.id, []))
        elif isinstance(task, LocalTask) and record.started_at is not None:
            task.resume(past, await read_journal(log))
        return task

    def _past(self, record: TaskRecord, past: Past, outcome: Ending) -> PastOutcome:
        return PastOutcome(past, outcome, tuple(self._posts.get(record.id, [])))

    def _outcome(self, record: TaskRecord, agent: Agent | RemoteAgent | None, past: Past) -> Ending | None:
        """How it ends at once; None for one that goes on."""
        if record.decided is not None:
            return record.decided
        is_claimed = isinstance(agent, RemoteAgent) and record.claimed_by is not None
        if record.cancel_requested and not is_claimed:
            return Ending(TaskState.CANCELLED, reason="requested")
        if isinstance(agent, RemoteAgent) or (agent is not None and record.started_at is None):
            return None
        if agent is not None and is_resumable(agent):
            return None
        return msgspec.structs.replace(failed("interrupted", _INTERRUPTED), text=past.text)

    def _rejoin(self, record: TaskRecord, log: Log, agent: Agent | RemoteAgent | None) -> Session | None:
        """Its session, which waits for it again."""
        session_id = record.command.session_id
        session = None if session_id is None or record.has_left else self._sessions.named(session_id)
        logs = [log]
        if session is not None:
            session.take_up_task(record.id, entered=record.started_at is not None or record.announced)
            logs.append(self._channels.log(session.key))
        if isinstance(agent, RemoteAgent):
            logs.append(self._channels.log(ChannelKey("agent", agent.name, agent.user_id)))
        if record.is_redacted:
            redaction = TaskRedaction(record.id, asked=not record.command.prompt)
            for each in logs:
                each.redact(redaction, lasting=True)
        return session

    def _has_ended(self, key: ChannelKey) -> bool:
        """Its last event is kept, or was."""
        log = self._channels.peek(key)
        return log is None or is_over(log) or log.first > log.tail > 0

    def _find_agent(self, name: str) -> Agent | RemoteAgent | None:
        try:
            return self._agents.find(name)
        except CallboardError:
            return None
