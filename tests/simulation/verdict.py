"""The checker of a simulated engine at rest: all records, what was acknowledged, and what the disk has."""

from __future__ import annotations

from typing import Protocol

from actors.channels import Channels
from actors.event import ChannelKey
from actors.position import Position
from tests.simulation.auditor import Auditor
from tests.simulation.device import Device, words_of
from tests.simulation.disk import Disk
from tests.simulation.ledger import Ledger, Violation
from tests.simulation.records import check_record


class Scene(Protocol):
    """What there is to be checked."""

    disk: Disk
    ledger: Ledger
    devices: list[Device]
    auditor: Auditor
    keys: list[ChannelKey]

    @property
    def channels(self) -> Channels:
        """The topics of the engine that runs."""
        ...

    @property
    def publishers_are_idle(self) -> bool: ...

    @property
    def is_all_kept(self) -> bool:
        """Nothing waits for the disk."""
        ...


def unsettled(scene: Scene) -> str:
    """Who is still to get something; empty where nobody is."""
    if not scene.publishers_are_idle:
        return "a publisher waits"
    if not scene.is_all_kept:
        return "the disk has not got all"
    if scene.ledger.owed:
        return f"not kept: {list(scene.ledger.owed)}"
    for key in scene.keys:
        log = scene.channels.log(key)
        here = f"{log.epoch}:{log.tail}"
        for device in scene.devices:
            if (at := device.position(key.topic)) != here:
                return f"{device.name} is at {at} of {key.topic}, which is at {here}"
        if (reader := scene.auditor.position(key.topic)) != log.position:
            return f"the auditor is at {reader} of {key.topic}, which is at {here}"
    return ""


def check(scene: Scene) -> None:
    """Raises Violation."""
    for device in scene.devices:
        for topic, record in device.records.items():
            check_record(device.name, topic, record, scene.ledger)
    for topic, record in scene.auditor.records.items():
        check_record("the auditor", topic, record, scene.ledger)
    for key in scene.keys:
        if key.topic in scene.ledger.kept:
            _check_disk(key, scene)
    for topic, position in scene.ledger.acknowledged:
        _check_acknowledged(topic, position, scene)
    scene.ledger.check_order()


def _check_disk(key: ChannelKey, scene: Scene) -> None:
    """What anybody has seen of the topic's present life is there, and nothing else."""
    disk, life = scene.disk, (key.topic, scene.channels.log(key).epoch)
    there = {event.offset: word for event in disk.events(key) for word in words_of(event.data)}
    known, floor = scene.ledger.places(life), disk.floor(key)
    expected = {offset: word for offset, word in known.items() if offset > floor}
    if there != expected:
        raise Violation("what was seen is kept", f"{key.topic} holds {there} above {floor}, and not {expected}")
    if floor > scene.ledger.floors.get(life, 0):
        raise Violation("what was seen is kept", f"{key.topic} has dropped up to {floor}")


def _check_acknowledged(topic: str, position: Position, scene: Scene) -> None:
    life = topic, position.epoch
    if life not in scene.ledger.dead and position.offset not in scene.ledger.places(life):
        raise Violation("acknowledged is kept", f"{topic} has nothing at {position}")
