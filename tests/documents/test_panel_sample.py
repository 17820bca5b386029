"""The page in the document of the steps: with the panel of `clients/js`, and with that of the package it names."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.documents.blocks import Block
from tests.documents.built import UI, assert_typed, build
from tests.e2e.engine_process import EngineProcess
from tests.e2e.node_process import node_process
from tests.support.node import client_package, ui_folder

pytestmark = [pytest.mark.needs_seeds, pytest.mark.sample("002", "import { AgentPanel }")]

# What shows it needs these beside it, and the sample exports nothing.
SHOWN = """
export { App };
export { createElement } from "react";
export { createRoot } from "react-dom/client";
"""


def ours() -> Path:
    return Path(client_package()).with_name("react.js")


def theirs() -> Path:
    return ui_folder() / "node_modules" / "@gtc-tech" / "agent-core-ui"


def test_its_types(sample: Block, tmp_path: Path) -> None:
    source = tmp_path / "sample.tsx"
    source.write_text(sample.text)
    assert_typed(source)


@pytest.mark.parametrize("panel", [ours, theirs])
def test_a_person_submits_a_task(
    engine: EngineProcess, sample: Block, tmp_path: Path, panel: Callable[[], Path]
) -> None:
    source = tmp_path / "sample.tsx"
    source.write_text(sample.text + SHOWN)
    module = build(source, {UI: panel()})
    with node_process(str(ui_folder() / "show_app.mjs"), str(module), "http://localhost:8080/") as page:
        page.write({"submit": "6*7"})
        line = page.read()
        assert "log" in line, line
        text, result = line["log"]
        assert (text, result["success"]) == ("完成:", True)
        assert "42" in result["output"]
