"""Keeps a second run of an actor from beginning while one lives."""

from __future__ import annotations

import trio

from actors.childspec import Body


class Alone:
    """Two runs of one actor would take from the same mailbox, each of them half.

    Whoever starts actors again after a supervisor was restarted cannot tell those that it has lost from those that
    live, or wait for their restart. It need not: of two runs the second one ends at once.
    """

    __slots__ = ("_lives",)

    def __init__(self) -> None:
        self._lives = False

    async def run(self, body: Body, task_status: trio.TaskStatus[None]) -> None:
        """Runs the body, unless it runs already."""
        if self._lives:
            task_status.started()
            await trio.lowlevel.checkpoint()
            return
        self._lives = True
        try:
            await body(task_status)
        finally:
            self._lives = False
