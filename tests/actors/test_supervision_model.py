"""Random supervisors against the plain model: the same things happen, in the same order, at the same times."""

from __future__ import annotations

import trio
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st
from trio.testing import MockClock

from actors.child import StartFailed
from actors.childspec import Backoff, ChildSpec, Intensity, Restart, Strategy
from actors.supervision import RestartsExceeded
from actors.supervisor import Supervisor
from tests.actors.scripted import Life, Trace, script
from tests.actors.supervision_model import Case, Child, Model

OUTCOMES = {StartFailed: "StartFails", RestartsExceeded: "GivesUp"}


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Every drawn time ends in a binary fraction of its own: no two things that are not one coincide."""
    exponent = 11

    def seconds(low: int, high: int) -> float:
        nonlocal exponent
        exponent += 1
        return draw(st.integers(low * 4, high * 4)) / 4 + 2.0**-exponent

    def life(*, first: bool) -> Life:
        odd = draw(st.integers(0, 29 if first else 6))
        return Life(
            ack=None if odd == 6 else seconds(0, 3) if odd == 5 else seconds(0, 1),
            fails=odd == 4,
            lasts=seconds(0, 6) if draw(st.integers(0, 3)) else None,
            crashes=draw(st.booleans()),
            stop_takes=seconds(0, 1) if draw(st.integers(0, 2)) else seconds(1, 4),
            stop_raises=draw(st.booleans()),
        )

    children = tuple(
        Child(
            name,
            draw(st.sampled_from(Restart)),
            tuple(life(first=number == 0) for number in range(draw(st.integers(1, 4)))),
            Life(ack=(place + 1) / 1024, stop_takes=(place + 1) / 2048),
        )
        for place, name in enumerate("abcd"[: draw(st.integers(1, 4))])
    )
    return Case(
        strategy=draw(st.sampled_from(Strategy)),
        intensity=Intensity(draw(st.integers(0, 4)), draw(st.sampled_from([8.0, 64.0, 2.0]))),
        backoff=Backoff(0.25, 2.0, 1.0, 3.0),
        start_deadline=2.0,
        stop_deadline=1.0,
        children=children,
        stop_at=seconds(6, 40) if draw(st.integers(0, 3)) else seconds(0, 6),
        cancelled=draw(st.booleans()),
    )


async def play(case: Case) -> tuple[list[tuple[float, str, str]], str, float]:
    """The real thing: its trace, its outcome, and the time of its end."""
    trace = Trace()
    specs = [
        ChildSpec(c.name, script(trace, c.name, c.lives, c.then), c.restart, case.start_deadline, case.stop_deadline)
        for c in case.children
    ]
    supervisor = Supervisor(
        "s", specs, reporter=trace, strategy=case.strategy, intensity=case.intensity, backoff=case.backoff
    )
    outcome = "stopped"

    async def stopper(scope: trio.CancelScope) -> None:
        await trio.sleep_until(case.stop_at)
        scope.cancel() if case.cancelled else supervisor.stop()

    async with trio.open_nursery() as nursery:
        with trio.CancelScope() as scope:
            nursery.start_soon(stopper, scope)
            try:
                await supervisor.run()
            except (StartFailed, RestartsExceeded) as error:
                outcome = OUTCOMES[type(error)]
        if scope.cancelled_caught:
            outcome = "cancelled"
        nursery.cancel_scope.cancel()
    return trace.events, outcome, trio.current_time()


def by_instant(trace: list[tuple[float, str, str]]) -> list[tuple[float, str, str]]:
    """Children that act at one instant have no order between them; what each does keeps its order."""
    return sorted(trace, key=lambda noted: noted[:2])


@settings(max_examples=600, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(cases())
def test_a_supervisor_does_what_the_model_says(case: Case) -> None:
    model = Model(case)
    expected = model.run()
    trace, outcome, ended = trio.run(play, case, clock=MockClock(autojump_threshold=0))
    event(expected)
    for what in {what for _, _, what in model.trace} & {"restarted", "outlived", "gave up"}:
        event(what)
    assert by_instant(trace) == by_instant(model.trace)
    assert outcome == expected
    assert ended == model.now
