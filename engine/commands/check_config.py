"""`callboard check-config`."""

from __future__ import annotations

from pathlib import Path

import click
import msgspec

from engine.commands.on_store import size
from engine.commands.options import config_option, read_config
from engine.config import Config, Retention


@click.command("check-config")
@config_option
def check_config(config_file: Path | None) -> None:
    """Read the configuration as `serve` would, and print every mistake, or what it comes to."""
    click.echo(summary(read_config(config_file)))


def summary(config: Config) -> str:
    """What matters of a configuration, in a few lines and without secrets."""
    server, jwt = config.server, config.auth.jwt
    scheme = "https" if server.tls_cert else "http"
    host = f"[{server.host}]" if ":" in server.host else server.host
    further = "".join(f", and port {port}" for port in config.listeners.ports)
    models = [f"{name} ({endpoint.model} at {endpoint.base_url})" for name, endpoint in config.models.items()]
    return "\n".join(
        (
            "The configuration is good.",
            f"address  {scheme}://{host}:{server.port}{further}",
            f"auth     {'required' if config.auth_required else 'not required'}; API keys"
            + (f" and JWT ({jwt.algorithm})" if jwt else ""),
            f"wallets  {'must sign' if config.wallet_signature_required else 'are not asked for a signature'}",
            f"store    {config.store.path}{_limit(config.store.max_bytes)}",
            *(f"keeps    {_kept(name, kept)}" for name, kept in msgspec.structs.asdict(config.retention).items()),
            f"agents   {', '.join(config.agent_names)}; {config.engine.default_agent} unless named",
            f"models   {', '.join(models) or 'none'}",
            f"logging  {config.logging.format}, {config.logging.level}"
            + (f", also to {config.logging.file}" if config.logging.file else ""),
        )
    )


def _limit(size_limit: int | None) -> str:
    return "" if size_limit is None else f", up to {size(size_limit)}"


def _kept(name: str, kept: Retention) -> str:
    return f"of each {name} {kept.events} events, {size(kept.bytes)}, {kept.seconds / 3600:g} h"
