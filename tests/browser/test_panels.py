"""A React panel in an application of another origin: our own, and npm's `@gtc-tech/agent-core-ui` in React 19."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.browser.apps import build_apps, served
from tests.browser.chromium import Browser, Page, Part
from tests.e2e.engine_process import EngineProcess, engine_process

CONFIRM = "please confirm: what is 6*7?"
RECONNECT_MS = 3000
SLOW = "slowly count to 1000"


@dataclass(frozen=True)
class Words:
    """What a panel calls things."""

    app: str
    connected: str
    lost: str
    field: str
    submit: str
    cancel: str
    approve: str
    reject: str
    done: str
    failed: str
    cancelled: str


OWN = Words(
    app="own_panel",
    connected="Connected",
    lost="Connection lost",
    field="Task",
    submit="Submit",
    cancel="Cancel",
    approve="Approve",
    reject="Reject",
    done="Done",
    failed="Failed",
    cancelled="Cancelled",
)
NPM = Words(
    app="npm_panel",
    connected="空闲",
    lost="未连接",
    field="输入任务描述...",
    submit="执行",
    cancel="取消任务",
    approve="确认继续",
    reject="取消",
    done="任务完成",
    failed="任务失败",
    cancelled="任务失败",
)


class Panel:
    def __init__(self, page: Page, words: Words) -> None:
        self.page = page
        self.words = words
        self.all = page.role("main")

    def see(self, text: str) -> None:
        self.all.see_text(text)

    def button(self, name: str) -> Part:
        return self.page.role("button", name)

    def submit(self, task: str) -> None:
        self.page.role("textbox", self.words.field).type(task)
        self.button(self.words.submit).click()

    def told(self, success: str) -> None:
        """Waits until the panel has told the application how its task ended."""
        self.page.role("status", "Success", text=success).see()


@pytest.fixture(scope="module")
def origin(chromium: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("apps")
    build_apps(folder)
    with served(folder) as address:
        yield address


def config(origin: str) -> str:
    return f'[server]\ndrain_seconds = 0.1\ncors_origins = ["{origin}"]\n'


@pytest.fixture(scope="module")
def engine(origin: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[EngineProcess]:
    """Lets the application's origin in."""
    with engine_process(tmp_path_factory.mktemp("panels"), config(origin)) as running:
        yield running


def opened(page: Page, words: Words, origin: str, engine: EngineProcess) -> Panel:
    panel = Panel(page, words)
    page.open(f"{origin}/{words.app}.html?ws={engine.url.replace('http', 'ws', 1)}/ws")
    panel.see(words.connected)
    return panel


@pytest.fixture(params=[OWN, NPM], ids=["own", "npm"])
def words(request: pytest.FixtureRequest) -> Words:
    chosen: Words = request.param
    return chosen


@pytest.fixture
def panel(page: Page, words: Words, origin: str, engine: EngineProcess) -> Panel:
    return opened(page, words, origin, engine)


def test_a_task_is_submitted_confirmed_and_seen_to_its_end(panel: Panel) -> None:
    words = panel.words
    panel.submit(CONFIRM)
    panel.button(words.approve).click()
    panel.told("true")
    panel.see(words.done)
    for step in ("Ask for confirmation", "Calculate", "Write the report"):
        panel.see(step)
    panel.see("42")
    assert "undefined" not in panel.all.text
    assert {"connected", "tools:list", "plan:created", "step:complete", "task:complete"} <= set(panel.page.received)


def test_a_step_is_declined(panel: Panel) -> None:
    panel.submit(CONFIRM)
    panel.button(panel.words.reject).click()
    panel.told("false")
    panel.see(panel.words.failed)


def test_a_task_is_cancelled_while_it_runs_and_another_one_follows(panel: Panel) -> None:
    words = panel.words
    panel.submit(SLOW)
    panel.see("%" if words is NPM else "Step 1 of")
    panel.button(words.cancel).click()
    panel.told("false")
    panel.see(words.cancelled)
    panel.submit("what is 6*7?")
    panel.told("true")
    panel.see("42")


def test_it_comes_back_when_the_engine_does(page: Page, words: Words, origin: str, tmp_path: Path) -> None:
    page.hold_time()
    with engine_process(tmp_path / "first", config(origin)) as first:
        panel = opened(page, words, origin, first)
        first.kill()
        panel.see(words.lost)
        with engine_process(tmp_path / "second", config(origin), port=first.port):
            page.pass_time(RECONNECT_MS)
            panel.see(words.connected)
            panel.submit("what is 6*7?")
            panel.told("true")


def test_by_the_keyboard_alone(page: Page, origin: str, engine: EngineProcess) -> None:
    panel = opened(page, OWN, origin, engine)
    field = page.role("textbox", "Task")
    field.type("what is 7*8?")
    field.press("Enter")
    panel.told("true")
    page.role("region", "Done").see_text("56")
    field.type(SLOW)
    field.press("Enter")
    page.role("progressbar").see()
    field.press("Escape")
    page.role("region", "Cancelled").see()
