"""Talks to a pipeline over its WebSocket, as one client or as several at once.

    pip install websockets
    python test_websocket_client.py <pipeline_uuid>
    python test_websocket_client.py <pipeline_uuid> --session-type group
    python test_websocket_client.py <pipeline_uuid> --multi 5

Every client connects, sends a heartbeat and a chat message, prints the answer as it grows, and says goodbye. The exit
status is 0 if all of them were answered in full.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from typing import Any
from urllib.parse import quote

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, WebSocketException

Frame = dict[str, Any]


class PipelineError(Exception):
    """The server has refused something, or has said what the protocol does not have."""


class PipelineClient:
    """One connection to a pipeline. `name` marks its lines; `patience` is how many seconds it may hear nothing: where
    many talk in one room, each waits for the answers to those before."""

    def __init__(self, name: str, socket: ClientConnection, patience: float) -> None:
        self._name = name
        self._socket = socket
        self._patience = patience
        self._connection_id = ""
        self._shown: dict[int, str] = {}

    async def talk(self, text: str, token: str | None) -> None:
        """The whole conversation. Raises PipelineError, ConnectionClosed and TimeoutError."""
        if token is not None:
            await self._send({"type": "authenticate", "token": token})
        connected = await self._receive("connected")
        self._connection_id = connected["connection_id"]
        self._print(f"connected as {self._connection_id} ({connected['session_type']})")
        await self._send({"type": "ping"})
        await self._receive("pong")
        self._print("pong")
        await self._send({"type": "message", "message": [{"type": "Plain", "text": text}]})
        await self._answer()
        await self._send({"type": "disconnect"})
        async with asyncio.timeout(self._patience):
            async for _ in self._socket:
                # Read to the end: what others are being told may lie before the server's goodbye.
                pass
        self._print(f"disconnected ({self._socket.close_code})")

    async def _answer(self) -> None:
        """Shows what the pipeline says until the answer to this client's message is complete."""
        while True:
            data = (await self._receive("response"))["data"]
            self._show(data)
            if data["is_final"] and data["connection_id"] == self._connection_id:
                return

    def _show(self, data: Frame) -> None:
        """An answer's content is cumulative: what is new of it is printed."""
        content: str = data["content"]
        shown = self._shown.get(data["id"], "")
        added = content.removeprefix(shown)
        self._shown[data["id"]] = content
        whose = "answer" if data["connection_id"] == self._connection_id else "answer to another"
        final = " (final)" if data["is_final"] else ""
        self._print(f"{whose} {data['id']}{final}: {added!r}")

    async def _receive(self, kind: str) -> Frame:
        """The next frame of this type. What others say meanwhile is printed."""
        while True:
            async with asyncio.timeout(self._patience):
                frame: Frame = json.loads(await self._socket.recv())
            match frame["type"]:
                case found if found == kind:
                    return frame
                case "error":
                    raise PipelineError(frame["message"])
                case "broadcast":
                    self._print(f"broadcast: {frame['message']}")
                case "response":
                    self._show(frame["data"])
                case "user_message":
                    self._print(f"said: {frame['data']['content']!r}")
                case _:
                    pass

    async def _send(self, frame: Frame) -> None:
        await self._socket.send(json.dumps(frame, ensure_ascii=False))

    def _print(self, line: str) -> None:
        print(f"[{self._name}] {line}", flush=True)


async def run_client(name: str, url: str, options: argparse.Namespace) -> bool:
    """Whether the client was answered in full."""
    try:
        async with connect(url, open_timeout=options.timeout) as socket:
            await PipelineClient(name, socket, options.timeout).talk(options.message, options.token)
    except TimeoutError:
        reason = f"not a word in {options.timeout:g} s"
    except (KeyError, TypeError, ValueError) as error:
        reason = f"not a frame of the protocol: {error!r}"
    except (PipelineError, ConnectionClosed, WebSocketException, OSError) as error:
        reason = str(error)
    else:
        return True
    print(f"[{name}] failed: {reason}", file=sys.stderr, flush=True)
    return False


async def run(options: argparse.Namespace) -> int:
    path = f"/api/v1/pipelines/{quote(options.pipeline_uuid, safe='')}/ws/connect"
    url = f"{options.url.rstrip('/')}{path}?session_type={options.session_type}"
    async with asyncio.TaskGroup() as group:
        clients = [group.create_task(run_client(f"client {n}", url, options)) for n in range(1, options.multi + 1)]
    answered = sum(client.result() for client in clients)
    print(f"{answered} of {len(clients)} answered", flush=True)
    return 0 if answered == len(clients) else 1


def positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError
    return number


def main() -> int:
    parser = argparse.ArgumentParser(description="Talks to a pipeline over its WebSocket.")
    parser.add_argument("pipeline_uuid")
    parser.add_argument("--session-type", choices=("person", "group"), default="person")
    parser.add_argument("--multi", type=positive, default=1, metavar="N", help="so many clients at once")
    parser.add_argument("--url", default="ws://localhost:8000", help="the server (default: %(default)s)")
    parser.add_argument("--message", default="你好，这是一条测试消息", help="what to say (default: %(default)s)")
    parser.add_argument("--token", help="a credential, where the server asks for one")
    parser.add_argument("--timeout", type=float, default=30.0, help="seconds without a word (default: %(default)s)")
    return asyncio.run(run(parser.parse_args()))


if __name__ == "__main__":
    sys.exit(main())
