"""Requests as a document writes them, sent to a server."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import httpx2


def filled(text: str, words: Mapping[str, str]) -> str:
    """The text with what stands in angle brackets chosen: a reader's own part of an address or command."""
    for name, value in words.items():
        assert f"<{name}>" in text
        text = text.replace(f"<{name}>", value)
    assert "<" not in text
    return text


def send(base_url: str, text: str) -> Any:  # JSON
    """The body of the answer to a request of the form `METHOD path`, headers, an empty line, a body."""
    head, _, body = text.strip().partition("\n\n")
    request, *fields = head.splitlines()
    method, path = request.split(" ")
    headers = dict(field.split(": ", 1) for field in fields)
    answer = httpx2.request(method, base_url + path, headers=headers, content=body.encode(), trust_env=False)
    assert answer.status_code == 200, answer.text
    return answer.json()
