"""A verdict that lets no failure through: what the suite's index says is counted and judged as it stands."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from tests.autobahn import __main__ as command
from tests.autobahn.results import AGENT, Results, read_results


def results(tmp_path: Path, **cases: tuple[str, str]) -> Results:
    """Each case by its number with `_` for `.`, and its two behaviours."""
    found = {
        case.strip("_").replace("_", "."): {
            "behavior": behaviour,
            "behaviorClose": close,
            "duration": 3,
            "remoteCloseCode": None,
            "reportfile": f"callboard_case{case}.json",
        }
        for case, (behaviour, close) in cases.items()
    }
    index = tmp_path / "index.json"
    index.write_bytes(msgspec.json.encode({AGENT: found}))
    return read_results(index)


def test_what_is_allowed_passes_and_is_named_in_order(tmp_path: Path) -> None:
    found = results(
        tmp_path, _10_1_1=("NON-STRICT", "OK"), _9_1_1=("INFORMATIONAL", "INFORMATIONAL"), _1_1_1=("OK", "OK")
    )
    assert found.failed() == {}
    assert found.summary().splitlines() == [
        "3 cases, 0 failed",
        "  behaviour: 1 NON-STRICT, 1 INFORMATIONAL, 1 OK",
        "  close:     2 OK, 1 INFORMATIONAL",
        "  9.1.1: INFORMATIONAL, close INFORMATIONAL (callboard_case_9_1_1.json)",
        "  10.1.1: NON-STRICT, close OK (callboard_case_10_1_1.json)",
    ]


@pytest.mark.parametrize(
    "behaviours",
    [("FAILED", "OK"), ("OK", "UNCLEAN"), ("OK", "WRONG CODE"), ("UNIMPLEMENTED", "OK"), ("some new word", "OK")],
)
def test_all_else_has_failed(tmp_path: Path, behaviours: tuple[str, str]) -> None:
    found = results(tmp_path, _1_1_1=("OK", "OK"), _1_1_2=behaviours)
    assert list(found.failed()) == ["1.1.2"]
    assert found.summary().startswith("2 cases, 1 failed\n")


@pytest.mark.parametrize(("ci", "status"), [("", 0), ("1", 1)])
def test_without_python_27_it_says_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], ci: str, status: int
) -> None:
    monkeypatch.setattr(command, "find_python27", lambda: None)
    monkeypatch.setenv("CI", ci)
    assert command.main() == status
    said = capsys.readouterr().out
    assert "did not run" in said
    assert "pyenv install 2.7.18" in said
    assert len(said.splitlines()) == 1
