from __future__ import annotations

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from actors.mailbox import Mailbox, Reply


async def test_a_full_mailbox_makes_the_sender_wait() -> None:
    mailbox: Mailbox[int] = Mailbox(2)
    ref = mailbox.ref
    ref.send_nowait(1)
    ref.send_nowait(2)
    with pytest.raises(trio.WouldBlock):
        ref.send_nowait(3)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(ref.send, 3)
        await wait_all_tasks_blocked()
        assert mailbox.statistics().waiting == 2
        assert [await mailbox.receive() for _ in range(3)] == [1, 2, 3]
    figures = mailbox.statistics()
    assert (figures.capacity, figures.waiting, figures.received) == (2, 0, 3)
    with pytest.raises(trio.WouldBlock):
        mailbox.receive_nowait()


async def test_it_outlives_its_reader() -> None:
    mailbox: Mailbox[int] = Mailbox(4)

    async def read(count: int, into: list[int]) -> None:
        async for message in mailbox:
            into.append(message)
            if len(into) == count:
                return

    first: list[int] = []
    second: list[int] = []
    for number in range(4):
        mailbox.ref.send_nowait(number)
    await read(2, first)
    await read(2, second)
    assert (first, second) == ([0, 1], [2, 3])


async def test_closed_it_ends_the_reader_and_refuses_the_sender() -> None:
    mailbox: Mailbox[int] = Mailbox(1)
    ref = mailbox.ref
    read: list[int] = []

    async def reader() -> None:
        async for message in mailbox:
            read.append(message)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(reader)
        ref.send_nowait(1)
        await wait_all_tasks_blocked()
        mailbox.close()
    assert read == [1]
    with pytest.raises(trio.BrokenResourceError):
        ref.send_nowait(2)
    with pytest.raises(trio.BrokenResourceError):
        await ref.send(2)


async def test_a_reply_is_given_once_and_a_late_one_is_dropped() -> None:
    reply: Reply[int] = Reply()
    reply.answer(1)
    reply.answer(2)
    reply.fail(ValueError("late"))
    assert reply.is_answered
    assert await reply.wait() == 1


async def test_an_answer_to_one_who_has_given_up_is_dropped(autojump_clock: trio.abc.Clock) -> None:
    reply: Reply[int] = Reply()
    with trio.move_on_after(1) as patience:
        await reply.wait()
    assert patience.cancelled_caught
    reply.answer(1)


async def test_an_error_in_place_of_an_answer() -> None:
    reply: Reply[int] = Reply()
    reply.fail(ValueError("no"))
    reply.answer(1)
    with pytest.raises(ValueError, match="no"):
        await reply.wait()
