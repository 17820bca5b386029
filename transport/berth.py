"""Where one accepted connection waits: with a task while something of it has to wait, without one while it is idle."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol, TypeAlias

from actors.spawner import CannotSpawn
from transport.poller import Poller

Work: TypeAlias = Callable[[], Awaitable[None]]
"""What has to wait, and so is given a task. It ends with its connection, or parks it."""


class Guest(Protocol):
    """Who is told of an idle connection's bytes."""

    def ready(self) -> Work | None:
        """Handles what has come as far as nothing has to be waited for, and returns the rest. Never blocks."""
        ...

    @property
    def is_overdue(self) -> bool:
        """Whether it must not be idle any longer."""
        ...

    async def attend(self) -> None:
        """Goes on in a task: something has to wait although no bytes came, or the socket was closed."""
        ...

    def turn_away(self) -> None:
        """Tells the client, as far as that needs no wait, that nobody can serve it now. Goes before `abandon`."""
        ...

    def abandon(self) -> None:
        """Clears away all that is the guest's; the socket itself is not."""
        ...


class Host(Protocol):
    """Who has accepted the connection."""

    def give_task(self, name: str, work: Work) -> None:
        """Has it run as this connection's, whose end it is unless it is parked then. Raises CannotSpawn."""
        ...

    def failed(self, name: str, error: Exception) -> None:
        """Reports it."""
        ...

    def leave(self, name: str) -> None:
        """Closes the connection; what has been sent arrives."""
        ...


class Berth:
    """A resident of the poller, while it is parked. What goes wrong with it is its own matter, as with a task."""

    __slots__ = ("_fileno", "_guest", "_host", "_name", "_poller", "_stepping", "_woken", "parked")

    def __init__(self, name: str, fileno: int, host: Host, poller: Poller) -> None:
        self._name = name
        self._fileno = fileno
        self._host = host
        self._poller = poller
        self._guest: Guest | None = None
        """None where a task serves the connection."""
        self._stepping = False
        self._woken = False
        self.parked = False

    def park(self, guest: Guest) -> bool:
        """From now on it is the guest who is told when bytes come. False where its task has to wait for them itself.

        The task that has called this with success returns without a checkpoint.
        """
        if self.parked or self._poller.add(self._fileno, self):
            self._guest = guest
            self.parked = True
        return self.parked

    def ask_turn(self) -> bool:
        """Has the guest be `ready` once more after the others have had their turn. False where that cannot be: it has
        a task, or the poller sleeps."""
        return self.parked and self._poller.ask_turn(self._fileno)

    def call_after(self, seconds: float, now: float) -> None:
        """If it is parked so long after `now`, and its guest is overdue, the guest attends to it."""
        self._poller.call_after(seconds, now, self)

    def call_off(self, seconds: float) -> None:
        """Nobody looks then. Idempotent."""
        self._poller.call_off(seconds, self)

    def leave(self) -> None:
        """The socket is about to be closed; `wake` follows. The kernel would tell of it as long as anybody else holds
        it, and some do so for a second after io_uring has let go of it."""
        self._poller.remove(self._fileno)

    def wake(self) -> None:
        """Has its guest attend to it. Nothing happens where the connection has a task."""
        if self._stepping:
            # It gets one task, and not another for what it has brought about itself.
            self._woken = True
        elif (guest := self._guest) is not None:
            self._step(lambda: guest.attend)

    def ready(self) -> None:
        if self._guest is not None:
            self._step(self._guest.ready)

    def overdue(self) -> None:
        if (guest := self._guest) is not None and guest.is_overdue:
            self.wake()

    def abandon(self) -> None:
        self._end(told=True)

    def _end(self, *, told: bool) -> None:
        guest = self._guest
        self._unpark()
        try:
            if guest is not None:
                if told:
                    guest.turn_away()
                guest.abandon()
        # A connection's edge: what is wrong with one ends no other.
        except Exception as error:  # noqa: BLE001
            self._host.failed(self._name, error)
        self._host.leave(self._name)

    def _step(self, step: Callable[[], Work | None]) -> None:
        self._stepping, self._woken = True, False
        try:
            work = step()
            if work is None and self._woken and self._guest is not None:
                work = self._guest.attend
            if work is not None:
                self._host.give_task(self._name, work)
                self._unpark()
        except CannotSpawn:
            self.abandon()
        # As above.
        except Exception as error:  # noqa: BLE001
            self._host.failed(self._name, error)
            self._end(told=False)
        finally:
            self._stepping = False

    def _unpark(self) -> None:
        self.parked = False
        self._guest = None
        self._poller.remove(self._fileno)
