"""What Autobahn's suite found, from the index that it writes."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import msgspec

AGENT = "Callboard"

PASSED = frozenset({"OK", "NON-STRICT", "INFORMATIONAL"})
"""NON-STRICT: allowed, but not the strictest reading. INFORMATIONAL: there is no right or wrong. A case that is
UNIMPLEMENTED was not tested, which does not count as passed."""


class Result(msgspec.Struct, frozen=True):
    """What one case found: how the server behaved in it, and how it closed."""

    behavior: str
    behavior_close: str = msgspec.field(name="behaviorClose")
    report: str = msgspec.field(name="reportfile")

    @property
    def passed(self) -> bool:
        return self.behavior in PASSED and self.behavior_close in PASSED


class Results(msgspec.Struct, frozen=True):
    """All cases that were carried out, by their number such as `1.1.1`."""

    cases: dict[str, Result]

    def failed(self) -> dict[str, Result]:
        return {case: result for case, result in self._in_order() if not result.passed}

    def summary(self) -> str:
        """Counts for each kind of behaviour, then a line for each case that is not simply OK."""
        results = self.cases.values()
        lines = [
            f"{len(results)} cases, {len(self.failed())} failed",
            f"  behaviour: {_counts([result.behavior for result in results])}",
            f"  close:     {_counts([result.behavior_close for result in results])}",
        ]
        lines += [
            f"  {case}: {result.behavior}, close {result.behavior_close} ({result.report})"
            for case, result in self._in_order()
            if {result.behavior, result.behavior_close} != {"OK"}
        ]
        return "\n".join(lines)

    def _in_order(self) -> list[tuple[str, Result]]:
        return sorted(self.cases.items(), key=lambda item: [int(part) for part in item[0].split(".")])


def read_results(index: Path) -> Results:
    """The results in the suite's `index.json`. Raises OSError or msgspec.DecodeError where there are none."""
    return Results(msgspec.json.decode(index.read_bytes(), type=dict[str, dict[str, Result]])[AGENT])


def _counts(behaviours: list[str]) -> str:
    return ", ".join(f"{count} {name}" for name, count in Counter(behaviours).most_common())
