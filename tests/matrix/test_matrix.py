"""Five by five: what one dialect starts, says or cancels is seen through every other one by the same owner.

| | gateway | agent | steps | pipeline | wallet |
|---|---|---|---|---|---|
| a turn of a conversation | `session.exec` | query, `session_id` | submit, `sessionId` | a message | HTTP |
| seen in | all | all | all | all | all |
| a task of its own | `create` | query | submit | none: all is said in a room | HTTP: a new conversation |
| seen in | all but pipeline | all but pipeline | all but pipeline | | all but pipeline |
| cancel | `cancel` | `cancel` with `task_id` | `task:cancel` | recall of the question | HTTP |
| broadcast | HTTP publish | none | `RealtimeAgent.broadcast` in Python | HTTP | none |
| what was said | HTTP, or `since` | `history` | `lastEventId` | HTTP | HTTP |
| what was broadcast | HTTP, or `since` | `history` | `lastEventId` | `since` | 100 kept while away |

A pipeline's room shows its own conversation and no other, so that is the session which all name here.
"""

from __future__ import annotations

from typing import cast

import pytest

from tests.matrix.owner import OWNER, stage
from tests.support.faces.company import DIALECTS, company
from tests.support.faces.face import Ending, Said
from tests.support.faces.pipeline_face import PipelineFace

CELLS = [pytest.param(one, other, id=f"{one}->{other}") for one in DIALECTS for other in DIALECTS]
BROADCASTS = [pytest.param(one, other, id=f"{one}->{other}") for one in ("gateway", "pipeline") for other in DIALECTS]
ANSWER = "hello: done"
BEGUN = "hello: "


@pytest.mark.parametrize(("starter", "watcher"), CELLS)
async def test_a_turn_is_seen_while_it_runs_and_to_its_end(starter: str, watcher: str) -> None:
    async with stage() as on, company(on.place, starter, watcher) as faces:
        await faces[starter].start("hello", faces.session_id)
        assert await faces[watcher].see_begin()
        on.speaker.let_go()
        assert await faces[watcher].see_end() == Ending("completed", ANSWER)


@pytest.mark.parametrize(("starter", "watcher"), CELLS)
async def test_a_task_of_its_own_is_seen_but_in_rooms_of_other_conversations(starter: str, watcher: str) -> None:
    async with stage() as on, company(on.place, starter, watcher, "gateway") as faces:
        await faces[starter].start("hello", None)
        on.speaker.let_go()
        if watcher == "pipeline" != starter:
            await faces["gateway"].see_end()
            assert await cast(PipelineFace, faces["pipeline"]).hears_nothing()
        else:
            assert await faces[watcher].see_begin()
            assert await faces[watcher].see_end() == Ending("completed", ANSWER)


@pytest.mark.parametrize(("canceller", "watcher"), CELLS)
async def test_a_task_that_is_cancelled_by_one_is_seen_to_end_by_another(canceller: str, watcher: str) -> None:
    async with stage() as on, company(on.place, canceller, watcher) as faces:
        await faces["pipeline"].start("hello", faces.session_id)
        task_id = await faces[canceller].see_begin()
        if watcher != canceller:
            assert await faces[watcher].see_begin() == task_id
        await on.speaker.has_begun()
        await faces[canceller].cancel(task_id)
        ending = await faces[watcher].see_end()
        assert ending.state == "cancelled"
        # What the agent has said by then is kept; a plan's output comes only of a task that ends by itself. But who
        # recalls a question takes back its answer too: those that are told whole texts are told it no more.
        recalled = canceller == "pipeline" and watcher in ("pipeline", "wallet")
        assert ending.text == ("" if recalled or watcher == "steps" else BEGUN)


@pytest.mark.parametrize(("teller", "watcher"), BROADCASTS)
async def test_a_broadcast_to_a_conversation_is_seen(teller: str, watcher: str) -> None:
    async with stage() as on, company(on.place, teller, watcher) as faces:
        await faces[teller].broadcast(faces.session_id, "The house is on fire.")
        assert await faces[watcher].see_broadcast() == "The house is on fire."


@pytest.mark.parametrize(("teller", "watcher"), BROADCASTS)
async def test_who_was_away_learns_of_a_broadcast(teller: str, watcher: str) -> None:
    async with stage() as on:
        async with company(on.place, watcher) as faces:
            session_id = faces.session_id
        await on.all_gone()
        async with company(on.place, teller) as faces:
            await faces[teller].broadcast(session_id, "The house was on fire.")
        async with company(on.place, watcher) as faces:
            assert await faces[watcher].learn_broadcast(session_id) == "The house was on fire."


@pytest.mark.parametrize("watcher", DIALECTS)
async def test_what_is_broadcast_to_a_user_in_python_is_seen(watcher: str) -> None:
    """The steps dialect's own way: its clients have no request for it, its `RealtimeAgent` has."""
    async with stage() as on, company(on.place, watcher) as faces:
        agent = on.gateway.desk.agents.of(OWNER.user_id)
        await agent.broadcast("house", {"burns": True})
        await agent.broadcast("broadcast", {"message": "The house is on fire."})
        assert await faces[watcher].see_broadcast() == "The house is on fire."


@pytest.mark.parametrize(("starter", "reader"), CELLS)
async def test_the_history_of_a_conversation_is_the_same_everywhere(starter: str, reader: str) -> None:
    async with stage() as on, company(on.place, starter, reader) as faces:
        on.speaker.let_go()
        for prompt in ("hello", "again"):
            await faces[starter].start(prompt, faces.session_id)
            await faces[starter].see_end()
        told = await faces[reader].history(faces.session_id, 4)
        assert told == [
            Said("user", "hello"),
            Said("assistant", "hello: done"),
            Said("user", "again"),
            Said("assistant", "again: done"),
        ]
