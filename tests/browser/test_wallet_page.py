"""The sample page of wallets, used by a person: messages, tasks, what came meanwhile, and coming back after a loss."""

from __future__ import annotations

import itertools
import re
from pathlib import Path

from tests.browser.chromium import Page
from tests.browser.conftest import Arrive
from tests.e2e.engine_process import ROOT, EngineProcess, engine_process
from tests.support.wallets import Wallet

PAGE = "/samples/websocket_client_example.html"
CONFIG = "[server]\ndrain_seconds = 0.1\n"
NUMBERS = itertools.count(1000)
REFUSED = ["ERR_CONNECTION_REFUSED", "ERR_EMPTY_RESPONSE", "ERR_CONNECTION_RESET", "ERR_SOCKET_NOT_CONNECTED"]


def fresh_key() -> str:
    """Of a wallet that no other test has."""
    return Wallet(next(NUMBERS)).public_key


def open_page(page: Page, engine: EngineProcess, key: str) -> None:
    page.open(engine.url + PAGE)
    page.role("textbox", "Public key").fill(key)


def connect(page: Page, key: str) -> None:
    page.role("button", "Connect").click()
    page.role("status", text=f"connected as {key}").see()


def send(page: Page, text: str) -> None:
    page.role("textbox", "Message").fill(text)
    page.role("button", "Send over HTTP").click()


def test_a_newcomer_sends_a_message_and_sees_its_task_to_the_end(page: Page, engine: EngineProcess) -> None:
    page.open(engine.url)
    page.role("link", "A wallet's messages and tasks").click()
    page.role("region", "Messages").see_text("none yet")
    assert page.role("textbox", "Server").value == engine.url.replace("http", "ws", 1) + "/api/ws"
    connect(page, page.role("textbox", "Public key").value)
    page.role("region", "Log").see_text("WebSocket连接已成功建立")
    send(page, "What is 6*7?")
    page.role("region", "Tasks").see_text("completed")
    messages = page.role("region", "Messages")
    messages.see_text("What is 6*7?")
    messages.see_text("42")
    assert "none yet" not in messages.text
    page.role("button", "Ping").click()
    page.role("region", "Log").see_text("pong after")


def test_a_wallet_sees_on_all_its_pages_what_one_sends_and_another_wallet_nothing(
    arrive: Arrive, engine: EngineProcess
) -> None:
    key = fresh_key()
    first, second, stranger = arrive(), arrive(), arrive()
    for page, owner in ((first, key), (second, key), (stranger, fresh_key())):
        open_page(page, engine, owner)
        connect(page, owner)
    send(first, "What is 7*8?")
    for page in (first, second):
        page.role("region", "Messages").see_text("56")
    send(stranger, "What is 3*3?")
    stranger.role("region", "Messages").see_text("9")
    assert "56" not in stranger.role("region", "Messages").text


def test_what_came_while_a_wallet_was_away_is_there_when_it_returns(page: Page, engine: EngineProcess) -> None:
    key = fresh_key()
    open_page(page, engine, key)
    connect(page, key)
    page.role("button", "Disconnect").click()
    page.role("status", text="not connected").see()
    assert not page.role("button", "Ping").enabled
    send(page, "What is 9*9?")
    page.role("region", "Log").see_text("sent: task")
    page.role("region", "Messages").see_text("none yet")
    connect(page, key)
    page.role("region", "Messages").see_text("81")
    page.role("region", "Tasks").see_text("completed")


def test_it_comes_back_by_itself_when_the_engine_does(page: Page, tmp_path: Path) -> None:
    key = fresh_key()
    page.expected += REFUSED
    with engine_process(tmp_path / "first", CONFIG) as first:
        open_page(page, first, key)
        connect(page, key)
        first.kill()
        page.role("status", text="connection lost").see()
        with engine_process(tmp_path / "second", CONFIG, port=first.port):
            page.role("status", text=f"connected as {key}").see()
            send(page, "What is 6*7?")
            page.role("region", "Messages").see_text("42")


def test_its_delay_doubles_up_to_half_a_minute_and_starts_over(page: Page, tmp_path: Path) -> None:
    key = fresh_key()
    page.expected += REFUSED
    page.hold_time()
    page.always_draw(0.9)
    with engine_process(tmp_path / "first", CONFIG) as first:
        open_page(page, first, key)
        connect(page, key)
        first.kill()
        delays = [delay_of(page, attempt) for attempt in range(1, 9)]
        assert delays == [0.9, 1.8, 3.6, 7.2, 14.4, 27.0, 27.0, 27.0]
        with engine_process(tmp_path / "second", CONFIG, port=first.port) as second:
            page.pass_time(27_000)
            page.role("status", text=f"connected as {key}").see()
            second.kill()
            assert delay_of(page, 1) == 0.9


def delay_of(page: Page, attempt: int) -> float:
    """The seconds that the page says it will wait; they pass before this returns where there are more attempts."""
    if attempt > 1:
        page.pass_time(30_000)
    said = page.role("status", text=f"attempt {attempt} in ").see().text
    return float(re.findall(r"in ([\d.]+) s", said)[0])


def test_opened_from_a_file_it_says_where_it_is_served(page: Page) -> None:
    page.open((ROOT / "samples" / "websocket_client_example.html").as_uri())
    page.role("status", text="http://localhost:18080" + PAGE).see()


def test_a_wrong_key_is_refused_and_said_so(page: Page, engine: EngineProcess) -> None:
    page.expected += ["401", "HTTP Authentication failed"]
    open_page(page, engine, "not a key")
    page.role("button", "Connect").click()
    page.role("status", text="refused").see()
    send(page, "hello")
    page.role("region", "Log").see_text("not sent")
