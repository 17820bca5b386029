"""What a client names its requests in the gateway dialect comes back with every reply, as it was."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.transport.read_frame import read_frame
from tests.transport.test_gateway_codec import outcome, refusal
from transport.dialects import gateway, gateway_replies


@pytest.mark.parametrize("named", ["r1", "", 0, -7, 2**64, 1.5, "\N{SNOWMAN}"])
def test_an_id_comes_back_as_it_was(named: str | float) -> None:
    for frame in ({"type": "ping"}, {"type": "nonsense"}, {}, {"type": "auth", "payload": 5}):
        assert outcome(json.dumps({"id": named, **frame})).id == named


@pytest.mark.parametrize("named", [None, True, False, [], ["r1"], {"a": 1}])
def test_an_id_of_another_type_is_none(named: object) -> None:
    assert outcome(json.dumps({"id": named, "type": "ping"})) == gateway.Request(None, gateway.Ping())


@pytest.mark.parametrize("frame", [{"type": "ping"}, {"type": "nonsense"}, {"type": "auth", "payload": 5}])
@pytest.mark.parametrize("names", [{"request_id": "r"}, {"request_id": 7, "id": "r"}, {"request_id": [], "id": 1.5}])
def test_a_request_id_comes_back_too(frame: dict[str, Any], names: dict[str, Any]) -> None:
    text = json.dumps({**frame, **names})
    found = refusal(text)
    reply = (
        gateway_replies.error_frame(found.id, found.error) if found else gateway_replies.pong(gateway.decode(text).id)
    )
    good = {name: value for name, value in names.items() if value != []}
    assert {name: value for name, value in read_frame(reply).items() if name in names} == good
