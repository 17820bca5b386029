"""The documentation's page, used by a person: a task is started and watched from it."""

from __future__ import annotations

from tests.browser.chromium import Page
from tests.e2e.engine_process import EngineProcess


def test_a_task_is_started_and_read_from_the_documentation(page: Page, engine: EngineProcess) -> None:
    page.open(engine.url)
    page.role("link", "The HTTP API").click()
    page.role("navigation", "Contents").role("link", "Start a task").click()
    start = page.role("group", text="Start a task")
    start.role("textbox", "Body").fill('{"agent": "offline", "prompt": "what is 6*7?"}')
    start.role("button", "Send").click()
    start.role("status", text="201").see()
    start.see_text('"position"')
