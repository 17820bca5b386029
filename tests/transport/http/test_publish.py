from __future__ import annotations

import pytest
import trio

from actors.retention import Retention
from tests.support.world import Limits
from tests.transport.http.site import Json, Site, open_site

PUBLISH = "/api/v1/publish"
HISTORY = "/api/v1/channels/app/news/history"


def event(data: object = 1, **more: object) -> dict[str, object]:
    return {"channel": "app", "topic": "news", "event_type": "headline", "data": data, **more}


async def test_what_is_published_is_in_the_history(site: Site) -> None:
    published = await site.post(PUBLISH, event({"text": "Hello"}), user="p")
    assert published["duplicate"] is False
    page = await site.get(HISTORY)
    (one,) = page["events"]
    assert one["timestamp"] > 0
    del one["timestamp"]
    assert one == {
        "channel": "app",
        "topic": "news",
        "event_type": "headline",
        "data": {"text": "Hello"},
        "offset": 1,
        "epoch": published["position"].split(":")[0],
        "position": published["position"],
    }
    assert (page["position"], page["gap"], page["more"]) == (published["position"], None, False)


async def test_publishing_needs_the_scope(site: Site) -> None:
    refused = await site.post(PUBLISH, event(), user="a", status=403)
    assert refused["error"]["code"] == "FORBIDDEN"
    assert (await site.get(HISTORY))["events"] == []


@pytest.mark.parametrize("in_header", [False, True])
async def test_the_same_key_publishes_once_within_five_minutes(
    autojump_clock: trio.abc.Clock, site: Site, in_header: bool
) -> None:
    async def publish(data: int) -> Json:
        if in_header:
            return await site.post(PUBLISH, event(data), user="p", Idempotency_Key="k1")
        return await site.post(PUBLISH, event(data, idempotency_key="k1"), user="p")

    first, second = await publish(1), await publish(2)
    assert second == {"position": first["position"], "duplicate": True}
    other = await site.post(PUBLISH, event(3, idempotency_key="k1"), user="root")
    assert other["duplicate"] is False
    await trio.sleep(301)
    assert (await publish(4))["duplicate"] is False
    assert [one["data"] for one in (await site.get(HISTORY))["events"]] == [1, 3, 4]


async def test_a_key_is_one_and_of_a_sensible_length(site: Site) -> None:
    await site.post(PUBLISH, event(idempotency_key="x"), user="p", status=400, Idempotency_Key="y")
    await site.post(PUBLISH, event(idempotency_key=""), user="p", status=400)
    await site.post(PUBLISH, event(idempotency_key="x" * 201), user="p", status=400)
    assert (await site.get(HISTORY))["events"] == []


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"channel": "nope"}, 400, "INVALID_CHANNEL"),
        ({"topic": "a b"}, 400, "INVALID_PAYLOAD"),
        ({"event_type": "a\nb"}, 400, "INVALID_PAYLOAD"),
        ({"event_type": "task.completed"}, 400, "INVALID_PAYLOAD"),
        ({"channel": "task", "topic": "task-0"}, 404, "NOT_FOUND"),
        ({"channel": "system", "topic": "alerts"}, 403, "FORBIDDEN"),
        ({"data": 2**70}, 400, "INVALID_PAYLOAD"),
    ],
)
async def test_a_bad_event_is_refused(site: Site, change: dict[str, object], status: int, code: str) -> None:
    body = {**event(), **change}
    if change == {"data": 2**70}:
        raw = b'{"channel":"app","topic":"news","event_type":"headline","data":%d}' % 2**70
        response = await site.request("POST", PUBLISH, user="p", data=raw)
        assert response.status_code == status
        return
    assert (await site.post(PUBLISH, body, user="p", status=status))["error"]["code"] == code


async def test_history_is_read_in_pages_by_position(site: Site) -> None:
    for number in range(5):
        await site.post(PUBLISH, event(number), user="p")
    seen: list[int] = []
    since, more = "0", True
    while more:
        page = await site.get(f"{HISTORY}?since={since}&limit=2")
        seen += [one["data"] for one in page["events"]]
        since, more = page["position"], page["more"]
    assert seen == [0, 1, 2, 3, 4]
    end = await site.get(f"{HISTORY}?since={since}")
    assert (end["events"], end["position"], end["more"]) == ([], since, False)


async def test_a_position_that_is_no_more_is_an_explicit_gap(
    autojump_clock: trio.abc.Clock, nursery: trio.Nursery
) -> None:
    site = open_site(nursery, limits=Limits(retention={"app": Retention(events=2)}))
    for number in range(5):
        last = await site.post(PUBLISH, event(number), user="p")
    epoch = last["position"].split(":")[0]

    async def read(since: str) -> tuple[Json, list[int]]:
        page = await site.get(f"{HISTORY}?since={since}")
        return page["gap"], [one["data"] for one in page["events"]]

    assert await read(f"{epoch}:1") == ({"from": 2, "to": 3, "reason": "retention"}, [3, 4])
    assert await read("another:4") == ({"from": 1, "to": 3, "reason": "epoch"}, [3, 4])
    assert await read(f"{epoch}:9") == ({"from": 6, "to": 9, "reason": "future"}, [])
    assert await read("0") == ({"from": 1, "to": 3, "reason": "retention"}, [3, 4])
    assert await read(f"{epoch}:3") == (None, [3, 4])


@pytest.mark.parametrize("since", ["x", "1", "e:-1", "e:1:2", "e:99999999999999999999"])
async def test_a_position_in_no_form_is_refused(site: Site, since: str) -> None:
    assert (await site.get(f"{HISTORY}?since={since}", status=400))["error"]["code"] == "INVALID_PAYLOAD"


@pytest.mark.parametrize("path", ["nope/news", "app/a%20b", "task/task-0", "system/nothing", "app/%00", "agent/echo"])
async def test_a_topic_that_cannot_be_is_not_there(site: Site, path: str) -> None:
    assert (await site.get(f"/api/v1/channels/{path}/history", status=404))["error"]["code"] == "NOT_FOUND"


async def test_the_figures_topic_is_for_admins(site: Site) -> None:
    await site.get("/api/v1/channels/system/stats/history", status=403)
    await site.get("/api/v1/channels/system/stats/history", user="root")
