"""CPU time of variants that take turns within one run."""

import statistics
import time
from collections.abc import Callable


def median_times(variants: dict[str, Callable[[], object]], repeats: int) -> dict[str, float]:
    """Median CPU time of each variant in seconds, after one call of each that is not timed."""
    times: dict[str, list[float]] = {name: [] for name in variants}
    for number in range(repeats + 1):
        for name, run in variants.items():
            before = time.process_time()
            run()
            if number:
                times[name].append(time.process_time() - before)
    return {name: statistics.median(taken) for name, taken in times.items()}
