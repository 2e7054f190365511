"""CPU time of variants that take turns within one run, wall time of what a GPU does, and how fast memory is."""

import statistics
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import torch

from wsss.runtime import machine

COPIED = 2**30
"""Bytes, more than any cache holds, whose copying shows how fast memory is."""


def median_times(
    variants: dict[str, Callable[[], object]], repeats: int, clock: Callable[[], float] = time.process_time
) -> dict[str, float]:
    """Median CPU time of each variant in seconds, by a clock, after one call of each that is not timed."""
    times: dict[str, list[float]] = {name: [] for name in variants}
    for number in range(repeats + 1):
        for name, run in variants.items():
            before = clock()
            run()
            if number:
                times[name].append(clock() - before)
    return {name: statistics.median(taken) for name, taken in times.items()}


def seconds_of(function: Callable[[], object]) -> float:
    """Wall time of a call and of what it has a GPU do."""
    wait = torch.cuda.synchronize if torch.cuda.is_available() else lambda: None
    wait()
    start = time.perf_counter()
    function()
    wait()
    return time.perf_counter() - start


def median_seconds(function: Callable[[], object], repeats: int, *, untimed: int = 2) -> float:
    """Median wall time of a call and of what it has a GPU do, after some calls that are not timed."""
    for _ in range(untimed):
        function()
    return statistics.median(seconds_of(function) for _ in range(repeats))


def copy_speed(device: str, repeats: int, *, size: int = COPIED) -> float:
    """Bytes a second, those read and those written, of a large copy; on a CPU each core copies a part of it."""
    source = torch.ones(size, dtype=torch.uint8, device=device)
    parts = machine.cores() if device == "cpu" else 1  # torch copies with one core
    targets, sources = torch.empty_like(source).chunk(parts), source.chunk(parts)
    with ThreadPoolExecutor(parts) as pool:
        seconds = [seconds_of(lambda: list(pool.map(torch.Tensor.copy_, targets, sources))) for _ in range(1 + repeats)]
    return 2 * size / min(seconds)


def cache_bytes(device: str) -> float:
    """Bytes of the largest cache, of which each core of a CPU has its share."""
    if device == "cuda":
        return torch.cuda.get_device_properties(0).L2_cache_size
    sizes = [path.read_text() for path in Path("/sys/devices/system/cpu/cpu0/cache").glob("index*/size")]
    return max((1024 * int(size.strip("K\n")) for size in sizes), default=0) / machine.cores()
