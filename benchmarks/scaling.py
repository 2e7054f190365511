"""Time, memory and disk of each stage at growing numbers of images, and what the workflow adds to the stages.

    OMP_WAIT_POLICY=passive PYTHONPATH=. python benchmarks/scaling.py --images 200 2000 20000 --work scaling

The real Snakefile runs each stage of PSA and the cues of SEC on the built-in data set, for each number of images in a
folder of its own under `--work`; a size that was measured there before is only read. Four fifths of the images train,
the rest are held out. Networks are trained for the same few steps at every size, and left out of the table.

Then the command of each stage, as its log has it, is run again alone; a short one several times, and the fastest run
counts. Time is that of the processors, of all processes of a stage. Over n images it takes a + b n^p, with start-up a:
Python, torch, the weights. Three sizes give p without knowing a.
Memory is what all processes of a stage hold together.
"""

import contextlib
import ctypes
import json
import math
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil
import tyro
from scipy.optimize import bisect

from wsss import provenance

ROOT = Path(__file__).parent.parent
TARGETS = ("psa_val_miou.txt", "psa_examples.png", "cue_scores.json")
TRAINED = ("classifier", "affinity_net", "psa_segmenter")
SIDE_PX, CELLS = 32, 256
"""Of the images; of their CRF."""

STEPS, BATCH = 20, 16
"""Of each training."""

AGAIN_S = 30
"""A stage is run again until so much processor time was spent on it."""

PR_SET_CHILD_SUBREAPER = 36  # of prctl(2)


@dataclass
class Run:
    """A run of the workflow.

    Args:
        seconds, memory, disk: processor time, largest memory and bytes of the output of each stage, run alone.
        own: processor time of Snakemake itself.
        wall: seconds of the whole run, whatever else the machine did.
        dry: seconds of `snakemake -n` once all is up to date, the fastest of three.
        listing: seconds of the digest of the data set's folder, which `-n` takes where that was not drawn here.
    """

    seconds: dict[str, float]
    memory: dict[str, int]
    disk: dict[str, int]
    own: float
    wall: float
    dry: float
    listing: float


