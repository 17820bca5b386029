"""What io_uring leaves undone, refuses, or is interrupted in, and systems that have none."""

from __future__ import annotations

import errno
from typing import NoReturn

import pytest

from tests.transport.socket_crowd import SLOTS, Crowd, broadcasts
from transport import io_uring, send_ring
from transport.io_uring import IoUring
from transport.send_ring import open_send_ring


def test_what_the_kernel_has_not_done_counts_as_not_taken(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    submit = IoUring.submit
    for make in broadcasts()[1:]:
        crowd = Crowd(make(SLOTS), 20)
        monkeypatch.setattr(IoUring, "submit", lambda ring, count: submit(ring, min(count, 12)))
        assert crowd.write(b"event") == [5] * 12 + [0] * 8
        assert crowd.broadcast.largest == 0
        assert [crowd.read(place) for place in range(20)] == [b"event"] * 12 + [b""] * 8
        assert "io_uring has failed" in caplog.text
        crowd.close()


def test_a_ring_that_the_kernel_refuses_does_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    call = io_uring._call

    def refuse(number: int, *arguments: int) -> int:
        if number == io_uring._ENTER:
            raise OSError(errno.ENOMEM, "no memory")
        return call(number, *arguments)

    for make in broadcasts()[1:]:
        crowd = Crowd(make(SLOTS), 20)
        assert crowd.write(b"before") == []
        with monkeypatch.context() as patched:
            patched.setattr(io_uring, "_call", refuse)
            assert crowd.write(b"event") == [0] * 20
        assert crowd.broadcast.largest == 0
        assert crowd.write(b"after") == []
        assert [crowd.read(place) for place in range(20)] == [b"beforeafter"] * 20
        crowd.close()


@pytest.mark.parametrize("sent", [False, True])
def test_a_round_that_is_interrupted_leaves_nothing_to_the_next(monkeypatch: pytest.MonkeyPatch, sent: bool) -> None:
    """`sent`: whether the signal comes when the kernel is done with it, or before it begins."""
    call = io_uring._call

    def interrupted(number: int, *arguments: int) -> int:
        if number != io_uring._ENTER:
            return call(number, *arguments)
        if sent:
            call(number, *arguments)
        raise KeyboardInterrupt

    for make in broadcasts()[1:]:
        crowd = Crowd(make(SLOTS), 20)
        with monkeypatch.context() as patched:
            patched.setattr(io_uring, "_call", interrupted)
            with pytest.raises(KeyboardInterrupt):
                crowd.write(b"event")
        assert list(crowd.broadcast.write(crowd.slots[15:], b"next")) == []
        first = b"event" if sent else b""
        assert [crowd.read(place) for place in range(20)] == [first] * 15 + [first + b"next"] * 5
        crowd.close()


def test_where_the_system_has_none_the_log_says_so(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(entries: int, files: int) -> NoReturn:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(send_ring, "IoUring", refuse)
    caplog.set_level("INFO")
    assert open_send_ring(SLOTS) is None
    assert "no io_uring" in caplog.text
    assert "Operation not permitted" in caplog.text
