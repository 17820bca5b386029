"""Where a URL leads."""

from __future__ import annotations

import pytest

from callboard_client.target import Target

PATH = "/api/v1/gateway/ws"


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://h:18080", Target("h", 18080, False, PATH, "http://h:18080")),
        ("http://h/", Target("h", 80, False, PATH, "http://h")),
        ("https://h/board/", Target("h", 443, True, "/board" + PATH, "https://h/board")),
        ("ws://[::1]:9", Target("::1", 9, False, PATH, "http://[::1]:9")),
        ("wss://h" + PATH, Target("h", 443, True, PATH, "https://h")),
        ("ws://h/other?x=1", Target("h", 80, False, "/other?x=1", "http://h/other")),
    ],
)
def test_a_server_or_its_gateway(url: str, expected: Target) -> None:
    assert Target.parse(url) == expected


@pytest.mark.parametrize("url", ["", "h:80", "ftp://h", "http://", "http:///x", "http://h:port"])
def test_anything_else_is_an_error(url: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        Target.parse(url)


def test_the_host_header_names_the_port_unless_it_is_the_usual_one() -> None:
    hosts = [Target.parse(url).host_header for url in ("http://h:80", "http://h:81", "ws://[::1]:9")]
    assert hosts == ["h", "h:81", "[::1]:9"]
