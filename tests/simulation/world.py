"""A schedule carried out: what befalls the engine, those who publish, and those who follow."""

from __future__ import annotations

from random import Random
from typing import assert_never

import trio

from actors.channels import Channels
from actors.event import ChannelKey
from actors.journal_entries import Kept
from actors.spawner import CannotSpawn
from actors.store import Floor
from tests.simulation.auditor import Auditor
from tests.simulation.device import Device
from tests.simulation.devices import make_devices
from tests.simulation.disk import Disk
from tests.simulation.host import PATIENCE, Host
from tests.simulation.ledger import Violation
from tests.simulation.publisher import Publisher
from tests.simulation.schedule import Do, Schedule, Step
from tests.simulation.topics import STEPS, keys_of
from tests.simulation.verdict import check, unsettled
from tests.simulation.wire import Wire
from tests.simulation.witness import Witness

_RETRY_SECONDS = 0.1
_ONCE_MORE = 0.3
"""How many schedules end with one more restart in good order, as a share: it is a third of the work of most."""


class World:
    """Everything of one schedule. `run` raises Violation; what happens is written to `trace`."""

    def __init__(self, schedule: Schedule, nursery: trio.Nursery, trace: list[str]) -> None:
        self.schedule = schedule
        shape = schedule.shape
        self.keys = list(keys_of(shape))
        self._boards = self.keys[: shape.topics]
        self._by_name = {key.topic: key for key in self.keys}
        self._chance = Random(schedule.seed + 1)
        self._epochs = 0
        self.disk = Disk(self._chance, self.new_epoch, self._fail)
        self._witness = Witness(self._names_kept(), self.disk, trace, self._fail)
        self.disk.written = self._witness.written
        self.ledger = self._witness.ledger
        self._nursery = nursery
        self._fault: Violation | None = None
        self._course = trio.CancelScope()
        self.auditor = Auditor(self.keys)
        self._host = Host(
            self.disk,
            shape,
            self.keys,
            self._witness,
            self.auditor,
            nursery,
            cut=self._cut_all,
            give_up=self._give_up_all,
            fail=self._fail,
        )
        names = [key.topic for key in self._boards]
        self.devices = list(make_devices(shape, names, self._connect, self._chance))
        spoken = [key for key in self.keys if key != STEPS]
        self._clients = [Publisher(key, "client", self._host.channels, self._witness) for key in spoken]
        self._agents = [Publisher(key, "engine", self._host.channels, self._witness) for key in spoken]

    async def run(self) -> None:
        with self._course:
            await self._carry_out()
        self._check_fault()

    async def _carry_out(self) -> None:
        await self._host.begin()
        for device in self.devices:
            self._nursery.start_soon(device.run)
        for publisher in (*self._clients, *self._agents):
            self._nursery.start_soon(publisher.run)
        for step in self.schedule.steps:
            self._witness.note(f"{step.do.value} {step.which} {step.amount}")
            await self._do(step)
            await trio.sleep(step.after)
        await self._settle()
        check(self)
        if self._chance.random() < _ONCE_MORE:
            await self._host.stop()
            await self._host.begin()
            await self._settle()
            check(self)

    async def discard(self) -> None:
        """Ends the engine, whatever its state."""
        if self._host.life is not None:
            await self._host.kill(kept=False)

    def new_epoch(self) -> str:
        self._epochs += 1
        return f"e{self._epochs}"

    @property
    def is_all_kept(self) -> bool:
        return self._host.require_life().journal.statistics().waiting == 0

    @property
    def channels(self) -> Channels:
        return self._host.require_life().channels

    @property
    def publishers_are_idle(self) -> bool:
        return all(publisher.is_idle for publisher in (*self._clients, *self._agents))

    async def _do(self, step: Step) -> None:
        number = step.which % len(self._clients)
        key, device = self._boards[step.which % len(self._boards)], self.devices[step.which % len(self.devices)]
        match step.do:
            case Do.PUBLISH:
                self._clients[number].add(step.amount)
            case Do.EMIT:
                self._agents[number].add(step.amount)
            case Do.GIVE_UP:
                self._clients[number].give_up()
                self._agents[number].give_up()
            case Do.CUT:
                device.cut()
            case Do.STALL:
                device.stall()
            case Do.FLOW:
                device.flow()
            case Do.SLOW:
                self.disk.slowness = step.amount / 1000
            case Do.FAIL:
                self.disk.fail("disk full")
            case Do.FULL:
                self.disk.is_full = True
            case Do.HEAL:
                self.disk.recover()
            case Do.CRASH_JOURNAL:
                self.disk.crashes += 1
            case Do.CRASH_CHANNEL:
                self._host.require_life().encoder.crashes += 1
            case Do.CRASH_FEED:
                self._host.require_life().journal.crashes += 1
            case Do.CRASH_ROUNDS:
                self._host.require_life().crash_rounds()
            case Do.INTERRUPT_READER:
                self.auditor.interrupt()
            case Do.RETAIN:
                self._retain(key, step.amount)
            case Do.SWEEP:
                await self._host.require_life().channels.sweep.run()
            case Do.FORGET:
                self._forget(key)
            case Do.BACK_UP:
                self.disk.back_up()
            case Do.STOP:
                await self._host.stop()
                await self._host.begin()
            case Do.KILL | Do.RESTORE:
                await self._host.kill(kept=step.amount % 2 == 1)
                if step.do is Do.RESTORE:
                    self.disk.restore()
                await self._host.begin()
            case _:
                assert_never(step.do)

    def _retain(self, key: ChannelKey, events: int) -> None:
        life = self._host.require_life()
        log = life.channels.log(key)
        offset = log.tail - events
        if offset > 0 and key.topic in self.ledger.kept:
            self.ledger.raise_floor((key.topic, log.epoch), offset)
            log.raise_floor(offset)
            life.journal.put_nowait(Kept(floors=(Floor(key, offset),)))

    def _forget(self, key: ChannelKey) -> None:
        """Who follows it hears nothing more: all come back."""
        channels = self._host.require_life().channels
        self.ledger.end((key.topic, channels.log(key).epoch))
        self.ledger.forgive(key.topic)
        channels.forget(key)
        self.auditor.begin_anew(key)
        self._cut_all()

    async def _settle(self) -> None:
        """Nothing disturbs the engine any more: everybody gets everything."""
        self.disk.recover()
        self.disk.slowness = 0
        self.disk.crashes = 0
        self._host.require_life().encoder.crashes = self._host.require_life().journal.crashes = 0
        for device in self.devices:
            device.flow()
        waited = 0
        while what := unsettled(self):
            if waited >= PATIENCE:
                raise Violation("all is well again", what)
            await trio.sleep(1)
            waited += 1

    def _names_kept(self) -> list[str]:
        """Of the topics of everybody's so many, and all others."""
        return [key.topic for key in (*self._boards[: self.schedule.shape.kept], *self.keys[len(self._boards) :])]

    async def _connect(self, device: Device) -> Wire:
        parts = device.parts()

        def sent(data: bytes) -> None:
            for text in parts.feed(data):
                if (told := device.told(text)) is not None:
                    self._witness.sent(self._by_name[told[0]], told[1])

        wire = Wire(self._chance, self.schedule.shape.buffer, sent)
        while True:
            await self._host.channels()
            try:
                self._host.require_life().serve(device, wire)
            except CannotSpawn:
                # Its supervisor is being restarted.
                await trio.sleep(_RETRY_SECONDS)
            else:
                return wire

    def _cut_all(self) -> None:
        for device in self.devices:
            device.cut()

    def _give_up_all(self) -> None:
        for publisher in (*self._clients, *self._agents):
            publisher.give_up()

    def _fail(self, violation: Violation) -> None:
        self._fault = self._fault or violation
        self._course.cancel()

    def _check_fault(self) -> None:
        if self._fault is not None:
            raise self._fault
