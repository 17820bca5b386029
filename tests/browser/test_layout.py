"""The pages on a phone: nothing sticks out, empty or full, and the browser has nothing to complain of."""

from __future__ import annotations

import pytest

from tests.browser import test_agent_page, test_wallet_page
from tests.browser.chromium import PHONE, Page
from tests.browser.conftest import Arrive
from tests.e2e.engine_process import EngineProcess


@pytest.fixture
def phone(arrive: Arrive) -> Page:
    return arrive(PHONE, scheme="dark")


def test_the_front_page_and_the_documentation_fit(phone: Page, engine: EngineProcess) -> None:
    phone.open(engine.url)
    assert phone.overflow == 0
    phone.role("link", "The HTTP API").click()
    phone.role("heading", "Schemas").see()
    assert phone.overflow == 0


def test_the_agent_page_fits(phone: Page, engine: EngineProcess) -> None:
    phone.open(engine.url + test_agent_page.PAGE)
    assert phone.overflow == 0
    test_agent_page.connect(phone)
    phone.role("button", "Query").click()
    phone.role("region", "Answer").see_text("579")
    assert phone.overflow == 0


def test_the_wallet_page_fits(phone: Page, engine: EngineProcess) -> None:
    key = test_wallet_page.fresh_key()
    test_wallet_page.open_page(phone, engine, key)
    assert phone.overflow == 0
    test_wallet_page.connect(phone, key)
    test_wallet_page.send(phone, "count to 40")
    phone.role("region", "Tasks").see_text("completed")
    assert phone.overflow == 0
