"""Publishing from outside, once for each idempotency key."""

from __future__ import annotations

import msgspec
import trio

from actors.channels import Channels
from actors.commands import Publish, Published
from actors.errors import CallboardError, ErrorCode
from actors.event import ChannelKey, now_ms
from actors.idempotency import IdempotencyKeys
from actors.mailbox import Reply
from actors.position import Position
from actors.store import Record, Store

PUBLICATION_RECORDS = "publication"


class KeptPublication(msgspec.Struct, frozen=True):
    """What a user's key was used for: the event at `offset` of a topic, at a time in Unix milliseconds."""

    user_id: str
    key: str
    channel: str
    topic: str
    owner: str
    offset: int
    at: int


class Publications:
    """Remembers keys for some time, beyond a restart where their events are kept: then key and event are kept as
    one."""

    def __init__(self, channels: Channels, seconds: float, limit: int) -> None:
        self._channels = channels
        self._seconds = seconds
        self._keys: IdempotencyKeys[tuple[str, str], Reply[Position]] = IdempotencyKeys(seconds, limit)

    async def publish(self, user_id: str, key: ChannelKey, command: Publish) -> Published:
        """Raises CallboardError as `Channels.publish`, and BUSY where the first request with the key has failed."""
        if command.idempotency_key is None:
            return Published(await self._channels.publish(key, command.draft), duplicate=False)
        named = (user_id, command.idempotency_key)
        known = self._keys.get(named, trio.current_time())
        if known is not None:
            return Published(await known.wait(), duplicate=True)
        return Published(await self._publish_first(named, key, command), duplicate=False)

    async def take_up(self, store: Store) -> None:
        """The keys that were kept, with positions in the topics as they are now. Raises actors.store.StoreError."""
        now, now_s = now_ms(), trio.current_time()
        kept = [
            (name, msgspec.json.decode(body, type=KeptPublication))
            for name, body in await store.records(PUBLICATION_RECORDS)
        ]
        for name, one in sorted(kept, key=lambda each: each[1].at):
            age = max(0.0, (now - one.at) / 1000)
            log = self._channels.peek(ChannelKey(one.channel, one.topic, one.owner))
            # A copy from before the event does not have it.
            if log is None or one.offset > log.tail or age > self._seconds:
                self._channels.keeper.note(Record(PUBLICATION_RECORDS, name, None))
                continue
            outcome: Reply[Position] = Reply()
            outcome.answer(Position(log.epoch, one.offset))
            self._note_dropped(self._keys.put((one.user_id, one.key), outcome, now_s - age))

    async def _publish_first(self, named: tuple[str, str], key: ChannelKey, command: Publish) -> Position:
        # The key is taken before the event waits for its place, so that the same request twice at once is one as well.
        outcome: Reply[Position] = Reply()
        self._note_dropped(self._keys.put(named, outcome, trio.current_time()))

        def located(position: Position) -> Record:
            kept = KeptPublication(*named, key.channel, key.topic, key.owner, position.offset, now_ms())
            return Record(PUBLICATION_RECORDS, _name(named), msgspec.json.encode(kept))

        try:
            position = await self._channels.publish(key, command.draft, located=located)
            outcome.answer(position)
        finally:
            if not outcome.is_answered:
                self._keys.forget(named)
                outcome.fail(CallboardError(ErrorCode.BUSY, "the first request with this key failed", retry_after=1.0))
        return position

    def _note_dropped(self, dropped: list[tuple[str, str]]) -> None:
        self._channels.keeper.note(*(Record(PUBLICATION_RECORDS, _name(named), None) for named in dropped))


def _name(named: tuple[str, str]) -> str:
    return "\n".join(named)
