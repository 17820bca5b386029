"""The wallets: who they are, the feed of each, and how many are there."""

from __future__ import annotations

from actors.addresses import broadcasts_of
from actors.event import ChannelKey, Draft, Event, now_ms
from actors.feed import Feed
from actors.feeds import FEED_CHANNEL, Feeds
from actors.principal import Principal
from actors.retention import Retention
from actors.router import Router
from transport.dialects.wallet_frames import WalletEncoder
from transport.dialects.wallet_projection import WalletProjection
from transport.wallet_identity import WalletIdentity

_KEPT = Retention(events=100, seconds=7 * 24 * 3600.0)
"""What a wallet that is away finds when it comes back."""


class Wallets:
    """One for the engine. A wallet's feed tells of all its conversations and tasks, whoever started them."""

    def __init__(self, router: Router, feeds: Feeds, identity: WalletIdentity, heartbeat_seconds: float) -> None:
        self.identity = identity
        self.encoder = WalletEncoder()
        self.heartbeat_seconds = heartbeat_seconds
        self.sockets = 0
        """Open now."""
        self._router = router
        self._feeds = feeds
        feeds.know("wallet", lambda: WalletProjection(0), lambda owner: self.feed(Principal(owner)))

    def feed(self, wallet: Principal) -> Feed:
        """The wallet's; where it is new, what happens is kept from then on. Raises CallboardError BUSY."""
        owner = wallet.user_id
        key = ChannelKey(FEED_CHANNEL, "wallet", owner)
        with self._feeds.beginning():
            feed = self._feeds.open(key, _KEPT, lambda: WalletProjection(now_ms(), self._waiting(wallet)))
            news = ChannelKey("system", "tasks", owner)
            if news not in feed:
                feed.add(news, self._router.channels.resume(news, None))
                broadcasts = broadcasts_of(owner)
                feed.add(broadcasts, self._router.channels.resume(broadcasts, None))
                self._feeds.follow(feed, "session", owner)
                # A task that runs already is told whole.
                self._feeds.follow(feed, "task", owner, replay=True)
        return feed

    def is_ready(self, wallet: Principal) -> bool:
        """Whether `ready` has nothing to wait for."""
        feed = self._feeds.find(ChannelKey(FEED_CHANNEL, "wallet", wallet.user_id))
        return feed is not None and feed.is_ready

    async def ready(self, wallet: Principal) -> None:
        """Returns once it is known what the wallet has heard. Raises CallboardError BUSY, UNAVAILABLE."""
        await self.feed(wallet).ready()

    def catch_up(self, feed: Feed) -> list[Draft]:
        """What the wallet is asked and has not answered, for a device that comes."""
        return feed.projection.catch_up() if isinstance(feed.projection, WalletProjection) else []

    def _waiting(self, wallet: Principal) -> tuple[Event, ...]:
        asking = self._router.tasks.asking(wallet)
        return tuple(question for key in reversed(asking) for question in self._router.open_questions(key))
