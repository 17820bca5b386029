"""All benchmarks, one after the other: `python -m benchmarks [--quick | --full] [--no-peers] [--publish]`."""

from __future__ import annotations

from benchmarks.fanout import FANOUT
from benchmarks.inbound import INBOUND
from benchmarks.latency import LATENCY
from benchmarks.settings import main
from benchmarks.tokens import TOKENS

BENCHMARKS = (FANOUT, LATENCY, INBOUND, TOKENS)

if __name__ == "__main__":
    main(BENCHMARKS, None, "benchmarks")
