"""Connections over the kernel, and the broadcasts that write to them."""

from __future__ import annotations

import socket
from array import array

from actors.broadcast import NO_SLOT, Broadcast
from tests.support.broadcasts import SendLoop
from transport.io_uring import IoUring
from transport.send_ring import SendRing

SLOTS = 700


def broadcasts() -> list[type[SendRing | SendLoop]]:
    """The loop, and io_uring where this system has it."""
    try:
        IoUring(1, 1)
    except OSError:
        return [SendLoop]
    return [SendLoop, SendRing]


class Crowd:
    """So many connections over the kernel, each with a slot."""

    def __init__(self, broadcast: Broadcast, count: int) -> None:
        self.broadcast = broadcast
        pairs = [socket.socketpair() for _ in range(count)]
        self.near = [near for near, _ in pairs]
        self.far = [far for _, far in pairs]
        for sock in (*self.near, *self.far):
            sock.setblocking(False)
        self.slots = array("i", [broadcast.take_slot(near.fileno()) for near in self.near])
        assert NO_SLOT not in self.slots

    def write(self, data: bytes) -> list[int]:
        return list(self.broadcast.write(self.slots, data))

    def read(self, place: int) -> bytes:
        data = b""
        try:
            while piece := self.far[place].recv(1 << 16):
                data += piece
        except BlockingIOError:
            pass
        return data

    def close(self) -> None:
        for sock in (*self.near, *self.far):
            sock.close()
        for slot in self.slots:
            self.broadcast.free_slots((slot,))
