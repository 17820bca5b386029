"""Keeps credentials out of log lines, whoever wrote them."""

from __future__ import annotations

import re
from collections.abc import MutableMapping
from typing import Any

MASK = "***"

_NAMES = re.compile(r"(authorization|password|secret|token|ticket|api_?key|cookie)$", re.IGNORECASE)
_VALUES = (
    (re.compile(r"\b(ab|tk)_[A-Za-z0-9_-]{20,}"), rf"\1_{MASK}"),
    (re.compile(r"\beyJ[A-Za-z0-9_-]*\.[A-Za-z0-9_-]*\.[A-Za-z0-9_-]*"), MASK),
    (re.compile(r"\bsk-[A-Za-z0-9_-]{16,}"), f"sk-{MASK}"),
    (re.compile(r"\b(Bearer|Basic)\s+[A-Za-z0-9._~+/=-]{8,}", re.IGNORECASE), rf"\1 {MASK}"),
    (re.compile(r"\b(access_token|ticket|token|api_key)=[^&\s\"']+", re.IGNORECASE), rf"\1={MASK}"),
)


def redact_text(line: str) -> str:
    """The line with everything that looks like a credential masked: keys, tokens, tickets, bearer headers, URLs'."""
    for form, mask in _VALUES:
        line = form.sub(mask, line)
    return line


def redact_names(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """A structlog processor that masks values by their name, such as `authorization` or `api_key`."""
    for name in event:
        if _NAMES.search(name):
            event[name] = MASK
    return event
