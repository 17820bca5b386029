"""Opens what the core is given from outside: agents, tools, models and credentials."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager

import trio

from actors.agent import Agent
from actors.model import Model
from engine.agent_reference import load_agent
from engine.agents.offline import offline_agent
from engine.agents.openai import OpenAISettings, openai_agent
from engine.config import Config, ModelEndpoint, agent_name
from engine.core import Extensions
from engine.identity import Identity, KeyVerifier
from engine.models.endpoint import Endpoint
from engine.models.openai import OpenAIModel, open_client
from engine.models.retry import RetryPolicy
from engine.tools.builtin import builtin_tools
from engine.tools.registry import ToolRegistry

DEFAULT_MODEL = "default"


@asynccontextmanager
async def open_extensions(config: Config) -> AsyncIterator[Extensions]:
    """All of them, closed at the end. Raises what opening the store's file raises."""
    async with AsyncExitStack() as stack:
        keys = await trio.to_thread.run_sync(KeyVerifier, config.store.path)
        stack.callback(keys.close)
        client = await stack.enter_async_context(open_client())
        models: dict[str, Model] = {
            name: OpenAIModel(_endpoint(endpoint), client) for name, endpoint in config.models.items()
        }
        yield Extensions(
            agents=_agents(config),
            toolbox=ToolRegistry(builtin_tools()),
            models=models,
            verifier=Identity(keys, config.auth.jwt),
        )


def _agents(config: Config) -> Mapping[str, Agent]:
    agents: dict[str, Agent] = {"offline": offline_agent()}
    if config.models:
        name = DEFAULT_MODEL if DEFAULT_MODEL in config.models else next(iter(config.models))
        endpoint = config.models[name]
        agents["openai"] = openai_agent(
            OpenAISettings(model=name, rounds=endpoint.tool_rounds, system_prompt=endpoint.system_prompt)
        )
    for reference in config.engine.agents:
        agents[agent_name(reference)] = load_agent(reference)
    return agents


def _endpoint(configured: ModelEndpoint) -> Endpoint:
    return Endpoint(
        base_url=configured.base_url,
        model=configured.model,
        api_key=configured.api_key.reveal() if configured.api_key is not None else "",
        connect_timeout=configured.connect_seconds,
        read_timeout=configured.read_seconds,
        total_timeout=configured.total_seconds,
        retry=RetryPolicy(attempts=configured.retries + 1),
    )
