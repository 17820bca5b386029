"""Takes back what was said in a task of a conversation, wherever the engine keeps it."""

from __future__ import annotations

import trio

from actors.feeds import Feeds
from actors.kept_task import redacted_records
from actors.redaction import TaskRedaction
from actors.router import Router
from actors.session import Session

_DEADLINE_SECONDS = 10.0


class Redactor:
    """Knows all the places: the conversation, the task, their topics, and the feeds that are derived from these."""

    def __init__(self, router: Router, feeds: Feeds) -> None:
        self._router = router
        self._feeds = feeds

    async def redact(self, session: Session, redaction: TaskRedaction) -> None:
        """Returns once nobody finds it in a history any more. What the task still says is taken back as it comes."""
        session.redact(redaction)
        task = self._router.tasks.named(redaction.task_id)
        lasting = task is not None and not task.record.is_ended
        # Whoever asked for it may go away at once: it is not left half done.
        with trio.move_on_after(_DEADLINE_SECONDS, shield=True):
            if task is not None:
                task.record.redact(redaction)
                records = redacted_records(task.record, asked=redaction.asked)
                self._router.channels.keeper.note(*records)
                await self._router.channels.redact(task.key, redaction, lasting=lasting)
            await self._router.channels.redact(session.key, redaction, lasting=lasting)
            await self._feeds.redact(session.user_id, redaction)
