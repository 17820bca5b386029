"""A client that stops reading delays no client of any other dialect, and has lost nothing when it reads on.

Nothing here is a matter of time: the others have all of it while the slow one's socket is still full.
"""

from __future__ import annotations

import pytest
import trio
import trio.testing

from tests.matrix.owner import Stage, stage
from tests.support.faces.company import DIALECTS, company
from tests.support.faces.face import Ending, Face
from tests.support.speaker import answer_to

FILLING = "long 60"
"""Nearly a MiB: more than both ends of a slow client's socket hold."""


@pytest.mark.parametrize("slow", DIALECTS)
async def test_who_stops_reading_delays_nobody_and_then_gets_all(slow: str) -> None:
    async with stage() as on, company(on.place, *DIALECTS, slow=slow) as faces:
        on.speaker.let_go()
        others = [dialect for dialect in DIALECTS if dialect != slow]
        for prompt in (FILLING, "hello"):
            await faces[others[0]].start(prompt, faces.session_id)
            async with trio.open_nursery() as nursery:
                for dialect in others:
                    nursery.start_soon(sees, faces[dialect], prompt)
            # Whoever else lagged meanwhile has caught up: the one that is left is the one that does not read.
            await until_lagging(on, 1)
        # Two tasks may be told of in turn: which of them ends first is open.
        late = [await faces[slow].see_end() for _ in range(2)]
        assert sorted(late, key=size) == [ended("hello"), ended(FILLING)]
        await until_lagging(on, 0)


async def sees(face: Face, prompt: str) -> None:
    assert await face.see_end() == ended(prompt)


def ended(prompt: str) -> Ending:
    return Ending("completed", "".join(answer_to(prompt)))


def size(ending: Ending) -> int:
    return len(ending.text)


async def until_lagging(on: Stage, clients: int) -> None:
    """Returns once so many clients have not taken all that there is for them."""
    with trio.fail_after(10):
        while on.gateway.world.connections.statistics().lagging != clients:
            await trio.testing.wait_all_tasks_blocked(0.005)
