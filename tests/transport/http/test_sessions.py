from __future__ import annotations

from trio.testing import wait_all_tasks_blocked

from tests.transport.http.site import Site


async def test_a_conversation_is_extended_by_its_tasks(site: Site) -> None:
    session = await site.post("/api/v1/sessions", {"title": "Plans"}, status=201)
    assert (session["title"], session["agent"], session["messages"]) == ("Plans", "echo", 0)
    for prompt in ("one", "two"):
        await site.task("echo", prompt, session_id=session["id"])
    await wait_all_tasks_blocked()
    assert (await site.get(f"/api/v1/sessions/{session['id']}"))["messages"] == 4
    first = await site.get(f"/api/v1/sessions/{session['id']}/messages?limit=3")
    assert [(one["role"], one["content"]) for one in first["messages"]] == [
        ("user", "one"),
        ("assistant", "ONE"),
        ("user", "two"),
    ]
    rest = await site.get(f"/api/v1/sessions/{session['id']}/messages?after={first['next']}")
    assert ([one["content"] for one in rest["messages"]], rest["next"]) == (["TWO"], None)


async def test_sessions_are_listed_newest_first_in_pages(site: Site) -> None:
    made = [(await site.post("/api/v1/sessions", status=201))["id"] for _ in range(3)]
    first = await site.get("/api/v1/sessions?limit=2")
    rest = await site.get(f"/api/v1/sessions?limit=2&after={first['next']}")
    assert [one["id"] for one in first["sessions"] + rest["sessions"]] == made[::-1]
    assert rest["next"] is None


async def test_a_session_of_somebody_else_is_not_there(site: Site) -> None:
    session = await site.post("/api/v1/sessions", status=201)
    path = f"/api/v1/sessions/{session['id']}"
    assert (await site.get("/api/v1/sessions", user="b"))["sessions"] == []
    await site.get(path, user="b", status=404)
    await site.get(f"{path}/messages", user="b", status=404)
    await site.post(
        "/api/v1/tasks", {"agent": "echo", "prompt": "x", "session_id": session["id"]}, user="b", status=404
    )
    assert (await site.get(path, user="root"))["id"] == session["id"]
    assert len((await site.get("/api/v1/sessions", user="root"))["sessions"]) == 1


async def test_a_session_of_an_unknown_agent_is_not_opened(site: Site) -> None:
    await site.post("/api/v1/sessions", {"agent": "nobody"}, status=404)
    assert (await site.get("/api/v1/sessions"))["sessions"] == []


async def test_a_negative_page_names_the_parameter(site: Site) -> None:
    session = await site.post("/api/v1/sessions", status=201)
    refused = await site.get(f"/api/v1/sessions/{session['id']}/messages?after=-1", status=400)
    assert "$.after" in refused["error"]["message"]
