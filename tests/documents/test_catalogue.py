"""What there is in the documents, and that all of it which is a client runs."""

from __future__ import annotations

from collections import Counter
from types import ModuleType

import pytest

from tests.documents import (
    test_agent_samples,
    test_gateway_samples,
    test_panel_sample,
    test_pipeline_samples,
    test_steps_samples,
    test_wallet_samples,
)
from tests.documents.blocks import DOCUMENTS, Block, Kind, blocks, client, document

pytestmark = pytest.mark.needs_seeds

MODULES = (
    test_agent_samples,
    test_gateway_samples,
    test_panel_sample,
    test_pipeline_samples,
    test_steps_samples,
    test_wallet_samples,
)

LEFT_OUT = {
    # A drawing of the parts, and what starts, makes or configures those teams' own servers in their own libraries.
    "000": ["┌──"],
    "001": ["cd algo/agent-engine", "WebSocket Service", "┌──", "class ConnectionManager:"],
    "002": [
        "import { WebSocketServer, RealtimeAgent }",
        "import { SSEServer, RealtimeAgent }",
        "const realtimeAgent = new RealtimeAgent(",
        "const wsServer = new WebSocketServer(",
        "const sseServer = new SSEServer(",
        "import { createAgent, defaultTools }",
    ],
    "003": ["import logging"],
    "004": [],
}


def marked(module: ModuleType) -> set[Block]:
    """The samples that the tests of a module run."""
    tests = [found for name, found in vars(module).items() if name.startswith("test_")]
    marks = [mark for test in tests for mark in getattr(test, "pytestmark", ())]
    common = module.pytestmark if isinstance(module.pytestmark, list) else [module.pytestmark]
    return {client(*mark.args) for mark in (*marks, *common) if mark.name == "sample"}


@pytest.mark.parametrize("number", DOCUMENTS)
def test_every_fence_is_read(number: str) -> None:
    assert document(number).count("```") == 2 * len(blocks(number)) > 0


def test_every_client_is_run() -> None:
    there = {block for number in DOCUMENTS for block in blocks(number) if block.kind is Kind.CLIENT}
    assert set().union(*map(marked, MODULES)) == there
    assert Counter(block.document for block in there) == {"000": 2, "001": 10, "002": 3, "003": 7, "004": 2}


@pytest.mark.parametrize("number", DOCUMENTS)
def test_nothing_else_is_left_out(number: str) -> None:
    left_out = [block for block in blocks(number) if block.kind in (Kind.SERVER, Kind.DRAWING)]
    assert len(left_out) == len(LEFT_OUT[number])
    for block, opening in zip(left_out, LEFT_OUT[number], strict=True):
        assert block.opening.startswith(opening)
