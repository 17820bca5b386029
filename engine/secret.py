"""A string that is kept out of reprs, logs and tracebacks."""

from __future__ import annotations

import hmac


class Secret:
    """Holds a key or a password. Only `reveal` gives it out; every text form of it is `Secret(***)`."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        return self._value

    def __repr__(self) -> str:
        return "Secret(***)"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(self._value.encode(), other._value.encode())

    def __hash__(self) -> int:
        return hash(self._value)
