from __future__ import annotations

import pytest
import trio

from actors.channels import Channels
from actors.channels_options import ChannelsOptions
from actors.dynamic_supervisor import DynamicSupervisor
from actors.errors import CallboardError, ErrorCode
from actors.event import ChannelKey, draft
from actors.report import Report


class NoReports:
    def report(self, report: Report, /) -> None:
        raise AssertionError(report)


async def test_a_supervisor_that_takes_no_child_is_a_refusal_that_a_client_may_read(
    autojump_clock: trio.abc.Clock,
) -> None:
    supervisor = DynamicSupervisor("topics", reporter=NoReports(), max_children=1)
    channels = Channels(supervisor, {}, ChannelsOptions(in_place=-1))
    with pytest.raises(CallboardError) as stopped:
        await channels.publish(ChannelKey("app", "early"), draft("note", {}))
    assert stopped.value.code is ErrorCode.BUSY
    async with trio.open_nursery() as nursery:
        await nursery.start(supervisor.run)
        await channels.publish(ChannelKey("app", "one"), draft("note", {}))
        with pytest.raises(CallboardError) as full:
            await channels.publish(ChannelKey("app", "two"), draft("note", {}))
        assert full.value.code is ErrorCode.BUSY
        nursery.cancel_scope.cancel()
