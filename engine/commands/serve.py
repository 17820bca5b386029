"""`callboard serve`."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import click

from engine.commands.options import config_option, read_config
from engine.logs import logging_to


@click.command()
@config_option
@click.option("--host", help="Address to listen on. [env: HOST]")
@click.option("--port", help="Port to listen on; 0 lets the system choose. [env: PORT]")
@click.option(
    "--agent", "agents", multiple=True, metavar="MODULE:FUNCTION",
    help="An agent to run; may be repeated. Replaces the configuration's list.",
)  # fmt: skip
@click.option("--log-format", help="auto, console or json.")
@click.pass_context
def serve(
    context: click.Context,
    config_file: Path | None,
    host: str | None,
    port: str | None,
    agents: tuple[str, ...],
    log_format: str | None,
) -> None:
    """Run the engine until SIGINT or SIGTERM."""
    flags = {
        "--host": (("server", "host"), host),
        "--port": (("server", "port"), port),
        "--agent": (("engine", "agents"), agents),
        "--log-format": (("logging", "format"), log_format),
    }
    config = read_config(config_file, flags)
    # Imported here, because the server and all that it is made of would slow down every other command's start.
    from engine.server import run

    with ExitStack() as stack:
        try:
            stack.enter_context(logging_to(config.logging))
        except OSError as error:
            raise click.ClickException(f"{config.logging.file} cannot be opened: {error.strerror}") from error
        status = run(config)
    context.exit(status)
