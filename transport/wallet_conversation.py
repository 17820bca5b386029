"""A client's conversation in the wallet dialect: it mostly listens."""

from __future__ import annotations

from collections.abc import Awaitable
from functools import partial

from actors.errors import CallboardError
from actors.principal import Principal
from transport.byte_stream import ByteStream
from transport.client_services import ClientServices
from transport.client_socket import ClientSocket
from transport.connection_edge import Serving
from transport.dialects import wallet, wallet_frames
from transport.door import open_identified, send_refusal
from transport.head import RequestHead
from transport.http_error import error_reply, http_status
from transport.upgrade import switching_protocols
from transport.wallet_identity import Shown
from transport.wallets import Wallets

WALLET_SOCKET_PATH = "/api/ws"


class WalletDoor:
    """Lets in the sockets of wallets."""

    def __init__(self, services: ClientServices, wallets: Wallets) -> None:
        self._services = services
        self._wallets = wallets

    def serves(self, head: RequestHead) -> bool:
        return head.path == WALLET_SOCKET_PATH

    def open(self, stream: ByteStream, head: RequestHead) -> Serving:
        close_seconds = self._services.options.close_seconds
        shown = Shown.in_head(head)
        try:
            wallet = self._wallets.identity.recognise(shown)
        except CallboardError as error:
            return partial(send_refusal, stream, _refusal(error), close_seconds)
        return open_identified(
            stream,
            wallet if shown.nonce is None and self._wallets.is_ready(wallet) else None,
            partial(self._ready, wallet, shown),
            _refusal,
            partial(self._open_client, stream),
            switching_protocols(head),
            close_seconds,
        )

    async def _ready(self, wallet: Principal, shown: Shown) -> Principal:
        await self._wallets.identity.use_up(shown)
        # Where there is no room for its feed, the wallet is told so instead of being let in.
        await self._wallets.ready(wallet)
        return wallet

    def _open_client(self, stream: ByteStream, principal: Principal) -> ClientSocket:
        speaks = partial(WalletConversation, principal, self._wallets)
        return ClientSocket(stream, self._services, self._wallets.encoder, speaks)


class WalletConversation:
    """Tells a wallet what it has missed and what comes, and answers its pings."""

    __slots__ = ("_client", "_counted", "_principal", "_wallets")

    def __init__(self, principal: Principal, wallets: Wallets, client: ClientSocket) -> None:
        self._principal = principal
        self._wallets = wallets
        self._client = client
        self._counted = False

    def greet(self) -> None:
        client = self._client
        feed = self._wallets.feed(self._principal)
        client.identify(self._principal, None)
        self._counted = True
        self._wallets.sockets += 1
        client.reply(wallet_frames.established(self._principal.user_id))
        for update in self._wallets.catch_up(feed):
            # Ahead of what it has missed: of a task that is told there too, that is the later word.
            client.reply(wallet_frames.pushed(update))
        client.flush()
        admission = client.connection.admission(feed.key, feed.attendance.arrive())
        client.connection.hold(admission, feed.attendance.leave)

    def end(self) -> None:
        if self._counted:
            self._counted = False
            self._wallets.sockets -= 1

    def answer(self, text: str) -> Awaitable[None] | None:
        """Handles one frame, whatever it holds: one reply goes out at once."""
        over_rate = self._client.over_rate()
        try:
            ping = wallet.decode(text)
        except wallet.RefusedError as refused:
            self._client.reply(wallet_frames.error_frame(refused.named, over_rate or refused.error))
            return None
        if over_rate is None:
            self._client.reply(wallet_frames.pong(ping))
        else:
            self._client.reply(wallet_frames.error_frame(ping.named, over_rate))
        return None


def _refusal(error: CallboardError) -> bytes:
    return error_reply(http_status(error.code), error.code, error.message, retry_after=error.retry_after)
