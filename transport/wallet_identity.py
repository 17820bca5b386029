"""Which wallet a client is: its public key, and where that is asked for a signature that proves it."""

from __future__ import annotations

import base64
import binascii
import re
import time
from collections.abc import Callable

import msgspec
import trio
from nacl.exceptions import BadSignatureError
from nacl.signing import VerifyKey

from actors.errors import CallboardError, ErrorCode
from actors.principal import Principal
from actors.used_nonces import UsedNonces
from transport.head import RequestHead

KEY_HEADER = "X-Solana-PublicKey"
NONCE_HEADER = "X-Solana-Nonce"
SIGNATURE_HEADER = "X-Solana-Signature"

_BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_VALUE = {character: value for value, character in enumerate(_BASE58)}
_KEY_BYTES = 32
_KEY_CHARACTERS = range(32, 45)
_SIGNATURE_BYTES = 64
_NONCE = re.compile(r"[1-9][0-9]{0,15}", re.ASCII)
NONCE_SECONDS = 300.0
"""How far ahead a nonce may expire: so long it has to be remembered."""
NONCES = 100_000
"""So many are remembered."""


class Shown(msgspec.Struct, frozen=True):
    """What a request shows of itself; None where it is not there."""

    public_key: str | None
    nonce: str | None = None
    signature: str | None = None

    @classmethod
    def of(cls, header: Callable[[str], str | None], parameter: Callable[[str], str | None]) -> Shown:
        """`header` finds a header by its name in any case. It goes before the parameter that stands for it."""
        public_key, nonce, signature = header(KEY_HEADER), header(NONCE_HEADER), header(SIGNATURE_HEADER)
        if signature is None and (signature := parameter("signature")) is not None:
            # In an address a `+` that is not escaped is read as a blank.
            signature = signature.replace(" ", "+")
        return cls(
            parameter("publicKey") if public_key is None else public_key,
            parameter("nonce") if nonce is None else nonce,
            signature,
        )

    @classmethod
    def in_head(cls, head: RequestHead) -> Shown:
        return cls.of(lambda name: head.header(name.lower()), head.query)


class WalletIdentity:
    """From what a request shows to the user whose id is the public key. A signature that is shown must be good, also
    where none is required."""

    def __init__(
        self, *, require_signature: bool, used: UsedNonces | None = None, now: Callable[[], float] = time.time
    ) -> None:
        self._require_signature = require_signature
        self._used = UsedNonces(NONCES) if used is None else used
        self._now = now

    async def identify(self, shown: Shown) -> Principal:
        """As `recognise`, and as `use_up`."""
        principal = self.recognise(shown)
        await self.use_up(shown)
        return principal

    def recognise(self, shown: Shown) -> Principal:
        """Whom the request shows, should its nonce, if it has one, not have been used yet. Raises CallboardError
        UNAUTHORIZED with its reason."""
        if not shown.public_key:
            raise _unauthorized(f"the header {KEY_HEADER} (or ?publicKey=) is required")
        key = decode_key(shown.public_key)
        if shown.nonce is not None or shown.signature is not None or self._require_signature:
            self._check_signature(key, shown.nonce, shown.signature)
        return Principal(shown.public_key, credential_id="wallet")

    async def use_up(self, shown: Shown) -> None:
        """Of what was recognised: its nonce, if it has one, serves nobody any more. A checkpoint. Raises CallboardError
        UNAUTHORIZED for one that was used, BUSY, and UNAVAILABLE where that cannot be kept."""
        if shown.public_key is None or shown.nonce is None:
            await trio.lowlevel.checkpoint()
        else:
            await self._used.use(shown.public_key, shown.nonce, _expiry(shown.nonce), self._now())

    def _check_signature(self, key: bytes, nonce: str | None, signature: str | None) -> None:
        if not nonce or not signature:
            raise _unauthorized(f"a signature is required: {NONCE_HEADER} and {SIGNATURE_HEADER}")
        if _NONCE.fullmatch(nonce) is None:
            raise _unauthorized("the nonce is malformed: it is an expiry in Unix milliseconds")
        signed = _decode_signature(signature)
        expires_at, now = _expiry(nonce), self._now()
        if expires_at <= now:
            raise _unauthorized("the signature has expired")
        if expires_at > now + NONCE_SECONDS:
            raise _unauthorized(f"the nonce is too far ahead: at most {NONCE_SECONDS:g} seconds")
        try:
            VerifyKey(key).verify(nonce.encode("ascii"), signed)
        except BadSignatureError:
            raise _unauthorized("the signature is wrong: it is not this key's over the nonce") from None


def _expiry(nonce: str) -> float:
    """In Unix seconds."""
    return int(nonce) / 1000


def decode_key(text: str) -> bytes:
    """The 32 bytes of a public key in base58. Raises CallboardError UNAUTHORIZED."""
    number = 0
    # The length first: to read a long one takes the square of it.
    well_formed = len(text) in _KEY_CHARACTERS and all(character in _VALUE for character in text)
    if well_formed:
        for character in text:
            number = number * 58 + _VALUE[character]
        zeros = len(text) - len(text.lstrip("1"))
        size = zeros + (number.bit_length() + 7) // 8
        if size == _KEY_BYTES:
            return number.to_bytes(_KEY_BYTES, "big")
    raise _unauthorized("the public key is malformed: it is 32 bytes in base58")


def _decode_signature(text: str) -> bytes:
    try:
        signed = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        signed = b""
    if len(signed) != _SIGNATURE_BYTES:
        raise _unauthorized("the signature is malformed: it is 64 bytes in base64")
    return signed


def _unauthorized(message: str) -> CallboardError:
    return CallboardError(ErrorCode.UNAUTHORIZED, message)
