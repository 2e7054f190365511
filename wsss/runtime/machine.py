"""What this machine has and says: cores, accelerators, signals. Nothing here changes a result beyond rounding."""

import fcntl
import logging
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

from wsss.runtime.errors import WsssError


def use_threads(threads: int) -> None:
    """Limit this process, and those it starts, to `threads` cores, or to the available ones if they are fewer.

    To be called before numpy is imported, whose own threads cannot be held back later.
    """
    held = max(1, min(threads, len(os.sched_getaffinity(0))))
    os.environ["OMP_NUM_THREADS"] = str(held)
    # threads that wait must not spin: beside another job on the same cores that costs a factor of ten
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(held)


def in_words() -> str:
    """The processor and the cores that this process may use; a GPU is named by the stage that takes one."""
    count = f"{cores()} core{'s' if cores() > 1 else ''}"
    with suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
        return f"{names[0] if names else 'CPU'}, {count}"
    return count


def cores() -> int:
    """The cores that this process may use."""
    first = os.environ.get("OMP_NUM_THREADS", "").split(",")[0].strip()  # OpenMP takes a list, a number a level
    return int(first) if first.isdecimal() and int(first) else len(os.sched_getaffinity(0))


@cache
def device() -> str:
    """The accelerator where there is one, else the CPU; of several GPUs, one that no other job holds."""
    import torch

    hold_gpus(1)
    if not torch.cuda.is_available():
        return "cpu"
    logging.getLogger("wsss").info("GPU: %s", torch.cuda.get_device_name())
    return "cuda"


MOST_TOGETHER = 8
"""Pictures that go through a network together on a GPU, at most."""

BYTES_A_PIXEL = 2**10
"""Memory that a network takes for each pixel given to it: four maps of 64 channels in single precision."""


