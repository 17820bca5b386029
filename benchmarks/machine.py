"""What a figure depends on besides the code: the machine, the versions, the cores, and who else was running."""

from __future__ import annotations

import gc
import os
import platform
import resource
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib.metadata import version
from pathlib import Path

import msgspec

LIBRARIES = ("trio", "websockets", "hypercorn", "quart", "msgspec", "orjson")


class Machine(msgspec.Struct, frozen=True):
    """Where a figure was taken. `load` is the run queue's mean length over the minute before."""

    processor: str
    cores: int
    kernel: str
    python: str
    libraries: dict[str, str]
    load: float
    gc_thresholds: tuple[int, int, int]


def describe() -> Machine:
    return Machine(
        processor=_processor(),
        cores=len(os.sched_getaffinity(0)),
        kernel=platform.release(),
        python=platform.python_version(),
        libraries={name: version(name) for name in LIBRARIES},
        load=os.getloadavg()[0],
        gc_thresholds=gc.get_threshold(),
    )


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "model name":
            return value.strip()
    return platform.machine()


@contextmanager
def pinned(core: int) -> Iterator[None]:
    """Processes started inside inherit the pin to one core, all their threads included."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def two_cores() -> tuple[int, int]:
    """A core for the server and one for the load generator: the same one where there is no other."""
    cores = sorted(os.sched_getaffinity(0))
    return cores[0], cores[-1]


class CpuTime(msgspec.Struct, frozen=True):
    """Nanoseconds that a process's threads ran, and that they were ready but waited for a core."""

    running: int
    waiting: int

    def __sub__(self, earlier: CpuTime) -> CpuTime:
        return CpuTime(self.running - earlier.running, self.waiting - earlier.waiting)


def family(pid: int) -> list[int]:
    """The process and all that it has started, directly or not."""
    found = [pid]
    for each in found:
        for children in Path(f"/proc/{each}/task").glob("*/children"):
            with suppress(FileNotFoundError, ProcessLookupError):
                found += map(int, children.read_text().split())
    return found


def cpu_time(pid: int) -> CpuTime:
    """Sums /proc/<pid>/task/*/schedstat over the process's family; a thread that ends meanwhile is left out."""
    running = waiting = 0
    for stat in (stat for each in family(pid) for stat in Path(f"/proc/{each}/task").glob("*/schedstat")):
        with suppress(FileNotFoundError, ProcessLookupError):
            fields = stat.read_text().split()
            running += int(fields[0])
            waiting += int(fields[1])
    return CpuTime(running, waiting)


def resident_bytes(pid: int) -> int:
    """The memory in RAM that the process's family wrote itself, also where it is shared between them (nginx's zones).

    Files such as libraries are left out, and what the kernel holds for their sockets.
    """
    return sum(_written_bytes(each) for each in family(pid))


def begin_peak(pid: int) -> int:
    """The memory in RAM of one process, its files too; `peak_bytes` is of what comes from now on."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")
    return _status_bytes(pid, "VmRSS")


def peak_bytes(pid: int) -> int:
    """The most memory in RAM that the process had since `begin_peak`."""
    return _status_bytes(pid, "VmHWM")


def _status_bytes(pid: int, wanted: str) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        name, _, value = line.partition(":")
        if name == wanted:
            return int(value.split()[0]) << 10
    raise RuntimeError(f"the kernel does not tell {wanted}")


def _written_bytes(pid: int) -> int:
    kilobytes = 0
    with suppress(FileNotFoundError, ProcessLookupError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            name, _, value = line.partition(":")
            if name in ("Pss_Anon", "Pss_Shmem"):
                kilobytes += int(value.split()[0])
    return kilobytes << 10


def raise_descriptor_limit() -> None:
    """As many descriptors for this process and its children as the hard limit allows."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def median(values: Sequence[float]) -> float:
    """The middle value, the lower of the two where their number is even: a figure that was really measured."""
    return sorted(values)[(len(values) - 1) // 2]


def percentile(values: Sequence[float], share: float) -> float:
    """The value that so large a share of them does not exceed; 0 where there is none."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0
