"""What holds of the steps' projection whatever an agent emits, in whichever order."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from actors.event import Event, Json
from tests.support.steps import read, task_events
from tests.transport.json_values import proper_values
from transport.dialects.steps_projection import StepsProjection

INTERVAL = 8.0
STATES = {"idle", "planning", "executing", "waiting", "complete", "error"}

step_ids = st.sampled_from(["s1", "s2", "s3"])
said = st.one_of(
    st.tuples(st.sampled_from(["task.started", "task.turn_started", "agent.message"]), st.just({})),
    st.tuples(st.just("step.started"), st.builds(lambda step: {"step_id": step, "name": step}, step_ids)),
    st.tuples(
        st.just("step.progress"),
        st.builds(lambda step, value: {"step_id": step, "progress": value}, step_ids, st.floats(-1, 2)),
    ),
    st.tuples(
        st.sampled_from(["step.completed", "step.failed"]),
        st.builds(lambda step, success: {"step_id": step, "success": success}, step_ids, st.booleans()),
    ),
    st.tuples(st.just("step.confirm"), st.builds(lambda step: {"step_id": step, "reason": "?"}, step_ids)),
    st.tuples(
        st.just("step.confirmed"),
        st.builds(
            lambda step, approved, by: {"step_id": step, "approved": approved, "by": by},
            step_ids,
            st.booleans(),
            st.none() | st.just("alice"),
        ),
    ),
    st.tuples(st.just("plan.created"), st.builds(lambda step: {"steps": [{"id": step}]}, step_ids)),
)
endings = st.sampled_from(["task.completed", "task.failed", "task.cancelled"])
kinds = st.sampled_from(
    [
        *("task.started", "agent.message", "plan.created", "plan.updated", "step.started", "step.progress"),
        *("step.completed", "step.failed", "step.confirm", "step.confirmed", "agent.tool_call", "agent.tool_result"),
        *("task.completed", "task.failed", "task.cancelled", "agent.artifact", "gap"),
    ]
)
members = st.sampled_from(["step_id", "name", "progress", "steps", "success", "output", "error", "call_id", "result"])


class Run:
    """A feed's turns at a projection: what was said, and when."""

    def __init__(self) -> None:
        self.projection = StepsProjection(INTERVAL)
        self.now = 0.0
        self.told: list[tuple[float, str, Any]] = []

    def take(self, event: Event, passed: float) -> None:
        until = self.now + passed
        while self.projection.due < until:
            self.now = max(self.now, self.projection.due)
            self._say(self.projection.flush(self.now))
        self.now = until
        self._say(self.projection.project(event, self.now))

    def _say(self, drafts: Any) -> None:  # a sequence of drafts, from either method
        self.told += [(self.now, kind, data) for kind, data in read(drafts)]

    def of(self, kind: str) -> list[tuple[float, Any]]:
        return [(at, data) for at, name, data in self.told if name == kind]


@given(st.lists(st.tuples(said, st.integers(0, 12)), max_size=40), endings)
def test_every_step_that_starts_ends_once_and_the_task_with_a_status(
    steps: list[tuple[tuple[str, Json], int]], ending: str
) -> None:
    run = Run()
    told = [(kind, data, index) for index, ((kind, data), _) in enumerate(steps)]
    events = task_events(*told, (ending, {}, len(told)))
    for event, passed in zip(events, [*(passed for _, passed in steps), 1], strict=True):
        run.take(event, float(passed))
    running: set[str] = set()
    for _, kind, data in run.told:
        match kind:
            case "step:start":
                assert data["stepId"] not in running
                running.add(data["stepId"])
            case "step:progress":
                assert 0 <= data["progress"] <= 100
                assert data["stepId"] in running
            case "step:complete":
                assert data["result"]["duration"] >= 0
                running.remove(data["stepId"])
            case "status":
                assert data["state"] in STATES
            case _:
                pass
    assert not running
    assert len(run.of("task:complete")) == 1
    assert run.told[-1][1] == "status"
    assert run.told[-1][2]["state"] in ("idle", "complete", "error")
    assert run.projection.due == float("inf")


@given(st.lists(st.tuples(st.floats(0, 1), st.integers(0, 12)), min_size=1, max_size=40))
def test_a_step_makes_one_progress_an_interval_and_its_last_value_comes_before_its_end(
    values: list[tuple[float, int]],
) -> None:
    run = Run()
    progress: list[tuple[str, Json, int]] = [
        ("step.progress", {"step_id": "s1", "progress": value}, 1) for value, _ in values
    ]
    *events, end = task_events(*progress, ("step.completed", {"step_id": "s1"}, 2))
    for event, (_, passed) in zip(events, values, strict=True):
        run.take(event, float(passed))
    times = [at for at, _ in run.of("step:progress")]
    assert all(later - earlier >= INTERVAL for earlier, later in pairwise(times))
    run.take(end, 0.0)
    kinds_told = [kind for _, kind, _ in run.told]
    assert kinds_told[-1] == "step:complete"
    assert run.of("step:progress")[-1][1]["progress"] == round(100 * values[-1][0])
    assert Counter(kinds_told)["step:complete"] == 1


@given(st.lists(st.tuples(kinds, st.dictionaries(members, proper_values) | proper_values), max_size=20))
def test_whatever_an_agent_elsewhere_posts_is_told_or_left_out(posted: list[tuple[str, Json]]) -> None:
    run = Run()
    for event in task_events(*[(kind, data, 1) for kind, data in posted]):
        run.take(event, 1.0)
    for _, kind, data in run.told:
        assert isinstance(data, dict), kind
        assert data.get("stepId") != ""
