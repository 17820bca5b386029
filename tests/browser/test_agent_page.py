"""The page for trying `/ws/agent`, used by a person: connection, kinds of messages, quick actions, statistics."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.browser.chromium import Page
from tests.browser.conftest import Arrive
from tests.e2e.engine_process import EngineProcess, engine_process

PAGE = "/static/test_websocket.html"
STATISTICS_MS = 2000
CONFIG = "[server]\ndrain_seconds = 0.1\n"


def connect(page: Page) -> None:
    page.role("button", "Connect").click()
    page.role("status", text="Connected").see()


def figure(page: Page, name: str) -> str:
    """What the statistics panel says."""
    rows = page.role("region", "Statistics").text.splitlines()
    return rows[rows.index(name) + 1]


def see_figure(page: Page, name: str, value: int) -> None:
    """Where the page's time is held: lets it run to the next reading."""
    page.pass_time(STATISTICS_MS)
    page.role("region", "Statistics").see_text(f"{name}{value} ")


def send(page: Page, kind: str, body: str) -> None:
    page.role("combobox", "Type").choose(kind)
    page.role("textbox", "Message").fill(body)
    page.role("button", "Send").click()


@pytest.fixture
def connected(page: Page, engine: EngineProcess) -> Page:
    page.open(engine.url + PAGE)
    connect(page)
    return page


def test_a_newcomer_gets_from_the_front_page_to_a_connection(page: Page, engine: EngineProcess) -> None:
    page.open(engine.url)
    page.role("link", "Queries, tools and rooms").click()
    page.role("status", text="Disconnected").see()
    assert page.role("textbox", "Address").value == engine.url.replace("http", "ws", 1) + "/ws/agent"
    quick = [page.role("button", name) for name in ("Ping", "Query", "Streaming", "Tool", "Cancel", "Send")]
    assert not any(button.enabled for button in quick)
    page.role("list", "Messages").role("listitem").gone()
    connect(page)
    assert all(button.enabled for button in quick)
    page.role("list", "Messages").role("listitem", text='"connected"').see()


def test_every_quick_action_does_what_it_says(connected: Page) -> None:
    answer, messages = connected.role("region", "Answer"), connected.role("list", "Messages")
    connected.role("button", "Ping").click()
    connected.role("region", "Statistics").role("definition", text=" ms").see()
    connected.role("button", "Query").click()
    answer.see_text("579")
    messages.role("listitem", text='"agent_response"').see()
    connected.role("button", "Tool").click()
    answer.see_text("calculator = 579")
    connected.role("button", "Streaming").click()
    messages.role("listitem", text='"stream_end"').see()
    assert "59 60" in answer.text
    assert "42" in answer.text
    connected.role("button", "Clear messages").click()
    messages.role("listitem").gone()


def test_a_streamed_answer_is_cancelled_while_it_grows(connected: Page) -> None:
    answer, messages = connected.role("region", "Answer"), connected.role("list", "Messages")
    send(connected, "streaming_query", '{"type": "streaming_query", "query": "slowly count to 1000"}')
    answer.see_text("3")
    connected.role("button", "Cancel").click()
    messages.role("listitem", text='"cancelled"').see()
    before = answer.text
    connected.role("button", "Ping").click()
    messages.role("listitem", text='"pong"').see()
    assert answer.text == before
    assert not any("stream_end" in line for line in messages.role("listitem").texts)


def test_the_statistics_count_connections_and_messages(page: Page, arrive: Arrive, engine: EngineProcess) -> None:
    page.hold_time()
    page.open(engine.url + PAGE)
    connect(page)
    see_figure(page, "Active connections", 1)
    before = int(figure(page, "Connections in all"))
    other = arrive()
    other.open(engine.url + PAGE)
    connect(other)
    see_figure(page, "Active connections", 2)
    see_figure(page, "Connections in all", before + 1)
    messages = int(figure(page, "Messages in all"))
    page.role("button", "Ping").click()
    page.role("list", "Messages").role("listitem", text='"pong"').see()
    see_figure(page, "Messages in all", messages + 1)


def test_a_type_is_chosen_edited_and_sent(connected: Page) -> None:
    body, messages = connected.role("textbox", "Message"), connected.role("list", "Messages")
    for kind in ("agent_query", "tool_call", "ping", "cancel", "watch", "history", "room_join", "room_message"):
        connected.role("combobox", "Type").choose(kind)
        assert f'"type": "{kind}"' in body.value
    send(connected, "tool_call", '{"type": "tool_call", "tool_name": "calculator", "params": {"expression": "2**10"}}')
    connected.role("region", "Answer").see_text("1024")
    send(connected, "tool_call", '{"type": "tool_call", "tool_name": "hammer"}')
    messages.role("listitem", text="Tool not found: hammer").see()
    send(connected, "ping", '{"type": "ping"')
    connected.role("region", "Send a message").see_text("Not JSON")
    send(connected, "ping", '{"type": "ping", "request_id": "mine"}')
    messages.role("listitem", text='"request_id":"mine"').see()


def test_two_people_talk_in_a_room(connected: Page, arrive: Arrive, engine: EngineProcess) -> None:
    other = arrive()
    other.open(engine.url + PAGE)
    connect(other)
    for person in (connected, other):
        send(person, "room_join", '{"type": "room_join", "room": "hall"}')
        person.role("list", "Messages").role("listitem", text="room_joined").see()
    send(connected, "room_message", '{"type": "room_message", "room": "hall", "content": "您好 <b>all</b>"}')
    other.role("list", "Messages").role("listitem", text="您好 <b>all</b>").see()


def test_it_disconnects_and_connects_again(connected: Page) -> None:
    connected.role("button", "Disconnect").click()
    connected.role("status", text="Disconnected").see()
    assert not connected.role("button", "Ping").enabled
    connected.role("region", "Connection").see_text("none")
    connect(connected)


def test_a_lost_engine_is_told_and_the_next_one_taken(page: Page, tmp_path: Path) -> None:
    page.expected += ["ERR_CONNECTION_REFUSED", "ERR_EMPTY_RESPONSE", "ERR_CONNECTION_RESET"]
    page.hold_time()
    with engine_process(tmp_path / "first", CONFIG) as first:
        page.open(first.url + PAGE)
        connect(page)
        first.kill()
        page.role("status", text="Connection lost").see()
        page.pass_time(STATISTICS_MS)
        page.role("region", "Statistics").see_text("No statistics")
        with engine_process(tmp_path / "second", CONFIG, port=first.port):
            connect(page)
            page.pass_time(STATISTICS_MS)
            page.role("region", "Statistics").see_text("every two seconds")


def test_where_credentials_are_required_a_token_opens_it(page: Page, tmp_path: Path) -> None:
    page.expected += ["401", "HTTP Authentication failed"]
    with engine_process(tmp_path, CONFIG + "[auth]\nrequired = true\n") as engine:
        page.open(engine.url + PAGE)
        page.role("region", "Statistics").see_text("No statistics")
        page.role("button", "Connect").click()
        page.role("status", text="Could not connect").see()
        page.label("Token").fill(engine.token("ann"))
        connect(page)
        page.role("button", "Query").click()
        page.role("region", "Answer").see_text("579")
