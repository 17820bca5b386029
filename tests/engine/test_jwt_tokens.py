"""JSON Web Tokens: three algorithms, and every way to be refused."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from typing import Any, TypeAlias

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from actors.errors import CallboardError, ErrorCode
from actors.principal import Scope
from engine.config import Jwt
from engine.jwt_tokens import JwtVerifier
from engine.secret import Secret

SECRET = "0123456789abcdef0123456789abcdef"
RSA = rsa.generate_private_key(65537, 2048)
SMALL = rsa.generate_private_key(65537, 1024)  # noqa: S505  # it is there to be refused
EC = ec.generate_private_key(ec.SECP256R1())
ED25519 = ed25519.Ed25519PrivateKey.generate()


PrivateKey: TypeAlias = rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey


def public_pem(key: PrivateKey) -> str:
    pem: bytes = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return pem.decode()


KEYS: dict[str, tuple[Any, Jwt]] = {
    "HS256": (SECRET, Jwt(algorithm="HS256", secret=Secret(SECRET))),
    "RS256": (RSA, Jwt(algorithm="RS256", public_key=public_pem(RSA))),
    "EdDSA": (ED25519, Jwt(algorithm="EdDSA", public_key=public_pem(ED25519))),
}
algorithms = pytest.mark.parametrize("algorithm", list(KEYS))


def signed(algorithm: str, key: PrivateKey | str | None = None, **claims: object) -> str:
    body = {"sub": "ada", "exp": int(time.time()) + 600} | claims
    return jwt.encode({k: v for k, v in body.items() if v is not None}, key or KEYS[algorithm][0], algorithm)


def verifier(algorithm: str, **settings: object) -> JwtVerifier:
    given = KEYS[algorithm][1]
    fields = {name: getattr(given, name) for name in given.__struct_fields__}
    return JwtVerifier(Jwt(**(fields | settings)))


def refusal(checker: JwtVerifier, token: str) -> str:
    with pytest.raises(CallboardError) as caught:
        checker.verify(token)
    assert caught.value.code is ErrorCode.UNAUTHORIZED
    return caught.value.message


@algorithms
def test_a_good_token(algorithm: str) -> None:
    exp = int(time.time()) + 60
    token = signed(algorithm, exp=exp, scopes=["publish", "admin", "unheard-of", 5], jti="t1")
    principal = verifier(algorithm).verify(token)
    assert (principal.user_id, principal.expires_at, principal.credential_id) == ("ada", exp, "jwt:t1")
    assert principal.scopes == {Scope.PUBLISH, Scope.ADMIN}


@algorithms
def test_each_fault_has_its_own_message(algorithm: str) -> None:
    checker = verifier(algorithm)
    good = signed(algorithm)
    head, body, signature = good.split(".")
    forged = base64.urlsafe_b64encode(b'{"sub":"eve","exp":9999999999}').rstrip(b"=").decode()
    messages = [
        refusal(checker, signed(algorithm, exp=int(time.time()) - 1)),
        refusal(checker, signed(algorithm, exp=None)),
        refusal(checker, signed(algorithm, nbf=int(time.time()) + 100)),
        refusal(checker, f"{head}.{forged}.{signature}"),
        refusal(checker, f"{head}.{body}"),
        refusal(checker, signed(algorithm, sub=None)),
    ]
    assert messages == [
        "the token has expired",
        "the token lacks the claim 'exp'",
        "the token is not valid yet",
        "the token's signature is wrong",
        "the token is malformed",
        "the token's claim 'sub' does not name a user",
    ]


@algorithms
def test_another_key_of_the_same_kind_is_refused(algorithm: str) -> None:
    others: dict[str, PrivateKey | str] = {
        "HS256": "x" * 32,
        "RS256": rsa.generate_private_key(65537, 2048),
        "EdDSA": ed25519.Ed25519PrivateKey.generate(),
    }
    assert refusal(verifier(algorithm), signed(algorithm, others[algorithm])) == "the token's signature is wrong"


@algorithms
@pytest.mark.parametrize("used", ["HS256", "RS256", "EdDSA"])
def test_the_algorithm_is_ours_to_choose(algorithm: str, used: str) -> None:
    if used != algorithm:
        assert refusal(verifier(algorithm), signed(used)) == f"the token is not signed with {algorithm}"


@pytest.mark.parametrize("algorithm", ["RS256", "EdDSA"])
@pytest.mark.parametrize("claimed", ["HS256", "none"])
def test_a_public_key_used_as_a_shared_secret_is_refused(algorithm: str, claimed: str) -> None:
    """The classic confusion: the attacker signs by HMAC with the key that everybody may know."""

    def part(data: bytes) -> bytes:
        return base64.urlsafe_b64encode(data).rstrip(b"=")

    signing = part(json.dumps({"alg": claimed, "typ": "JWT"}).encode()) + b"." + part(b'{"sub":"eve","exp":9999999999}')
    pem = (KEYS[algorithm][1].public_key or "").encode()
    signature = part(hmac.digest(pem, signing, hashlib.sha256)) if claimed == "HS256" else b""
    token = (signing + b"." + signature).decode()
    assert refusal(verifier(algorithm), token) == f"the token is not signed with {algorithm}"


def test_issuer_and_audience() -> None:
    checker = verifier("HS256", issuer="us", audience="callboard")
    assert checker.verify(signed("HS256", iss="us", aud=["other", "callboard"])).user_id == "ada"
    assert refusal(checker, signed("HS256", iss="them", aud="callboard")) == "the token is from another issuer"
    assert refusal(checker, signed("HS256", iss="us", aud="other")) == "the token is for another audience"
    assert refusal(checker, signed("HS256", iss="us")) == "the token lacks the claim 'aud'"


def test_configured_claims_and_scopes_as_a_string() -> None:
    checker = verifier("HS256", user_claim="email", scopes_claim="scope")
    principal = checker.verify(signed("HS256", email="ada@example.org", scope="openid agent"))
    assert principal.user_id == "ada@example.org"
    assert principal.scopes == {Scope.AGENT}


@pytest.mark.parametrize("user", ["", "a\nb", "x" * 201])
def test_a_user_that_is_no_name_is_refused(user: str) -> None:
    assert "does not name a user" in refusal(verifier("HS256"), signed("HS256", sub=user))


def test_leeway_is_granted_to_the_end() -> None:
    exp = int(time.time()) - 5
    assert verifier("HS256", leeway_seconds=60).verify(signed("HS256", exp=exp)).expires_at == exp + 60


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (Jwt(algorithm="HS256", secret=Secret("short")), "at least 32 bytes"),
        (Jwt(algorithm="HS256", secret=Secret(public_pem(RSA))), "is a PEM key, not a secret"),
        (Jwt(algorithm="RS256", public_key=public_pem(ED25519)), "is not an RSA key"),
        (Jwt(algorithm="EdDSA", public_key=public_pem(EC)), "is not an Ed25519 key"),
        (Jwt(algorithm="RS256", public_key=public_pem(SMALL)), "at least 2048 bits"),
        (Jwt(algorithm="RS256", public_key="garbage"), "is not a public key in PEM form"),
        (Jwt(algorithm="EdDSA", public_key=ED25519.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
             .decode()), "is a private key"),
    ],
)  # fmt: skip
def test_keys_that_do_not_fit(settings: Jwt, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        JwtVerifier(settings)
