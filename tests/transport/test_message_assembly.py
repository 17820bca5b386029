"""Messages out of frames, and what cannot become one."""

from __future__ import annotations

import pytest
from websockets.frames import Frame, Opcode

from transport.frame_reader import UnreadableError
from transport.message_assembly import MessageAssembly

SNOWMAN = "\N{SNOWMAN}".encode()


def first(data: bytes, opcode: Opcode = Opcode.TEXT) -> Frame:
    return Frame(opcode, data, fin=False)


def middle(data: bytes) -> Frame:
    return Frame(Opcode.CONT, data, fin=False)


def last(data: bytes) -> Frame:
    return Frame(Opcode.CONT, data)


def test_a_character_may_be_cut_by_fragments() -> None:
    messages = MessageAssembly(100)
    assert messages.add(first(SNOWMAN[:1])) is None
    assert messages.add(middle(b"")) is None
    assert messages.add(middle(SNOWMAN[1:2])) is None
    assert messages.add(last(SNOWMAN[2:])) == "\N{SNOWMAN}"
    assert messages.add(Frame(Opcode.TEXT, b"next")) == "next"


def test_bytes_need_be_no_text() -> None:
    messages = MessageAssembly(100)
    assert messages.add(first(b"\xff", Opcode.BINARY)) is None
    assert messages.add(last(SNOWMAN[:1])) == b"\xff" + SNOWMAN[:1]


@pytest.mark.parametrize(
    ("frames", "code"),
    [
        ([first(b"a"), middle(b"\xff")], 1007),
        ([first(b"a"), middle(SNOWMAN[:2]), middle(b"a")], 1007),
        ([first(SNOWMAN[:2]), last(b"")], 1007),
        ([Frame(Opcode.TEXT, SNOWMAN[:2])], 1007),
        ([last(b"")], 1002),
        ([first(b"a"), last(b"b"), middle(b"c")], 1002),
        ([first(b"a"), first(b"b")], 1002),
        ([first(b"a"), Frame(Opcode.BINARY, b"b")], 1002),
        ([first(b"x" * 60), middle(b"x" * 41)], 1009),
        ([first(b"x" * 60, Opcode.BINARY), last(b"x" * 41)], 1009),
        ([Frame(Opcode.BINARY, b"x" * 101)], 1009),
    ],
)
def test_the_frame_that_spoils_a_message_is_refused(frames: list[Frame], code: int) -> None:
    messages = MessageAssembly(100)
    *good, bad = frames
    for frame in good:
        messages.add(frame)
    with pytest.raises(UnreadableError) as refused:
        messages.add(bad)
    assert refused.value.code == code
