"""`callboard publish`."""

from __future__ import annotations

import sys

import click
import httpx2
import msgspec
import orjson

from actors.errors import CallboardError
from actors.event import check_event_type
from engine.commands.options import ChannelTopic, http_client, server_options
from engine.error_answer import error_message


class _Published(msgspec.Struct, frozen=True):
    position: str


@click.command()
@click.argument("address", type=ChannelTopic(), metavar="CHANNEL/TOPIC")
@click.argument("event_type")
@click.argument("data_json")
@server_options
@click.option("--idempotency-key", help="The same key within 5 minutes publishes once.")
def publish(
    address: tuple[str, str],
    event_type: str,
    data_json: str,
    url: str,
    token: str | None,
    idempotency_key: str | None,
) -> None:
    """Publish one event and print its position. DATA_JSON `-` reads the data from standard input."""
    if data_json == "-":
        data_json = sys.stdin.read()
    try:
        data = orjson.loads(data_json)
    except orjson.JSONDecodeError as error:
        raise click.BadParameter(f"not JSON: {error}", param_hint="DATA_JSON") from None
    try:
        check_event_type(event_type)
    except CallboardError as error:
        raise click.BadParameter(error.message, param_hint="EVENT_TYPE") from None
    request = {"channel": address[0], "topic": address[1], "event_type": event_type, "data": data}
    if idempotency_key:
        request["idempotency_key"] = idempotency_key
    with http_client(url, token) as client:
        try:
            response = client.post("api/v1/publish", json=request)
        except httpx2.TransportError as error:
            raise click.ClickException(f"{url}: {error}") from error
    if not response.is_success:
        raise click.ClickException(error_message(response))
    try:
        click.echo(msgspec.json.decode(response.content, type=_Published).position)
    except msgspec.DecodeError:
        raise click.ClickException(f"{url} did not answer as a Callboard server does") from None
