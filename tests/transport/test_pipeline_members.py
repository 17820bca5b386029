"""The members of a group as they come and go: who is none is served neither live nor in history."""

from __future__ import annotations

import httpx2
import pytest

from tests.support.gateway import Gateway, running_gateway
from tests.support.pipeline import PIPELINE, pipeline_client
from tests.transport.agents import AGENTS
from tests.transport.test_pipeline_users import closed_gateway


class Http:
    """Asks for the group as a user."""

    def __init__(self, gateway: Gateway) -> None:
        self._base = f"http://127.0.0.1:{gateway.port}/api/v1/pipelines/{PIPELINE}/ws"

    async def post(self, user: str, path: str, body: object, status: int = 200) -> httpx2.Response:
        async with httpx2.AsyncClient(trust_env=False) as http:
            answer = await http.post(f"{self._base}/{path}", json=body, headers=_shown(user))
        assert answer.status_code == status, answer.text
        return answer

    async def get(self, user: str, path: str, status: int = 200) -> httpx2.Response:
        async with httpx2.AsyncClient(trust_env=False) as http:
            answer = await http.get(f"{self._base}/{path}", headers=_shown(user))
        assert answer.status_code == status, answer.text
        return answer


def _shown(user: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {user}"}


async def test_a_moderator_lets_a_user_in_and_takes_one_out() -> None:
    async with closed_gateway() as gateway, pipeline_client(gateway, "group", token="paul") as paul:
        http = Http(gateway)
        await http.get("bob", "messages/group", 403)
        told = (await http.post("paul", "members", {"user_id": "bob"})).json()["data"]
        assert [one["user_id"] for one in told["members"]] == ["alice", "paul", "bob"]
        async with pipeline_client(gateway, "group", token="bob") as bob:
            await paul.next("presence")
            await http.get("bob", "messages/group")
            await http.post("paul", "members/remove", {"user_id": "bob"})
            assert (await paul.next("presence"))["data"]["status"] == "left"
            await paul.say("without bob")
            error = await bob.receive()
            assert (error["type"], error["message"]) == ("error", "not a member of this group")
            assert (await bob.closing())[0] == 4401
        await http.get("bob", "messages/group", 403)
        await http.post("bob", "uploads?session_type=group", {}, 403)
        async with pipeline_client(gateway, "group", token="bob", greeted=False) as bob:
            assert (await bob.receive())["message"] == "not a member of this group"


async def test_only_moderators_say_who_is_in_a_group_but_anybody_may_leave() -> None:
    async with closed_gateway() as gateway:
        http = Http(gateway)
        for user in ("alice", "bob"):
            await http.post(user, "members", {"user_id": "bob"}, 403)
            await http.post(user, "members/remove", {"user_id": "paul"}, 403)
        await http.post("alice", "members/remove", {"user_id": "alice"})
        await http.get("alice", "members", 403)
        await http.post("paul", "members/remove", {"user_id": "alice"}, 404)
        await http.post("root", "members", {"user_id": "alice"})
        await http.get("alice", "members")


@pytest.mark.parametrize(
    "body", [{}, {"user_id": 1}, {"user_id": ""}, {"user_id": "*"}, {"user_id": "\x1dgroup x"}, []]
)
async def test_a_bad_name_is_refused(body: object) -> None:
    async with closed_gateway() as gateway:
        refused = await Http(gateway).post("paul", "members", body, 400)
        assert refused.json()["code"] == -1


async def test_the_first_member_closes_an_open_group() -> None:
    async with running_gateway(AGENTS) as gateway, pipeline_client(gateway, "group", token="bob") as bob:
        http = Http(gateway)
        await http.post("bob", "members", {"user_id": "bob"}, 403)
        assert (await http.get("alice", "members")).json()["data"]["open"] is True
        told = (await http.post("root", "members", {"user_id": "alice"})).json()["data"]
        assert told == {"open": False, "members": [{"user_id": "alice", "moderator": False, "online": False}]}
        assert (await bob.closing())[0] == 4401
        # A group is one thing, what a user says alone another.
        await http.get("bob", "messages/person")
