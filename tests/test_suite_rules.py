"""The rules of conftest.py hold: a hanging test fails by itself and alone, and in CI a skip is a failure."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

CONFTEST = Path(__file__).with_name("conftest.py")
CONFIG = """
[pytest]
trio_mode = true
addopts = -rs
filterwarnings = error
markers =
    time_limit(seconds): see conftest.py
    needs_seeds: too
"""

HANGING = """
import pytest, trio

@pytest.mark.time_limit(0.2)
async def test_waits_for_ever():
    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.sleep_forever)

@pytest.mark.time_limit(0.2)
async def test_swallows_the_interrupt():
    try:
        await trio.sleep_forever()
    except BaseException:
        pass

@pytest.mark.time_limit(0.2)
def test_spins():
    while True:
        pass

async def test_after_them():
    await trio.sleep(0)
"""

SKIPPING = """
import pytest

def test_needs_what_is_not_here():
    pytest.skip("no such thing")

@pytest.mark.xfail
def test_known_failure():
    assert False
"""


NEEDING_SEEDS = """
import pytest

@pytest.mark.needs_seeds
def test_needs_the_seeds():
    assert False

def test_needs_what_is_not_here():
    pytest.skip("no such thing")
"""


def run_suite(directory: Path, source: str, *, ci: bool) -> str:
    """What pytest prints about one test file under our conftest."""
    shutil.copy(CONFTEST, directory)
    (directory / "pytest.ini").write_text(CONFIG)
    (directory / "test_sample.py").write_text(source)
    environment = {**os.environ, "CI": "true"}
    if not ci:
        del environment["CI"]
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--color=no", str(directory)]
    return subprocess.run(command, cwd=directory, env=environment, capture_output=True, text=True).stdout


def counts(output: str) -> dict[str, int]:
    """The figures of pytest's last line."""
    return {word: int(number) for number, word in re.findall(r"(\d+) (\w+)", output.strip().splitlines()[-1])}


def test_a_test_over_its_limit_fails_and_the_next_one_runs(tmp_path: Path) -> None:
    output = run_suite(tmp_path, HANGING, ci=False)
    assert "TimeoutError: the test took more than 0.2 s" in output
    assert counts(output).items() >= {"failed": 3, "passed": 1}.items()


def test_a_skip_is_a_skip_at_home(tmp_path: Path) -> None:
    assert counts(run_suite(tmp_path, SKIPPING, ci=False)).items() >= {"skipped": 1, "xfailed": 1}.items()


def test_a_skip_fails_in_ci(tmp_path: Path) -> None:
    output = run_suite(tmp_path, SKIPPING, ci=True)
    assert counts(output).items() >= {"failed": 1, "xfailed": 1}.items()
    assert "skipped, which fails under CI: no such thing" in output.replace("Skipped: ", "")


def test_only_missing_seeds_may_skip_in_ci(tmp_path: Path) -> None:
    output = run_suite(tmp_path, NEEDING_SEEDS, ci=True)
    assert counts(output).items() >= {"skipped": 1, "failed": 1}.items()
    assert "../shared/seeds is not beside this checkout" in output


def test_with_the_seeds_beside_it_the_test_runs(tmp_path: Path) -> None:
    (tmp_path / "shared" / "seeds").mkdir(parents=True)
    checkout = tmp_path / "checkout" / "tests"
    checkout.mkdir(parents=True)
    assert counts(run_suite(checkout, NEEDING_SEEDS, ci=True)).items() >= {"failed": 2}.items()


def test_a_skipped_file_fails_in_ci(tmp_path: Path) -> None:
    source = "import pytest\npytest.importorskip('a_module_that_nobody_has')\n"
    output = run_suite(tmp_path, source, ci=True)
    assert "which fails under CI" in output
    assert "error" in counts(output)


def test_examples_are_the_same_in_every_ci_run(tmp_path: Path) -> None:
    assert "hypothesis profile ci (same examples in every run)" in run_suite(tmp_path, SKIPPING, ci=True)
    assert "hypothesis profile quick (random examples" in run_suite(tmp_path, SKIPPING, ci=False)
