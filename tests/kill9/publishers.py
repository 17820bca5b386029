"""Those who publish while the engine comes and goes: they try again until they are acknowledged, and remember that."""

from __future__ import annotations

import random
from typing import Any

import httpx2
import trio

from tests.kill9.clients import PAUSE
from tests.kill9.record import Acknowledged, Place
from tests.kill9.words import note

_MOST_PAUSE = 0.01


class Publisher:
    """Publishes to one topic, one event after the other, each under a key of its own."""

    def __init__(self, name: str, client: httpx2.AsyncClient, topic: str, chance: random.Random) -> None:
        self.name = name
        self.acknowledged: list[Acknowledged] = []
        self._client, self._topic, self._chance = client, topic, chance
        self._going_on = True

    def stop(self) -> None:
        """After one more event."""
        self._going_on = False

    async def run(self) -> None:
        number = 0
        going_on = True
        while going_on:
            going_on = self._going_on
            number += 1
            await self._publish(f"{self.name}-{number}")
            await trio.sleep(self._chance.uniform(0, _MOST_PAUSE))

    async def _publish(self, marker: str) -> None:
        event = {"channel": "app", "topic": self._topic, "event_type": "note", "data": {"marker": marker}}
        answer = await ask(self._client, "/api/v1/publish", {**event, "idempotency_key": marker})
        place = Place.parse(answer["position"])
        self.acknowledged.append(Acknowledged(f"app/{self._topic}", place, note(marker)))


class Gone(AssertionError):
    """The engine does not know what it has promised."""


async def ask(client: httpx2.AsyncClient, path: str, body: dict[str, Any]) -> dict[str, Any]:
    """The answer, once there is one that is no refusal for the time being. Raises Gone where the engine says that there
    is no such thing, AssertionError for any other."""
    while True:
        try:
            answer = await client.post(path, json=body)
        except (httpx2.TransportError, OSError):
            pass
        else:
            if answer.is_success:
                found: dict[str, Any] = answer.json()
                return found
            if answer.status_code == httpx2.codes.NOT_FOUND:
                raise Gone(answer.text)
            assert answer.status_code == httpx2.codes.SERVICE_UNAVAILABLE, answer.text
        await trio.sleep(PAUSE)
