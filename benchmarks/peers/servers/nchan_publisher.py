"""Posts events to nginx over one connection, each after the answer to the last: arguments PORT RATE BYTES FILL."""

from __future__ import annotations

import socket
import sys
import time

from broadcast import FILLER_BYTES, event


def publish(connection: socket.socket, text: str) -> None:
    """Raises ConnectionError where nginx has gone."""
    request = f"POST /publish HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(text)}\r\n\r\n{text}"
    connection.sendall(request.encode())
    answer = b""
    while b"\r\n\r\n" not in answer:
        piece = connection.recv(65536)
        if not piece:
            raise ConnectionError("nginx closed the connection")
        answer += piece


def main(port: int, rate: float, size: int, fill: int) -> None:
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for _ in range(fill):
            publish(connection, "x" * FILLER_BYTES)
        began, sent = time.monotonic(), 0
        while True:
            publish(connection, event(size))
            sent += 1
            if rate:
                time.sleep(max(0.0, began + sent / rate - time.monotonic()))


if __name__ == "__main__":
    main(int(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))
