"""A task's plan as the steps dialect shows it."""

from __future__ import annotations

from collections.abc import Mapping

from actors.event import Draft, Json
from transport.dialects.steps_drafts import told

_MOST_ADDED = 100
"""Steps that nobody planned are shown up to so many: each of them has the whole plan sent again."""


class StepsPlan:
    """The steps in order, each with its status: pending, running, success, failed or skipped."""

    def __init__(self, task_id: str) -> None:
        self._id = task_id
        self._goal = ""
        self._steps: dict[str, dict[str, Json]] = {}
        self._added = 0
        self._is_known = True
        """Nothing that may have been said of it is missing."""

    def __bool__(self) -> bool:
        return bool(self._steps)

    def take(self, data: Mapping[str, Json]) -> None:
        """Makes this the plan; what has no name or is no step is left out."""
        self._is_known = True
        goal, steps = data.get("goal"), data.get("steps")
        self._goal = goal if isinstance(goal, str) else ""
        found = [each for each in steps if isinstance(each, dict)] if isinstance(steps, list) else []
        self._steps = {step_id: _shown(step_id, each) for each in found if (step_id := step_id_of(each.get("id")))}

    @property
    def is_known(self) -> bool:
        return self._is_known

    def lose(self) -> None:
        """Some of what was said is gone: until there is another one nobody is told of the plan as changed, who may know
        it better."""
        self._is_known = False

    def forget_texts(self) -> None:
        """Leaves the steps, by their ids, and how they stand."""
        self._goal = ""
        self._steps = {key: _shown(key, {"status": step["status"]}) for key, step in self._steps.items()}

    def name_of(self, step_id: str) -> str:
        name = self._steps.get(step_id, {}).get("name")
        return name if isinstance(name, str) else step_id

    def enter(self, step_id: str, name: str, tool: str) -> bool:
        """The step runs. True where the plan had to be changed for it."""
        step = self._steps.get(step_id)
        if step is not None:
            step["status"] = "running"
            return False
        if not self._is_known or self._added >= _MOST_ADDED:
            return False
        self._added += 1
        kind: dict[str, Json] = {"type": "tool", "tool": tool} if tool else {"type": "step"}
        self._steps[step_id] = _shown(step_id, {"name": name, "status": "running", **kind})
        return True

    def mark(self, step_id: str, status: str) -> None:
        if step_id in self._steps:
            self._steps[step_id]["status"] = status

    def created(self, at: int) -> Draft:
        return told("plan:created", self._data(), at)

    def updated(self, at: int) -> Draft:
        return told("plan:updated", self._data(), at)

    def _data(self) -> dict[str, Json]:
        plan: Json = {"id": self._id, "goal": self._goal, "steps": list(self._steps.values())}
        return {"plan": plan, "taskId": self._id}


def step_id_of(value: Json) -> str:
    """What names a step; empty where that is nothing to name it by."""
    match value:
        case bool():
            return ""
        case str():
            return value
        case int():
            return str(value)
        case _:
            return ""


def _shown(step_id: str, step: dict[str, Json]) -> dict[str, Json]:
    texts = {"name": step_id, "description": "", "type": "step", "status": "pending"}
    proper: dict[str, Json] = {
        key: step[key] if isinstance(step.get(key), str) else text for key, text in texts.items()
    }
    return {**step, **proper, "id": step_id}
