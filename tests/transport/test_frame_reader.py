"""What a client's frames are held in until they are whole: it is small, and goes at once."""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Callable

import pytest
from websockets.frames import Frame, Opcode

from tests.support.raw_websocket import PING, frame, text_frame
from transport.frame_reader import FrameReader, UnreadableError
from transport.message_assembly import MessageAssembly

MIB = 1024 * 1024


def kept(make: Callable[[], object]) -> int:
    """How many bytes the thing takes. It is made twice: what is made but once is none of it."""
    make()
    gc.collect()
    tracemalloc.start()
    try:
        made = make()
        assert made is not None
        return tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("data", [PING * 5000, text_frame("x" * 60_000)], ids=["many", "a long one"])
def test_nothing_is_left_of_frames_that_were_handed_out(data: bytes) -> None:
    def make() -> FrameReader:
        reader = FrameReader(MIB)
        reader.feed(data)
        while reader.next() is not None:
            pass
        assert not reader.is_amid_frame
        return reader

    assert kept(make) < 1000


def test_a_length_that_is_announced_reserves_nothing() -> None:
    begun = text_frame("x" * MIB)[:1000]

    def make() -> FrameReader:
        reader = FrameReader(MIB)
        reader.feed(begun)
        assert reader.next() is None
        assert reader.is_amid_frame
        return reader

    assert kept(make) < 3000


def test_of_fragments_nothing_is_kept_but_what_they_say() -> None:
    fragments = [Frame(Opcode.TEXT, b"a", fin=False)] + [Frame(Opcode.CONT, b"", fin=False)] * 20_000

    def make() -> MessageAssembly:
        messages = MessageAssembly(MIB)
        for fragment in fragments:
            assert messages.add(fragment) is None
        return messages

    assert kept(make) < 1000


def test_a_reader_amid_a_frame_is_freed_without_the_garbage_collector() -> None:
    reader = FrameReader(MIB)
    reader.feed(text_frame("cut off")[:9])
    assert reader.next() is None
    gc.collect()
    gc.disable()
    try:
        del reader
        assert gc.collect() == 0
    finally:
        gc.enable()


def test_a_frame_is_refused_by_its_head_alone() -> None:
    reader = FrameReader(1000)
    reader.feed(text_frame("x" * 1001)[:4])
    with pytest.raises(UnreadableError) as refused:
        reader.next()
    assert refused.value.code == 1009
    assert refused.value.reason == "a message has at most 1000 bytes"


def test_a_limit_below_125_bytes_is_none_of_control_frames() -> None:
    reader = FrameReader(10)
    reader.feed(frame(Opcode.PING, b"x" * 125))
    ping = reader.next()
    assert ping is not None
    assert ping.data == b"x" * 125
