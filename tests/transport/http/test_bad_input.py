"""Whatever comes in, the answer is a refusal in one form, and never a 500."""

from __future__ import annotations

import msgspec
import pytest
import trio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.transport.http.site import AGENTS, Site, open_site, read
from transport.http.services import HttpOptions

TASKS = "/api/v1/tasks"
POSTS = (
    TASKS,
    f"{TASKS}/task-0/turns",
    f"{TASKS}/task-0/confirm",
    f"{TASKS}/task-0/events",
    "/api/v1/sessions",
    "/api/v1/batches",
    "/api/v1/agents",
    "/api/v1/publish",
)


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (b"{", "INVALID_JSON"),
        (b"nonsense", "INVALID_JSON"),
        (b'{"agent": "echo", "prompt": NaN}', "INVALID_JSON"),
        (b'{"agent": "echo", "prompt": "\xff"}', "INVALID_JSON"),
        (b'{"agent": "echo", "prompt": "\\ud800"}', "INVALID_JSON"),
        (b"[" * 100_000, "INVALID_JSON"),
        (b'{"agent": "echo", "prompt": "x", "context": {"deep": ' + b"[" * 500 + b"]" * 500 + b"}}", "INVALID_PAYLOAD"),
        (b'{"agent": "echo", "prompt": "x", "context": {"big": 99999999999999999999999}}', "INVALID_PAYLOAD"),
        (b"[]", "INVALID_PAYLOAD"),
        (b"null", "INVALID_PAYLOAD"),
    ],
)
async def test_what_is_no_task_is_refused(site: Site, raw: bytes, code: str) -> None:
    answer = await read(await site.request("POST", TASKS, data=raw), 400)
    assert answer["error"]["code"] == code


@pytest.mark.parametrize(
    ("path", "body", "named"),
    [
        (TASKS, {"prompt": "x"}, "`agent`"),
        (TASKS, {"agent": "echo"}, "`prompt`"),
        (TASKS, {"agent": "echo", "prompt": 7}, "$.prompt"),
        (TASKS, {"agent": "echo", "prompt": "x", "context": []}, "$.context"),
        (f"{TASKS}/x/confirm", {"step_id": "s", "approved": "yes"}, "$.approved"),
        (f"{TASKS}/x/turns", None, "`prompt`"),
        ("/api/v1/sessions", {"title": None}, "$.title"),
        ("/api/v1/agents", {"name": "x"}, "`description`"),
        ("/api/v1/publish", {"channel": "app", "topic": "t", "event_type": "x"}, "`data`"),
    ],
)
async def test_the_member_that_is_wrong_is_named(site: Site, path: str, body: object, named: str) -> None:
    assert named in (await site.post(path, body, status=400))["error"]["message"]


async def test_a_body_that_is_too_large_or_packed(nursery: trio.Nursery) -> None:
    site = open_site(nursery, options=HttpOptions(body_bytes=1000))
    await read(await site.request("POST", TASKS, data=b" " * 1001), 413)
    packed = await site.request("POST", TASKS, data=b"x", headers={"Content-Encoding": "gzip"})
    await read(packed, 415)


@pytest.mark.parametrize("path", ["/nope", "/api/v1/nope", "/api//v1/tasks", "/api/v1/tasks/", "/api/v1/tasks/a/b"])
async def test_a_path_that_is_not_there(site: Site, path: str) -> None:
    assert (await site.get(path, status=404))["error"]["code"] == "NOT_FOUND"


@pytest.mark.parametrize("task_id", ["%00", "%ff", "..", "%2e%2e", "a" * 5000, "%F0%9F%98%80"])
async def test_an_id_that_cannot_be_is_not_there(site: Site, task_id: str) -> None:
    await site.get(f"{TASKS}/{task_id}", status=404)


async def test_a_method_that_is_not_for_it(site: Site) -> None:
    response = await site.request("DELETE", TASKS)
    assert (await read(response, 405))["error"]["code"] == "METHOD_NOT_ALLOWED"
    assert "POST" in response.headers["Allow"]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.sampled_from(sorted(AGENTS)),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
MEMBERS = (
    *("agent", "prompt", "session_id", "context", "step_id", "approved", "events", "event_type", "data", "title"),
    *("tasks", "name", "description", "channel", "topic", "idempotency_key"),
)
bodies = st.one_of(
    st.binary(max_size=40),
    st.dictionaries(st.sampled_from(MEMBERS), json_values, max_size=5).map(msgspec.json.encode),
    json_values.map(msgspec.json.encode),
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(path=st.sampled_from(POSTS), raw=bodies)
async def test_no_body_makes_the_engine_fail(nursery: trio.Nursery, path: str, raw: bytes) -> None:
    site = open_site(nursery)
    response = await site.request("POST", path, user="root", data=raw)
    assert response.status_code < 500, await response.get_data(as_text=False)
    assert response.mimetype == "application/json"


async def test_a_failure_of_the_engine_is_told_without_its_secrets_and_logged(
    site: Site, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError("the secret")

    monkeypatch.setattr(site.world.tasks, "page", fail)
    refused = await site.get(TASKS, status=500)
    assert refused["error"]["code"] == "INTERNAL"
    assert "secret" not in str(refused)
    assert "the secret" in caplog.text
    await site.task("echo")