def overlay(images: int) -> dict[str, object]:
    """The configuration of a run over so many images."""
    train = images * 4 // 5
    schedule = {"epochs": STEPS / (train // BATCH), "batch": BATCH}
    return {
        "methods": ["psa", "sec"],
        "images": {"shapes_train": train, "shapes_val": images - train, "shapes_size": SIDE_PX},
        "classifier": {"crop_px": SIDE_PX, **schedule},
        **{stage: {"crf.cells": CELLS} for stage in ("affinity_labels", "pseudo_masks", "masks")},
        "affinity_net": {"crop_px": SIDE_PX, **schedule},
        "psa_segmenter": {"resize_px": [0, 0], "crop_px": SIDE_PX, **schedule},
        "seeds": {"cells": SIDE_PX // 8},
        "sec_segmenter": {"input_px": SIDE_PX},
    }


def alone(command: list[str], folder: Path) -> tuple[float, int]:
    """Processor time and largest memory of a command of `wsss`, with all processes that it starts."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    # what its processes leave behind becomes a child of this one: a pool's server ends after the stage
    prctl = ctypes.CDLL(None).prctl
    prctl(PR_SET_CHILD_SUBREAPER, 1)
    with (folder / "log").open("a") as log:
        program = [sys.executable, "-m", *command]
        process = psutil.Popen(program, cwd=folder, stdout=log, stderr=log, env=environment)
    seconds, memory, failed = 0.0, 0, False
    while True:
        try:
            ended, status, usage = os.wait4(-1, os.WNOHANG)
        except ChildProcessError:  # the last of them
            break
        if ended:
            seconds += usage.ru_utime + usage.ru_stime  # its own, and that of those for which it waited
            failed |= ended == process.pid and status != 0
            continue
        with contextlib.suppress(psutil.Error):  # one of them ended while it was looked at
            parts = [process, *process.children(recursive=True)]
            memory = max(memory, sum(part.memory_full_info().pss for part in parts))
        time.sleep(0.1)
    prctl(PR_SET_CHILD_SUBREAPER, 0)
    if failed:
        sys.exit(f"wsss failed: see {folder}/log")
    return seconds, memory


def stage(log: Path, folder: Path) -> tuple[float, int]:
    """Processor time and largest memory of the stage with this log, run alone; of several runs the least time."""
    command = shlex.split(log.read_text().splitlines()[0].split(" $ ")[1])
    runs: list[tuple[float, int]] = []
    while sum(seconds for seconds, _ in runs) < AGAIN_S:
        runs.append(alone(command, folder))
    return min(seconds for seconds, _ in runs), max(memory for _, memory in runs)


def seconds_of(function: Callable[[], object]) -> float:
    """Seconds that a call takes."""
    began = time.perf_counter()
    function()
    return time.perf_counter() - began


def measure(images: int, folder: Path) -> Run:
    """Run the workflow in an empty folder."""
    folder.mkdir(parents=True)
    (folder / "overlay.yaml").write_text(json.dumps(overlay(images)))
    command = [sys.executable, "-m", "snakemake", "--cores", "2", "--snakefile", str(ROOT / "Snakefile")]
    command += ["--directory", str(folder), "--configfile", str(folder / "overlay.yaml")]
    command += ["--", *(f"results/{target}" for target in TARGETS)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    began = time.perf_counter()
    with (folder / "log").open("w") as log:
        snakemake = psutil.Popen(command, stdout=log, stderr=log, env=environment)
        while snakemake.poll() is None:
            with contextlib.suppress(psutil.Error):
                times = snakemake.cpu_times()
            time.sleep(0.1)
    wall = time.perf_counter() - began
    if snakemake.returncode:
        sys.exit(f"snakemake failed: see {folder}/log")

    def dry_run() -> None:
        run = subprocess.run(
            [*command[:3], "-n", *command[3:]], capture_output=True, text=True, env=environment, check=True
        )
        if "Nothing to be done" not in run.stdout + run.stderr:
            sys.exit(f"{folder} is not up to date after its run: {run.stdout}")

    dry = min(seconds_of(dry_run) for _ in range(3))  # before stages are run again, which makes their files newer
    results = folder / "results"
    logs = {path.relative_to(results / "logs").with_suffix("").as_posix(): path for path in results.rglob("*.log")}
    stages = {name: stage(log, folder) for name, log in sorted(logs.items()) if name not in TRAINED}
    return Run(
        seconds={name: seconds for name, (seconds, _) in stages.items()},
        memory={name: memory for name, (_, memory) in stages.items()},
        disk={name: sum(path.stat().st_size for path in results.glob(f"{name}.*")) for name in stages},
        own=times.user + times.system,
        wall=wall,
        dry=dry,
        listing=seconds_of(lambda: provenance.listing(results / "shapes", read=(".txt", ".npy"))),
    )


def measured(images: int, folder: Path) -> Run:
    """The run over so many images, made where it is not there yet."""
    kept = folder / "measured.json"
    if not kept.exists():
        kept.write_text(json.dumps(asdict(measure(images, folder)), indent=1))
    return Run(**json.loads(kept.read_text()))


def exponent(sizes: list[int], values: list[float]) -> float:
    """p of a + b n^p through three points; nan where the growth is no power at all.

    Of the growth between them, (t3 - t2) / (t2 - t1) = (n3^p - n2^p) / (n2^p - n1^p), which grows with p.
    """
    small, middle, large = sizes
    first, second, third = values

    def missing(p: float) -> float:
        return (large**p - middle**p) * (second - first) - (third - second) * (middle**p - small**p)

    return bisect(missing, 0.01, 4) if missing(0.01) < 0 < missing(4) else math.nan


def of_stage(stage: str, images: int) -> int:
    """How many of so many images a stage goes over."""
    if stage.startswith("psa_val_"):
        return images - images * 4 // 5
    return images if stage in ("images", "gather") else images * 4 // 5


def row(stage: str, sizes: list[int], seconds: list[float], memory: list[int], disk: list[int]) -> str:
    """A line of the table."""
    more = sizes[2] - sizes[1]
    each = (seconds[2] - seconds[1]) / more
    cells = [
        f"{stage:<15}",
        f"{1000 * each:8.2f}",
        f"{exponent(sizes, seconds):8.2f}",
        f"{seconds[0] - each * sizes[0]:8.1f}",
        *(f"{held / 1e6:8.0f}" for held in memory),
        f"{memory[2] / memory[0] - 1:+8.0%}",
        f"{(disk[2] - disk[1]) / more / 1000:8.2f}",
    ]
    return f"| {' | '.join(cells)} |"


def main(images: tuple[int, int, int] = (200, 2000, 20000), work: Path = Path("scaling")) -> None:
    """Print a table, a line a stage, and what the workflow adds."""
    runs = [measured(count, (work / str(count)).resolve()) for count in images]
    jobs = list(runs[0].seconds)
    gathers = [name.split("/")[0] for name in jobs if "/" in name]
    stages = {name.split("/")[0]: [name] for name in jobs if name not in gathers} | {"gather": gathers}
    heads = ["stage", "ms an image", "exponent", "start-up, s", *(f"MB at {count:,}" for count in images)]
    print(f"| {' | '.join([*heads, 'growth', 'KB an image'])} |")
    print(f"|---|{'---:|' * (len(heads) + 1)}")
    last, middle = runs[2].seconds, runs[1].seconds
    for stage in sorted(stages, key=lambda stage: sum(middle[name] - last[name] for name in stages[stage])):
        names = stages[stage]
        sizes = [of_stage(stage, count) for count in images]
        seconds = [sum(run.seconds[name] for name in names) for run in runs]
        memory = [max(run.memory[name] for name in names) for run in runs]
        disk = [sum(run.disk[name] for name in names) for run in runs]
        print(row(stage.removeprefix("psa_val_"), sizes, seconds, memory, disk))
    print()
    parts = {"own": "Snakemake itself", "wall": "by the clock", "dry": "snakemake -n", "listing": "folder's digest"}
    for name, what in parts.items():
        print(f"{what:<22}", *(f"{getattr(run, name):8.1f} s" for run in runs))


if __name__ == "__main__":
    tyro.cli(main)
