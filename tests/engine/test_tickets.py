"""Tickets for event streams: short-lived, bounded, bound to their principal."""

from __future__ import annotations

import pytest

from actors.errors import CallboardError, ErrorCode
from actors.principal import Principal
from engine.tickets import TicketOffice

ADA, BOB = Principal("ada"), Principal("bob", expires_at=5.0)


class Clock:
    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def refused(office: TicketOffice, ticket: str) -> bool:
    try:
        office.redeem(ticket)
    except CallboardError as error:
        return error.code is ErrorCode.UNAUTHORIZED
    return False


def test_a_ticket_is_good_until_it_expires() -> None:
    clock = Clock()
    office = TicketOffice(clock, seconds=60)
    (ticket, seconds), (other, _) = office.issue(ADA), office.issue(BOB)
    assert seconds == 60
    clock.seconds = 59.9
    assert office.redeem(ticket) is office.redeem(ticket) is ADA
    assert office.redeem(other) is BOB
    clock.seconds = 60
    assert refused(office, ticket)
    assert refused(office, "tk_never")


def test_expired_tickets_take_no_room() -> None:
    clock = Clock()
    office = TicketOffice(clock, seconds=60, capacity=2)
    for seconds in range(0, 600, 60):
        clock.seconds = seconds
        office.issue(ADA)
        office.issue(BOB)
        assert len(office) == 2


def test_a_full_office_refuses_and_says_until_when() -> None:
    clock = Clock()
    office = TicketOffice(clock, seconds=60, capacity=2)
    ticket, _ = office.issue(ADA)
    clock.seconds = 10
    office.issue(ADA)
    with pytest.raises(CallboardError, match=r"limits\.tickets") as caught:
        office.issue(BOB)
    assert caught.value.code is ErrorCode.BUSY
    assert caught.value.retry_after == 50
    assert office.redeem(ticket) is ADA


def test_one_user_displaces_only_his_own_oldest() -> None:
    office = TicketOffice(Clock(), per_user=2)
    theirs, _ = office.issue(BOB)
    tickets = [office.issue(ADA)[0] for _ in range(3)]
    assert [refused(office, ticket) for ticket in tickets] == [True, False, False]
    assert office.redeem(theirs) is BOB
    assert len(office) == 3
