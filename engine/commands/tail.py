"""`callboard tail`."""

from __future__ import annotations

import sys
from urllib.parse import quote

import click

from actors.errors import CallboardError
from actors.position import Position
from engine.commands.options import ChannelTopic, http_client, server_options
from engine.tail_text import TailText


class PositionText(click.ParamType[str]):
    """`EPOCH:OFFSET`, or `0` for the oldest event kept; checked and kept as text."""

    name = "position"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if value == "0":
            return value
        try:
            return str(Position.parse(value))
        except CallboardError as error:
            self.fail(error.message, param, ctx)


@click.command()
@click.argument("address", type=ChannelTopic(), metavar="CHANNEL/TOPIC")
@server_options
@click.option(
    "--since",
    type=PositionText(),
    help="Start after this position, EPOCH:OFFSET, or with all there is: 0. [default: now]",
)
@click.option("--json", "as_json", is_flag=True, help="Print each event as the JSON object that was sent, one a line.")
def tail(address: tuple[str, str], url: str, token: str | None, since: str | None, as_json: bool) -> None:
    """Follow a topic live until Ctrl-C. A dropped connection is resumed where it broke."""
    # Imported here, because the client library would slow down every other command's start.
    from engine.follower import Follower, Refusal

    path = f"api/v1/channels/{quote(address[0], safe='')}/{quote(address[1], safe='')}/events"
    text = TailText(colour=sys.stdout.isatty())

    def remark(reason: str, seconds: float) -> None:
        click.echo(text.end_line(), nl=False)
        click.echo(f"connection lost: {reason}; next attempt in {seconds:.1f} s", err=True)

    with http_client(url, token) as client:
        follower = Follower(client, path, since=since, on_drop=remark)
        try:
            for event in follower.events():
                if not as_json:
                    click.echo(text.event(event), nl=False)
                elif event.event != "subscribed":
                    click.echo(event.data)
        except Refusal as refusal:
            raise click.ClickException(str(refusal)) from refusal
        except KeyboardInterrupt:
            # The only way to end this command is no failure of it.
            click.echo(text.end_line(), nl=False)
