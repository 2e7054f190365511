"""What this machine has and says: cores, accelerators, signals. Nothing here changes a result beyond rounding."""

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager


def use_threads(threads: int) -> None:
    """Hold this process, and what it starts, to `threads` cores, or to those that are there where they are fewer.

    To be called before numpy is imported, whose own threads cannot be held back later.
    """
    held = max(1, min(threads, len(os.sched_getaffinity(0))))
    os.environ["OMP_NUM_THREADS"] = str(held)
    # threads that wait must not spin: beside another job on the same cores that costs a factor of ten
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(held)


def cores() -> int:
    """The cores that this process may use."""
    first = os.environ.get("OMP_NUM_THREADS", "").split(",")[0].strip()  # OpenMP takes a list, a number a level
    return int(first) if first.isdecimal() and int(first) else len(os.sched_getaffinity(0))


def device() -> str:
    """The accelerator where there is one, else the CPU."""
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def rank() -> int:
    """Which of the processes of a training this is: 0 where it is the only one."""
    names = ("RANK", "LOCAL_RANK", "SLURM_PROCID")  # by torchrun, by the first process of one node, by srun
    return next((int(os.environ[name]) for name in names if name in os.environ), 0)


@contextmanager
def told_to_end() -> Iterator[Callable[[], bool]]:
    """Whether SIGTERM has come, with which clusters announce the end of a job; meanwhile it ends nothing by itself."""
    came = []
    before = signal.signal(signal.SIGTERM, lambda *_: came.append(True))
    try:
        yield lambda: bool(came)
    finally:
        signal.signal(signal.SIGTERM, before)
