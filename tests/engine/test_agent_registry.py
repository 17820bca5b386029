"""Agents named in a configuration, and the table of agents."""

from __future__ import annotations

from pathlib import Path

import pytest

from actors.agent import Result, TaskContext
from actors.errors import CallboardError, ErrorCode
from engine.agents.offline import offline_agent
from engine.agents.openai import openai_agent
from engine.agents.registry import AgentRegistry, load_agent
from engine.importing import ImportTargetError

MODULE = """
import functools

async def researcher(task): ...
async def greedy(task, more): ...
def plain(task): ...
number = 3

class Callable:
    async def __call__(self, task): ...

instance = Callable()
partial = functools.partial(greedy, more=1)

class Group:
    @staticmethod
    async def inner(task): ...
"""


@pytest.fixture(autouse=True)
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "my_agents.py").write_text(MODULE)
    (tmp_path / "my_broken.py").write_text("import nowhere_to_be_found")
    (tmp_path / "my_syntax.py").write_text("def (")
    monkeypatch.syspath_prepend(str(tmp_path))


@pytest.mark.parametrize(
    ("target", "name"),
    [
        ("my_agents:researcher", "researcher"),
        ("deep=my_agents:researcher", "deep"),
        ("my_agents:instance", "instance"),
        ("my_agents:partial", "partial"),
        ("my_agents:Group.inner", "Group.inner"),
    ],
)
def test_agents_are_loaded(target: str, name: str) -> None:
    loaded, agent = load_agent(target)
    assert loaded == name
    AgentRegistry({loaded: agent})


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("my_agents", "not of the form module:name"),
        ("my_agents:", "not of the form module:name"),
        ("../my_agents.py:x", "not of the form module:name"),
        ("my_agent5:researcher", "there is no module my_agent5"),
        ("my_agents.sub:researcher", "there is no module my_agents.sub"),
        ("my_agents:reseacher", "has no reseacher; did you mean researcher?"),
        ("my_agents:Group.zzzz", "has no zzzz"),
        ("my_broken:agent", "needs a module that is missing: nowhere_to_be_found"),
        ("my_agents:plain", "an agent is an `async def`"),
        ("my_agents:number", "an agent is an `async def`"),
        ("my_agents:greedy", "must take the task's context alone"),
    ],
)
def test_targets_that_are_no_agent_are_explained(target: str, message: str) -> None:
    with pytest.raises(ImportTargetError, match=message):
        load_agent(target)


def test_a_mistake_in_the_module_shows_itself() -> None:
    with pytest.raises(SyntaxError):
        load_agent("my_syntax:agent")


def test_the_table() -> None:
    registry = AgentRegistry({"offline": offline_agent()})
    registry.register("openai", openai_agent())
    assert registry.names() == ("offline", "openai")
    with pytest.raises(CallboardError, match="no agent named ofline; did you mean offline") as caught:
        registry.get("ofline")
    assert caught.value.code is ErrorCode.NOT_FOUND

    async def mine(task: TaskContext) -> Result:
        return Result(task.prompt)

    registry.register("mine", mine)
    assert registry.get("mine") is mine
    with pytest.raises(ValueError, match="mine already"):
        registry.register("mine", mine)
    with pytest.raises(ValueError, match="an agent's name"):
        registry.register("a b", mine)
