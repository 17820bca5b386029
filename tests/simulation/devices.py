"""Who follows the engine in a schedule."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from random import Random

from callboard_client.places import Start
from tests.simulation.device import Connect, Device
from tests.simulation.gateway_device import GatewayDevice
from tests.simulation.listeners import MemberDevice, StepsDevice, StreamDevice
from tests.simulation.schedule import Shape


def make_devices(shape: Shape, boards: Sequence[str], connect: Connect, chance: Random) -> Iterator[Device]:
    """As many of each sort as the shape says; `boards` are the names of everybody's topics."""
    for number in range(shape.devices):
        starts: dict[str, Start] = {topic: "0" if chance.random() < 0.7 else None for topic in boards}
        yield GatewayDevice(f"device-{number}", starts, connect, chance)
    for number in range(shape.whole):
        yield GatewayDevice(f"whole-{number}", dict.fromkeys(boards), connect, chance, whole=True)
    for number in range(shape.streams):
        yield StreamDevice(f"stream-{number}", chance.choice(boards), connect, chance)
    for number in range(shape.members):
        yield MemberDevice(f"member-{number}", connect, chance)
    for number in range(shape.listeners):
        yield StepsDevice(f"listener-{number}", connect, chance)
