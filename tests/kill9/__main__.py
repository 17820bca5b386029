"""`make kill9 ROUNDS=200 SEED=7`: as the test, for longer. Exit status 1 for a problem."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

import trio

from tests.kill9.campaign import Campaign, Mishap
from tests.kill9.mishaps import RestoredCopy, everything, shortened_log

IN_MEMORY = '[store]\npath = ":memory:"\n'


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.kill9", description=__doc__)
    parser.add_argument("--rounds", type=int, default=200, help="engines killed in all")
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args()
    mishaps: dict[str, tuple[Mishap | None, str, float]] = {
        "killed": (None, "", 0.7),
        "copy put back": (RestoredCopy(), "", 0.1),
        "log cut short": (shortened_log, "", 0.1),
        "in memory": (everything, IN_MEMORY, 0.1),
    }
    failed = False
    for name, (mishap, config, share) in mishaps.items():
        rounds = max(1, round(share * chosen.rounds))
        with tempfile.TemporaryDirectory() as folder:
            result = trio.run(Campaign(Path(folder), chosen.seed, rounds, mishap, config=config).run)
        print(f"{name}: {rounds} rounds from seed {chosen.seed}: {result}", flush=True)
        for problem in result.problems:
            print(f"  {problem}", flush=True)
        failed |= bool(result.problems)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
