"""What 500 streams cost before anything is sent: as many trio tasks that wake up 50 times a second, and nothing else.

python -m benchmarks.timer_loop TASKS PER_SECOND
"""

from __future__ import annotations

import sys

import trio


async def tick(per_second: float) -> None:
    began, count = trio.current_time(), 0
    while True:
        count += 1
        await trio.sleep_until(began + count / per_second)


async def main(tasks: int, per_second: float) -> None:
    async with trio.open_nursery() as nursery:
        for _ in range(tasks):
            nursery.start_soon(tick, per_second)


if __name__ == "__main__":
    trio.run(main, int(sys.argv[1]), float(sys.argv[2]))
