"""What the tasks of this process share of the engine."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from actors.channels import Channels
from actors.model import Model
from actors.timers import Timers
from actors.tool import Toolbox


class TaskServices(msgspec.Struct, frozen=True):
    """What a task needs of the engine. Deadlines are seconds; `client_tool_bytes` bounds the arguments of a call that a
    client carries out, and its result."""

    channels: Channels
    toolbox: Toolbox
    models: Mapping[str, Model]
    timers: Timers
    confirm_seconds: float
    cancel_seconds: float
    client_tool_seconds: float
    client_tool_bytes: int
