"""Takes back what was said in a task of a conversation, wherever the engine keeps it."""

from __future__ import annotations

from functools import partial

import trio

from actors.event import ChannelKey
from actors.feeds import Feeds
from actors.kept_questions import open_records
from actors.kept_task import redacted_records
from actors.redaction import TaskRedaction
from actors.router import Router
from actors.session import Session
from actors.task_handle import TaskHandle

_DEADLINE_SECONDS = 10.0


class Redactor:
    """Knows all the places: the conversation, the task, their topics, the agent's, and the feeds that are derived from
    these."""

    def __init__(self, router: Router, feeds: Feeds) -> None:
        self._router = router
        self._feeds = feeds

    async def redact(self, session: Session, redaction: TaskRedaction) -> None:
        """Returns once nobody finds it in a history any more. What the task still says is taken back as it comes, also
        where it is yet to begin. Raises CallboardError UNAVAILABLE where nothing can be kept."""
        self._router.channels.keeper.check()
        lasting = session.record.expects(redaction.task_id)
        session.redact(redaction)
        task = self._router.tasks.named(redaction.task_id)
        lasting = lasting or (task is not None and not task.record.is_ended)
        # Whoever asked for it may go away at once: it is not left half done.
        with trio.move_on_after(_DEADLINE_SECONDS, shield=True):
            if task is not None:
                task.record.redact(redaction)
                records = redacted_records(task.record, asked=redaction.asked)
                self._router.channels.keeper.note(*records)
                # A question may have its place, and be kept, by a commit that is under way.
                self._router.channels.keeper.note_placed(partial(open_records, task.record))
                await self._router.channels.redact(task.key, redaction, lasting=lasting)
            for board in self._boards(session, task):
                await self._router.channels.redact(board, redaction, lasting=lasting)
            await self._router.channels.redact(session.key, redaction, lasting=lasting)
            await self._feeds.redact(session.user_id, redaction)

    def _boards(self, session: Session, task: TaskHandle | None) -> set[ChannelKey]:
        """Where an agent elsewhere was told of the task."""
        names = {session.record.agent} if task is None else {task.record.command.agent}
        owners = {name: self._router.agents.registrant(name) for name in names}
        return {ChannelKey("agent", name, owner) for name, owner in owners.items() if owner is not None}
