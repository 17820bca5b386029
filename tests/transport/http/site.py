"""The HTTP side over a core in memory, and a client for it that speaks as a given user."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

import msgspec
import trio
from quart.testing.utils import sentinel
from quart.wrappers import Response
from quart_trio import QuartTrio

from actors.agent import Agent, AgentError, Result, TaskContext
from actors.errors import CallboardError, ErrorCode
from actors.principal import Principal
from actors.uploads import MemoryUploads, UploadsOptions
from tests.support.world import ADMIN, ALICE, BOB, OPERATOR, PUBLISHER, EchoToolbox, Limits, World
from tests.transport.http.exchange import Exchange
from transport.http.app import create_app
from transport.http.services import HttpOptions, HttpServices, Readiness
from transport.pipelines import Pipelines, PipelinesOptions
from transport.roster import Roster
from transport.wallet_identity import WalletIdentity
from transport.wallets import Wallets

Json: TypeAlias = Any
"""A decoded answer: what is in it, the test says."""


async def echo(task: TaskContext) -> Result:
    """Says what it was told."""
    await task.message(task.prompt)
    return Result(task.prompt.upper())


async def calling(task: TaskContext) -> Result:
    """Has a device read its clipboard."""
    return Result(f"got {await task.call_client_tool('clipboard', {'format': 'text'})}")


async def asking(task: TaskContext) -> Result:
    agreed = await task.confirm("s1", "May I?")
    return Result("yes" if agreed else "no")


async def patient(task: TaskContext) -> Result:
    return Result(await task.next_turn())


async def failing(task: TaskContext) -> Result:
    raise AgentError("no_luck", "there was no luck")


AGENTS: Mapping[str, Agent] = {
    "echo": echo,
    "asking": asking,
    "calling": calling,
    "patient": patient,
    "failing": failing,
}
USERS = {"a": ALICE, "b": BOB, "root": ADMIN, "p": PUBLISHER, "o": OPERATOR}


class Tokens:
    """A verifier that knows the users of the tests by short tokens."""

    def __init__(self) -> None:
        self.revoked: set[str] = set()

    async def verify(self, token: str) -> Principal:
        await trio.lowlevel.checkpoint()
        if token not in USERS:
            raise CallboardError(ErrorCode.UNAUTHORIZED, "unknown token")
        return USERS[token]

    def recall(self, token: str) -> Principal | None:
        return None

    def is_valid(self, principal: Principal) -> bool:
        return principal.user_id not in self.revoked


class Office:
    """A ticket office whose tickets never run out of time."""

    def __init__(self) -> None:
        self.issued: dict[str, Principal] = {}

    def issue(self, principal: Principal) -> tuple[str, float]:
        ticket = f"tk_{len(self.issued)}"
        self.issued[ticket] = principal
        return ticket, 60.0

    def redeem(self, ticket: str) -> Principal:
        if ticket not in self.issued:
            raise CallboardError(ErrorCode.UNAUTHORIZED, "the ticket is unknown or has expired")
        return self.issued[ticket]


class Figures(msgspec.Struct, frozen=True):
    accepted: int = 7
    open: int = 3
    refused: int = 0
    accept_errors: int = 0
    handshake_failures: int = 0
    crashed: int = 0
    bad_heads: dict[str, int] = msgspec.field(default_factory=lambda: {"too_large": 2})


class Port:
    def statistics(self) -> Figures:
        return Figures()


class Site:
    """One engine's HTTP side. `as_user` is the token shown unless a call says otherwise."""

    def __init__(self, world: World, app: QuartTrio, tokens: Tokens, office: Office) -> None:
        self.world = world
        self.app = app
        self.tokens = tokens
        self.office = office
        self.readiness = Readiness.READY
        self._client = app.test_client(use_cookies=False)

    async def request(
        self,
        method: str,
        path: str,
        *,
        user: str | None = "a",
        headers: Mapping[str, str] | None = None,
        data: bytes | None = None,
    ) -> Response:
        sent = _headers(user, headers)
        return await self._client.open(path, method=method, headers=sent, data=data, json=sentinel)

    async def get(self, path: str, *, user: str | None = "a", status: int = 200) -> Json:
        response = await self.request("GET", path, user=user)
        return await read(response, status)

    async def post(
        self, path: str, body: object = None, *, user: str | None = "a", status: int = 200, **headers: str
    ) -> Json:
        data = b"" if body is None else msgspec.json.encode(body)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        response = await self.request("POST", path, user=user, headers=named, data=data)
        return await read(response, status)

    async def task(self, agent: str, prompt: str = "hello", **more: object) -> Json:
        return await self.post("/api/v1/tasks", {"agent": agent, "prompt": prompt, **more}, status=201)

    def stream(self, path: str, *, user: str | None = "a", headers: Mapping[str, str] | None = None) -> Exchange:
        return Exchange(self.world.nursery, self.app, path, _headers(user, headers))


async def read(response: Response, status: int) -> Json:
    """The JSON of an answer that must have this status."""
    raw = await response.get_data(as_text=False)
    assert response.status_code == status, raw
    assert response.mimetype == "application/json"
    return msgspec.json.decode(raw)


def open_site(
    nursery: trio.Nursery,
    *,
    limits: Limits | None = None,
    options: HttpOptions | None = None,
    pipelines: PipelinesOptions | None = None,
) -> Site:
    """A site that lives as long as the nursery."""
    world = World(nursery, AGENTS, limits)
    tokens, office = Tokens(), Office()
    services = HttpServices(
        router=world.router,
        verifier=tokens,
        tickets=office,
        toolbox=EchoToolbox(),
        connections=world.connections,
        agent_roster=Roster(),
        wallets=Wallets(world.router, world.feeds, WalletIdentity(require_signature=False), 30.0),
        listener=Port(),
        pipelines=Pipelines(
            world.router, world.feeds, MemoryUploads(UploadsOptions(file_bytes=1_000)), pipelines or PipelinesOptions()
        ),
        readiness=lambda: site.readiness,
        options=options or HttpOptions(),
    )
    site = Site(world, create_app(services), tokens, office)
    return site


def _headers(user: str | None, headers: Mapping[str, str] | None) -> dict[str, str]:
    credential = {} if user is None else {"Authorization": f"Bearer {user}"}
    return {**credential, **(headers or {})}
