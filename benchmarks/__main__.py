"""All benchmarks, one after the other: `python -m benchmarks [--quick | --full] [--no-peers] [--publish]`.

Every server is measured alone on one core, the load on another. How long it takes is said at the start: under half an
hour with the peers and the default settings. With `--publish` benchmarks/results holds what the README shows.
"""

from __future__ import annotations

from benchmarks.connections import CONNECTIONS
from benchmarks.dialects import DIALECTS_BENCHMARK
from benchmarks.fanout import FANOUT
from benchmarks.growth import GROWTH
from benchmarks.inbound import INBOUND
from benchmarks.late import LATE
from benchmarks.latency import LATENCY
from benchmarks.resume import RESUME
from benchmarks.settings import main
from benchmarks.store import STORE
from benchmarks.tokens import TOKENS

BENCHMARKS = (FANOUT, LATENCY, CONNECTIONS, INBOUND, TOKENS, GROWTH, DIALECTS_BENCHMARK, STORE, RESUME, LATE)

if __name__ == "__main__":
    main(BENCHMARKS, None, "benchmarks")
