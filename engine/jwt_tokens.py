"""JSON Web Tokens, checked with one algorithm and one key that the configuration fixes."""

from __future__ import annotations

from typing import Any, TypeAlias

import jwt
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from actors.errors import CallboardError, ErrorCode
from actors.principal import MAXIMUM_USER_ID, Principal, Scope, is_user_id
from engine.config import Jwt

MINIMUM_SECRET_BYTES = 32
MINIMUM_RSA_BITS = 2048
CREDENTIAL_PREFIX = "jwt:"

Key: TypeAlias = RSAPublicKey | Ed25519PublicKey | bytes


def load_key(settings: Jwt) -> Key:
    """The key of `settings.algorithm`. Raises ValueError, which says what is wrong with it and never what it is."""
    if settings.algorithm == "HS256":
        secret = settings.secret.reveal().encode() if settings.secret else b""
        if len(secret) < MINIMUM_SECRET_BYTES:
            raise ValueError(f"a secret for HS256 has at least {MINIMUM_SECRET_BYTES} bytes")
        if b"-----BEGIN " in secret:
            raise ValueError("is a PEM key, not a secret")
        return secret
    return _public_key(settings.algorithm, settings.public_key or "")


def _public_key(algorithm: str, pem: str) -> RSAPublicKey | Ed25519PublicKey:
    if "PRIVATE KEY-----" in pem:
        raise ValueError("is a private key; only the public one belongs here")
    try:
        key = load_pem_public_key(pem.encode())
    except (ValueError, UnsupportedAlgorithm):
        raise ValueError("is not a public key in PEM form (BEGIN PUBLIC KEY)") from None
    match algorithm, key:
        case "RS256", RSAPublicKey():
            if key.key_size < MINIMUM_RSA_BITS:
                raise ValueError(f"an RSA key has at least {MINIMUM_RSA_BITS} bits")
            return key
        case "EdDSA", Ed25519PublicKey():
            return key
    raise ValueError(f"is not {'an RSA' if algorithm == 'RS256' else 'an Ed25519'} key, which {algorithm} needs")


class JwtVerifier:
    """Turns a token into a principal. Pure computation of some 50 µs: no need to leave the event loop for it."""

    def __init__(self, settings: Jwt) -> None:
        """Raises ValueError where the key does not fit the algorithm."""
        self._settings = settings
        self._key = load_key(settings)

    def verify(self, token: str) -> Principal:
        """Raises CallboardError UNAUTHORIZED."""
        claims = self._claims(token)
        user_id = claims.get(self._settings.user_claim)
        if not isinstance(user_id, str) or not is_user_id(user_id):
            raise _refused(f"the token's claim {self._settings.user_claim!r} does not name a user")
        return Principal(
            user_id,
            known_scopes(claims.get(self._settings.scopes_claim)),
            float(claims["exp"]) + self._settings.leeway_seconds,
            CREDENTIAL_PREFIX + str(claims.get("jti", ""))[:MAXIMUM_USER_ID],
        )

    def _claims(self, token: str) -> dict[str, Any]:
        settings = self._settings
        try:
            # One algorithm, ours: a token's own `alg` must not choose how our key is read.
            return jwt.decode(
                token,
                self._key,
                algorithms=[settings.algorithm],
                options={"require": ["exp"], "verify_aud": settings.audience is not None},
                audience=settings.audience,
                issuer=settings.issuer,
                leeway=settings.leeway_seconds,
            )
        except jwt.ExpiredSignatureError:
            raise _refused("the token has expired") from None
        except jwt.ImmatureSignatureError:
            raise _refused("the token is not valid yet") from None
        except jwt.InvalidSignatureError:
            raise _refused("the token's signature is wrong") from None
        except jwt.InvalidAlgorithmError:
            raise _refused(f"the token is not signed with {settings.algorithm}") from None
        except jwt.MissingRequiredClaimError as error:
            raise _refused(f"the token lacks the claim {error.claim!r}") from None
        except jwt.InvalidAudienceError:
            raise _refused("the token is for another audience") from None
        except jwt.InvalidIssuerError:
            raise _refused("the token is from another issuer") from None
        except (jwt.InvalidTokenError, ValueError):
            raise _refused("the token is malformed") from None


def known_scopes(claim: object) -> frozenset[Scope]:
    """The scopes in a list of names or in names that spaces part; unknown names are ignored, they are for others."""
    names = claim.split() if isinstance(claim, str) else claim if isinstance(claim, list) else []
    return frozenset(scope for scope in Scope if scope.value in names)


def _refused(message: str) -> CallboardError:
    return CallboardError(ErrorCode.UNAUTHORIZED, message)
