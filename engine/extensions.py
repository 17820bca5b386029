"""Opens what the core is given from outside: agents, tools, models and credentials."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager

import structlog
import trio

from actors.agent import Agent
from actors.model import Model
from actors.uploads import MemoryUploads, UploadsOptions, UploadStore
from engine.agent_reference import load_agent
from engine.agents.offline import offline_agent
from engine.agents.openai import OpenAISettings, openai_agent
from engine.config import Config, ModelEndpoint, agent_name
from engine.core import Extensions
from engine.identity import Identity, KeyVerifier
from engine.models.endpoint import Endpoint
from engine.models.openai import OpenAIModel, open_client
from engine.models.retry import RetryPolicy
from engine.sqlite_log import SqliteLog
from engine.sqlite_store import SqliteStore
from engine.sqlite_uploads import SqliteUploads
from engine.tools.builtin import builtin_tools
from engine.tools.registry import ToolRegistry
from engine.upkeep import Upkeep

_log = structlog.get_logger("callboard")
DEFAULT_MODEL = "default"


@asynccontextmanager
async def open_extensions(config: Config) -> AsyncIterator[Extensions]:
    """All of them, closed at the end. Raises what opening the store's file raises."""
    async with AsyncExitStack() as stack:
        # The store first: it holds the file against another engine, and nobody brings a schema up to date before that.
        store = await _open_store(config, stack)
        keys = await trio.to_thread.run_sync(KeyVerifier, config.store.path)
        stack.callback(keys.close)
        upkeep = None if store is None else Upkeep(store)
        uploads = await _open_uploads(config, store, stack)
        client = await stack.enter_async_context(open_client())
        models: dict[str, Model] = {
            name: OpenAIModel(_endpoint(endpoint), client) for name, endpoint in config.models.items()
        }
        yield Extensions(
            agents=_agents(config),
            toolbox=ToolRegistry(builtin_tools()),
            models=models,
            verifier=Identity(keys, config.auth.jwt),
            store=store,
            uploads=uploads,
            upkeep=upkeep,
        )


async def _open_uploads(config: Config, store: SqliteStore | None, stack: AsyncExitStack) -> UploadStore:
    limits = config.limits
    bounds = UploadsOptions(limits.upload_bytes, limits.user_uploads_bytes, limits.uploads_bytes)
    if store is None:
        return MemoryUploads(bounds)
    uploads = await trio.to_thread.run_sync(SqliteUploads, config.store.path, bounds, store.writing)
    stack.callback(uploads.close)
    return uploads


async def _open_store(config: Config, stack: AsyncExitStack) -> SqliteStore | None:
    if config.store.in_memory:
        return None
    log = await trio.to_thread.run_sync(SqliteLog, config.store.path)
    stack.callback(log.close)
    if config.store.max_bytes is not None:
        log.limit_bytes(config.store.max_bytes)
    if not log.is_whole:
        _log.warning(
            "the database is not as it was left: clients that resume are told of a gap", path=str(config.store.path)
        )
    return SqliteStore(log)


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
