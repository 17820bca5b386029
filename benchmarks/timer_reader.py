"""Opens connections to `timer_loop` and reads what it sends, until it closes them.

python -m benchmarks.timer_reader PORT CONNECTIONS
"""

from __future__ import annotations

import socket
import sys
import time

_NAP_SECONDS = 0.001
"""It looks up so often, as the load generator of the streams does: to be woken up for each would cost the sender."""


def read_all(socks: list[socket.socket]) -> None:
    while socks:
        socks = [sock for sock in socks if is_open(sock)]
        time.sleep(_NAP_SECONDS)


def is_open(sock: socket.socket) -> bool:
    try:
        return bool(sock.recv(65_536))
    except BlockingIOError:
        return True
    except OSError:
        return False


if __name__ == "__main__":
    port, count = map(int, sys.argv[1:])
    opened = [socket.create_connection(("127.0.0.1", port)) for _ in range(count)]
    for one in opened:
        one.setblocking(False)
    read_all(opened)
