"""Which wallet a request is of: keys, signatures, nonces."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from actors.errors import CallboardError
from actors.principal import Principal
from actors.used_nonces import UsedNonces
from tests.support.wallets import Wallet, base58
from transport.wallet_identity import Shown, WalletIdentity, decode_key

NOW = 1_700_000_000.0
NONCE = "1700000060000"
ALICE = Wallet(1)
BOB = Wallet(2)


def strict() -> WalletIdentity:
    return WalletIdentity(require_signature=True, now=lambda: NOW)


def signed(nonce: str = NONCE, by: Wallet = ALICE) -> Shown:
    return Shown(ALICE.public_key, nonce, by.sign(nonce))


async def refusal(identity: WalletIdentity, shown: Shown) -> str:
    with pytest.raises(CallboardError) as refused:
        await identity.identify(shown)
    assert refused.value.code == "UNAUTHORIZED"
    return refused.value.message


@given(st.binary(min_size=32, max_size=32))
@example(bytes(32))
@example(b"\xff" * 32)
def test_every_key_of_32_bytes_is_read(key: bytes) -> None:
    assert decode_key(base58(key)) == key


@given(st.text(), st.none() | st.text(), st.none() | st.text())
@example("1" * 33, None, None)
@example("z" * 44, "1", "")
@example("\ud800" * 40, "\u0661", "\ud800")
@example(ALICE.public_key, NONCE, "x")
def test_whatever_is_shown_is_a_principal_or_one_refusal(key: str, nonce: str | None, signature: str | None) -> None:
    for identity in (strict(), WalletIdentity(require_signature=False, now=lambda: NOW)):
        found = outcome(identity, Shown(key, nonce, signature))
        if isinstance(found, CallboardError):
            assert found.code == "UNAUTHORIZED"
            assert found.message
        else:
            assert found == Principal(key, credential_id="wallet")
            assert len(decode_key(key)) == 32


def outcome(identity: WalletIdentity, shown: Shown) -> Principal | CallboardError:
    try:
        return identity.recognise(shown)
    except CallboardError as error:
        return error


@pytest.mark.parametrize("size", [1, 31, 33, 64])
async def test_a_key_of_another_length_is_malformed(size: int) -> None:
    lax = WalletIdentity(require_signature=False)
    assert "public key" in await refusal(lax, Shown(base58(b"\x07" * size)))


async def test_a_key_alone_is_enough_only_where_no_signature_is_required() -> None:
    assert (await WalletIdentity(require_signature=False).identify(Shown(ALICE.public_key))).user_id == ALICE.public_key
    assert "a signature is required" in await refusal(strict(), Shown(ALICE.public_key))
    assert "is required" in await refusal(strict(), Shown(None))


async def test_a_good_signature_is_taken_once() -> None:
    identity = strict()
    assert (await identity.identify(signed())).user_id == ALICE.public_key
    assert await refusal(identity, signed()) == "the nonce has been used already"
    assert (await identity.identify(signed("1700000060001"))).user_id == ALICE.public_key


async def test_the_same_nonce_of_another_wallet_is_another_one() -> None:
    identity = strict()
    await identity.identify(signed())
    assert (await identity.identify(Shown(BOB.public_key, NONCE, BOB.sign(NONCE)))).user_id == BOB.public_key


@pytest.mark.parametrize(
    ("shown", "message"),
    [
        (signed("1700000000000"), "the signature has expired"),
        (signed("1700000300001"), "too far ahead"),
        (signed("01700000060000"), "the nonce is malformed"),
        (signed("soon"), "the nonce is malformed"),
        (Shown(ALICE.public_key, NONCE, "bm8="), "the signature is malformed"),
        (Shown(ALICE.public_key, NONCE, "%%%"), "the signature is malformed"),
        (Shown(ALICE.public_key, "1700000060001", ALICE.sign(NONCE)), "the signature is wrong"),
        (signed(by=BOB), "the signature is wrong"),
        (Shown(ALICE.public_key, NONCE, None), "a signature is required"),
    ],
)
async def test_each_fault_has_its_own_message(shown: Shown, message: str) -> None:
    assert message in await refusal(strict(), shown)
    # One that is shown must be good, also where none is required.
    assert message in await refusal(WalletIdentity(require_signature=False, now=lambda: NOW), shown)


async def test_a_wrong_signature_does_not_use_up_the_nonce() -> None:
    identity = strict()
    await refusal(identity, signed(by=BOB))
    assert (await identity.identify(signed())).user_id == ALICE.public_key


async def test_the_memory_of_nonces_is_bounded_and_forgets_the_expired() -> None:
    used = UsedNonces(2)
    await used.use("a", "1", NOW + 10, NOW)
    await used.use("a", "2", NOW + 10, NOW)
    with pytest.raises(CallboardError, match="2 signatures are remembered"):
        await used.use("a", "3", NOW + 10, NOW)
    await used.use("a", "3", NOW + 30, NOW + 20)
    assert len(used) == 1


def test_headers_go_before_parameters_and_a_blank_in_an_address_is_a_plus() -> None:
    headers = {"X-Solana-PublicKey": "h"}
    parameters = {"publicKey": "p", "nonce": "7", "signature": "a b/c"}
    assert Shown.of(headers.get, parameters.get) == Shown("h", "7", "a+b/c")
