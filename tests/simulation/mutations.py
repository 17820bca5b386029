"""Defects that the checker has to find: each is patched into the engine, one at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from unittest.mock import patch

from actors.event import Event
from actors.journal import Journal
from actors.journal_batch import Batch
from actors.journal_entries import Appended, Entry
from actors.kept_channel import KeptChannel
from actors.log import Gap, Log
from actors.outbox import Outbox
from actors.store import Write
from actors.subscription import Subscription
from tests.simulation.disk import Disk
from transport.dialects.gateway_events import GatewayPayload
