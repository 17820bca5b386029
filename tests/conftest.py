"""Rules that hold for every test: a time limit, no skip in CI, hypothesis profiles, one summary line.

One skip is honest everywhere: `@pytest.mark.needs_seeds` is for tests that read the protocol's own text, which is kept
beside the checkout and not in it.

Hypothesis runs the profile `quick`, under CI the reproducible `ci`; `--hypothesis-profile thorough` searches longer.
"""

from __future__ import annotations

import os
import platform
import signal
from collections.abc import Generator
from pathlib import Path
from types import FrameType

import pytest
from hypothesis import settings

TIME_LIMIT = 60.0
"""Seconds that a test may take with its trio fixtures; `@pytest.mark.time_limit(seconds)` sets another."""

IN_CI = bool(os.environ.get("CI"))

SEEDS = Path(__file__).resolve().parents[2] / "shared" / "seeds"

settings.register_profile("quick", max_examples=50, deadline=None, print_blob=True, derandomize=False)
settings.register_profile("ci", max_examples=100, deadline=None, print_blob=True, derandomize=True)
settings.register_profile("thorough", max_examples=5000, deadline=None, print_blob=True, derandomize=False)
settings.load_profile("ci" if IN_CI else "quick")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, None, None]:
    """Interrupts a test that outlives its limit, and fails it whatever it made of that.

    The interrupt is a SIGINT: trio turns it into an orderly cancellation where any other exception, raised in the
    middle of its run loop, would leave tasks behind that fail the tests after this one.
    """
    marker = item.get_closest_marker("time_limit")
    limit = float(marker.args[0]) if marker else TIME_LIMIT
    expired = False

    def interrupt(_signal: int, _frame: FrameType | None) -> None:
        nonlocal expired
        expired = True
        signal.raise_signal(signal.SIGINT)

    previous = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, limit)
    try:
        yield
    except BaseException as error:
        if expired:
            raise TimeoutError(f"the test took more than {limit:g} s") from error
        raise
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)
    if expired:
        raise TimeoutError(f"the test took more than {limit:g} s")


def _lacks_seeds(item: pytest.Item) -> bool:
    return item.get_closest_marker("needs_seeds") is not None and not SEEDS.is_dir()


def pytest_runtest_setup(item: pytest.Item) -> None:
    if _lacks_seeds(item):
        pytest.skip("../shared/seeds is not beside this checkout")


def _refuse_skip(report: pytest.TestReport | pytest.CollectReport) -> None:
    """In CI a skip is a failure: what it needs belongs into the environment that `make test` builds."""
    if IN_CI and report.skipped and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome = "failed"
        report.longrepr = f"{report.nodeid}: skipped, which fails under CI: {reason}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if not _lacks_seeds(item):
        _refuse_skip(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    _refuse_skip(report)
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """The line just above pytest's own count: what this run stands for."""
    profile = settings.get_current_profile_name()
    seeded = "same examples in every run" if settings().derandomize else "random examples, a failure prints its blob"
    terminalreporter.write_line(f"Python {platform.python_version()}, hypothesis profile {profile} ({seeded})")