def batch_size(pixels: int = 1) -> int:
    """How many pictures of so many pixels go through a network together; 1 on a CPU, where several take no less time.

    They take a quarter of the GPU's memory at most, which other jobs may share.
    """
    if device() == "cpu":
        return 1
    import torch

    memory = torch.cuda.get_device_properties(device()).total_memory // 4
    return max(1, min(MOST_TOGETHER, memory // (BYTES_A_PIXEL * pixels)))


@contextmanager
def exact() -> Iterator[None]:
    """Convolutions of a GPU in full single precision, by kernels that give the same bits each time.

    By default they round to 10 bits (TF32), so that what differs by 1e-7 in one layer may differ by 1e-3 after the
    next. On a CPU this changes nothing.
    """
    import torch

    with torch.backends.cudnn.flags(enabled=True, deterministic=True, allow_tf32=False):
        yield


LOCKS = Path("/tmp")  # not $TMPDIR, which some schedulers give each job for itself
_asked: list[int] = []  # how many GPUs this process asked for
_held: list[int] = []  # their locks, until it ends


def hold_gpus(count: int) -> None:
    """Reserve this many of the machine's GPUs, first those that no other process of wsss holds, and hide the others.

    Snakemake counts GPUs, but does not say which. Of processes that were started together each has its own already.
    To be called before CUDA is first used; a second call changes nothing. Processes of which only some are given
    CUDA_VISIBLE_DEVICES do not see each other: it may have other names than nvidia-smi.
    """
    if _asked or by_srun() or "LOCAL_RANK" in os.environ:
        return
    _asked.append(count)
    there = _gpus()
    free = [gpu for gpu in there if len(_held) < count and _lock(gpu)]
    taken = [gpu for gpu in there if gpu not in free]
    if len(there) > count:
        os.environ["CUDA_VISIBLE_DEVICES"] = ",".join([*free, *taken][:count])


def _gpus() -> list[str]:
    """The GPUs that this process may use, by the names that CUDA_VISIBLE_DEVICES takes."""
    if "CUDA_VISIBLE_DEVICES" in os.environ:
        return [word for word in os.environ["CUDA_VISIBLE_DEVICES"].split(",") if word]
    if not shutil.which("nvidia-smi"):
        return []
    listed = subprocess.run(["nvidia-smi", "--query-gpu=uuid", "--format=csv,noheader"], capture_output=True, text=True)
    return listed.stdout.split() if listed.returncode == 0 else []


def _lock(gpu: str) -> bool:
    """Whether a GPU is this process's now, until it ends: a lock ends with its process, however that dies."""
    file = _opened(LOCKS / f"wsss-{gpu.strip().replace('/', '-')}.lock")
    if file is None:
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(file)
        return False
    _held.append(file)
    return True


def _opened(path: Path) -> int | None:
    """The file, made where it is not there; nothing where that is forbidden."""
    for create in (os.O_CREAT, 0):  # of another user's file the first is refused
        with suppress(OSError):
            file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | create, 0o644)
            with suppress(PermissionError):
                os.fchmod(file, 0o644)  # whatever the umask: other users must open it
            return file
    return None


def by_srun() -> bool:
    """Whether Slurm's srun started this process as one of several."""
    return "SLURM_STEP_ID" in os.environ and os.environ.get("SLURM_NTASKS") != "1"


def rank() -> int:
    """Which of the processes of a training this is: 0 where it is the only one.

    Raises:
        WsssError: the environment says it by no number.
    """
    names = ("RANK", "LOCAL_RANK", "SLURM_PROCID")  # by torchrun, by the first process of one node, by srun
    name, word = next(((name, word) for name in names if (word := os.environ.get(name))), ("", "0"))
    if not word.isdecimal():
        raise WsssError(f"{name} is {word!r} in the environment, expected the number of a process: unset it")
    return int(word)


@contextmanager
def stop_requested() -> Iterator[Callable[[], bool]]:
    """Whether SIGTERM was received, by which clusters announce the end of a job; it does not end the process here."""
    came = []
    before = signal.signal(signal.SIGTERM, lambda *_: came.append(True))
    try:
        yield lambda: bool(came)
    finally:
        signal.signal(signal.SIGTERM, before)


RUN = "WSSS_RUN"
"""Environment variable by which a workflow names itself to its stages: host:process, and where processes are counted.

A container may have a count of processes of its own (a namespace), in which those outside it cannot be seen.
"""

COMMAND = "WSSS_COMMAND"
"""Environment variable by which a workflow tells its stages the command that it was started with."""

PATIENCE = 30
"""Seconds that a stage has to end by itself after its workflow has: a training keeps its last step."""


def announce_run() -> None:
    """Name this process to those that it starts; see `end_with_run`. A job of a scheduler is a run of its own."""
    os.environ[RUN] = f"{socket.gethostname()}:{os.getpid()}:{_namespace()}"
    name = Path(sys.argv[0]).name.replace("__main__.py", "snakemake")  # by python -m snakemake
    os.environ.setdefault(COMMAND, shlex.join([name, *sys.argv[1:]]))


def end_with_run() -> None:
    """End this process soon after the workflow that started it, if that is killed: nobody else would.

    Without a workflow on this machine there is nothing to wait for.
    """
    host, process, namespace = (os.environ.get(RUN, "").split(":") + [""] * 3)[:3]
    if host == socket.gethostname() and process.isdecimal() and namespace == _namespace():
        end_with(int(process), first=signal.SIGTERM)


def _namespace() -> str:
    """Where the numbers of this process and of those that it sees are counted; empty where the kernel does not say."""
    try:
        return str(Path("/proc/self/ns/pid").stat().st_ino)
    except OSError:
        return ""


def end_with(process: int, *, first: signal.Signals = signal.SIGKILL) -> None:
    """Send this process a signal soon after another one has ended, and kill it if it does not end by that.

    If the other one has ended already, such as while this one was started, the signal is sent at once.
    """
    then = began(process)

    def watch() -> None:
        while then is not None and began(process) == then:
            time.sleep(1)
        os.kill(os.getpid(), first)
        time.sleep(PATIENCE)
        os.kill(os.getpid(), signal.SIGKILL)

    threading.Thread(target=watch, name="end with the run", daemon=True).start()


def began(process: int) -> str | None:
    """When a process began, in the kernel's clock; nothing where it has ended. (Its number may be given again.)"""
    try:
        state, *rest = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if state == "Z" else rest[18]
