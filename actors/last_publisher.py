"""Who has published last: what keeps one that publishes without end from keeping everybody else from running."""

from __future__ import annotations


class LastPublisher:
    """To let others run costs a task more than all else of an event. So it does where the last event was its own as
    well: of those that nobody else comes between, at each second one."""

    __slots__ = ("_task",)

    def __init__(self) -> None:
        self._task = 0

    def note(self, task: int) -> bool:
        """A task publishes, by its id: none is held that has ended. Returns whether it may go on at once; else it is
        about to let the others run."""
        again = self._task == task
        self._task = 0 if again else task
        return not again

    def forget(self) -> None:
        """Whoever it was, others have run since."""
        self._task = 0
