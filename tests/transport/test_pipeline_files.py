"""Files in a room's messages: where they are, and when they are gone."""

from __future__ import annotations

import base64

import httpx2

from tests.support.gateway import Gateway, running_gateway
from tests.support.pipeline import PIPELINE, PipelineClient, pipeline_client
from tests.transport.agents import AGENTS

PNG = b"\x89PNG\r\n\x1a\n" + bytes(20)


async def status(gateway: Gateway, path: str) -> int:
    headers = {"Authorization": "Bearer alice"}
    async with httpx2.AsyncClient(trust_env=False, headers=headers) as http:
        return (await http.get(f"http://127.0.0.1:{gateway.port}{path}")).status_code


async def show(client: PipelineClient, data: bytes) -> str:
    """The address under which it is to be had."""
    await client.send({"message": [{"type": "Image", "base64": base64.b64encode(data).decode()}]})
    said = (await client.until("response"))[0]
    assert "base64" not in str(said)
    return str(said["data"]["message_chain"][0]["url"])


async def test_a_file_goes_with_the_last_message_that_shows_it() -> None:
    async with running_gateway(AGENTS) as gateway, pipeline_client(gateway, token="alice") as alice:
        url, other = await show(alice, PNG), await show(alice, PNG + b"more")
        assert await show(alice, PNG) == url
        for message_id, found in ((1, 200), (5, 404)):
            await alice.send({"type": "recall", "message_id": message_id})
            await alice.next("recalled")
            await alice.next("recalled")
            assert await status(gateway, url) == found
        assert await status(gateway, other) == 200


async def test_a_reset_takes_the_files_of_its_room_alone() -> None:
    async with running_gateway(AGENTS) as gateway, pipeline_client(gateway, token="alice") as alice:
        async with pipeline_client(gateway, "person", "another", token="alice") as elsewhere:
            kept = await show(elsewhere, PNG)
        url = await show(alice, PNG)
        assert await status(gateway, url.replace(PIPELINE, "another")) == 404
        headers = {"Authorization": "Bearer alice"}
        async with httpx2.AsyncClient(trust_env=False, headers=headers) as http:
            reset = f"http://127.0.0.1:{gateway.port}/api/v1/pipelines/{PIPELINE}/ws/reset/person"
            assert (await http.post(reset)).status_code == 200
        assert await status(gateway, url) == 404
        assert await status(gateway, kept) == 200
