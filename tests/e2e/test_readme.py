"""What the READMEs have their readers try, done as it stands against an engine on its own machine."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest
import trio
from trio_websocket import open_websocket_url

from tests.e2e.engine_process import PATIENCE, ROOT, EngineProcess, engine_process, environment

EXPECTED = {
    "README.md": ["12*34 = 408"],
    "clients/python/README.md": [
        "12*34 = 408\n",
        "6*7 = 42\nEarlier you asked 1 time, last: “what is 6*7?”.\n6*8 = 48\n",
        r"1 task\.started\n2 task\.turn_started\n(\d+ [a-z_.]+\n)*\d+ task\.completed\n",
        "6*9 = 54\n",
    ],
}


@pytest.fixture(scope="module")
def open_engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EngineProcess]:
    """Asks nobody for a credential."""
    with engine_process(tmp_path_factory.mktemp("open")) as running:
        yield running


@pytest.mark.parametrize("document", EXPECTED)
def test_examples_of_the_client(open_engine: EngineProcess, tmp_path: Path, document: str) -> None:
    blocks = re.findall(r"^```python\n(.*?)^```$", (ROOT / document).read_text(), re.DOTALL | re.MULTILINE)
    scripts = [block for block in blocks if "callboard_client" in block]
    assert len(scripts) == len(EXPECTED[document])
    for script, expected in zip(scripts, EXPECTED[document], strict=True):
        assert "http://localhost:18080" in script
        path = tmp_path / "example.py"
        path.write_text(script.replace("http://localhost:18080", open_engine.url))
        ended = subprocess.run(
            [sys.executable, str(path)],
            env=environment(),
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        assert (ended.returncode, ended.stderr) == (0, "")
        assert ended.stdout == expected or re.fullmatch(expected, ended.stdout)


ANSWERED_WITH = {
    "gateway": "subscribed",
    "agent": "stream_end",
    "steps": "task:complete",
    "pipeline": "response",
    "wallet": "pong",
}


async def test_each_dialect_at_its_path(open_engine: EngineProcess) -> None:
    rows = re.findall(r"^\| (\w+) \| `(/\S+)` \| .* \| `(\{.*\})` \|$", (ROOT / "README.md").read_text(), re.MULTILINE)
    assert [name for name, _, _ in rows] == list(ANSWERED_WITH)
    for name, path, said in rows:
        url = open_engine.url.replace("http", "ws") + path.replace("<uuid>", "550e8400-e29b-41d4-a716-446655440000")
        with trio.fail_after(PATIENCE):
            async with open_websocket_url(url) as socket:
                await socket.send_message(said)
                while (kind := orjson.loads(await socket.get_message())["type"]) != ANSWERED_WITH[name]:
                    assert kind != "error"
