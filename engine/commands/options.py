"""What several subcommands share: their options, the configuration, the server at the other end."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Any, TypeVar

import click
import httpx2

from actors.errors import CallboardError
from actors.event import check_topic
from engine.config import Config
from engine.config_load import ConfigError, load_config
from engine.config_schema import KeyPath

F = TypeVar("F", bound=Callable[..., Any])


class ConfigMistakes(click.ClickException):
    """Prints every mistake on a line of its own; exit 1."""

    def __init__(self, error: ConfigError) -> None:
        super().__init__(str(error))

    def show(self, file: IO[Any] | None = None) -> None:
        click.echo(self.message, file=file, err=True)


def config_option(command: F) -> F:
    return click.option(
        "--config",
        "config_file",
        type=click.Path(path_type=Path),
        help="TOML file. [env: CALLBOARD_CONFIG; default: callboard.toml, if there is one]",
    )(command)


def server_options(command: F) -> F:
    url = click.option(
        "--url", envvar="CALLBOARD_URL", default="http://127.0.0.1:18080", show_default=True, show_envvar=True,
        help="The server.",
    )  # fmt: skip
    token = click.option(
        "--token", envvar="CALLBOARD_TOKEN", show_envvar=True,
        help="An API key or a JWT; better given in the environment, where no process list shows it.",
    )  # fmt: skip
    return url(token(command))


def agent_option(command: F) -> F:
    return click.option("--agent", default="offline", show_default=True, help="The agent that answers.")(command)


def read_config(
    file: Path | None, flags: Mapping[str, tuple[KeyPath, object]] | None = None, *, surroundings: bool = True
) -> Config:
    """`load_config`, its mistakes printed and exit 1."""
    try:
        return load_config(file, flags=flags, surroundings=surroundings)
    except ConfigError as error:
        raise ConfigMistakes(error) from error


def http_client(url: str, token: str | None) -> httpx2.Client:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    try:
        client = httpx2.Client(base_url=url, headers=headers, timeout=30)
    except (httpx2.InvalidURL, UnicodeEncodeError) as error:
        raise click.BadParameter(str(error), param_hint="--url") from None
    if client.base_url.scheme not in ("http", "https") or not client.base_url.host:
        raise click.BadParameter(f"{url!r} is no http:// or https:// URL", param_hint="--url")
    return client


class ChannelTopic(click.ParamType[tuple[str, str]]):
    """`CHANNEL/TOPIC` as a pair."""

    name = "channel/topic"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, str]:
        channel, _, topic = value.partition("/")
        if not channel.isascii() or not channel.isidentifier():
            self.fail(f"{value!r} is not written CHANNEL/TOPIC", param, ctx)
        try:
            check_topic(topic)
        except CallboardError as error:
            self.fail(error.message, param, ctx)
        return channel, topic
