"""The command line: `callboard`, or `python -m engine`."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from engine.commands.backup import backup
from engine.commands.cancel import cancel
from engine.commands.chat import chat
from engine.commands.check_config import check_config
from engine.commands.export import export_
from engine.commands.import_ import import_
from engine.commands.publish import publish
from engine.commands.run import run
from engine.commands.serve import serve
from engine.commands.store import store
from engine.commands.tail import tail
from engine.commands.token import token


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="callboard", message="%(prog)s %(version)s")
def callboard() -> None:
    """An actor-model event engine for AI agents: run them, watch them, steer them, lose nothing."""


_ON_THE_STORE = (store, export_, import_, backup)
for _command in (serve, check_config, token, run, chat, cancel, publish, tail, *_ON_THE_STORE):
    callboard.add_command(_command)


def main() -> None:
    """The entry point. Agents named `module:function` are found beside where the command is run."""
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    callboard(prog_name="callboard")
