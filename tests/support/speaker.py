"""An agent that says a first piece at once, and the rest when it is let."""

from __future__ import annotations

import trio

from actors.agent import Result, TaskContext

PIECE = 16 * 1024
"""Characters of one piece of a long answer."""


class Speaker:
    """The agent, and the test's hold on it."""

    def __init__(self) -> None:
        self._go = trio.Event()
        self._begun = trio.Event()

    def let_go(self) -> None:
        """From now on whoever is asked answers to the end."""
        self._go.set()

    async def has_begun(self) -> None:
        """Returns once a first piece is said: whoever cancels from then on finds it in the answer."""
        with trio.fail_after(10):
            await self._begun.wait()

    async def __call__(self, task: TaskContext) -> Result:
        """A prompt `long N` is answered with so many pieces, every other one by two words."""
        answer = answer_to(task.prompt)
        await task.message(answer[0])
        self._begun.set()
        await self._go.wait()
        for piece in answer[1:]:
            await task.message(piece)
        return Result("".join(answer))


def answer_to(prompt: str) -> list[str]:
    """The pieces of the answer."""
    if prompt.startswith("long "):
        return [f"{number} ".ljust(PIECE, "-") for number in range(int(prompt.removeprefix("long ")))]
    return [f"{prompt}: ", "done"]
