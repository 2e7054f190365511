"""Time, memory and disk of each stage at growing numbers of images, and what the workflow adds to the stages.

    OMP_WAIT_POLICY=passive PYTHONPATH=. python benchmarks/scaling.py --images 200 2000 20000 --work scaling

The real Snakefile runs each stage of PSA and the cues of SEC on the built-in data set, for each number of images in a
folder of its own under `--work`. Four fifths of the images are for training, the rest val. Networks are trained for the
same few steps at every size, and left out of the table.

Then the command of each stage, as its log has it, is run again alone, at each size in turn, so that a host that is slow
for a while is slow for all sizes; the fastest of `--rounds` rounds counts. Time is that of the processors, of all
processes of a stage. Over n images it takes a + b n^p, with start-up a: Python, torch, the weights. Three sizes give p
without knowing a. Memory is what all processes of a stage hold together.

What was measured is kept under `--work`: an interrupted benchmark is resumed, and rounds can be added to an old one.
"""

import contextlib
import ctypes
import json
import math
import os
import shlex
import shutil
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import psutil
import tyro
from scipy.optimize import bisect

from wsss.datasets import voc
from wsss.runtime import provenance
from wsss.runtime.files import whole_or_absent

ROOT = Path(__file__).parent.parent
TARGETS = ("psa_val_miou.txt", "psa_examples.png", "cue_scores.json")
TRAINED = ("classifier", "affinity_net", "psa_segmenter")
SIDE_PX, CELLS = 32, 256
"""Of the images; of their CRF."""

STEPS, BATCH = 20, 16
"""Of each training."""

AGAIN_S = 10
"""In each round a stage is run again until so much processor time was spent on it."""

PR_SET_CHILD_SUBREAPER = 36  # of prctl(2)


@dataclass
class Overhead:
    """What a run of the workflow takes beside its stages.

    Args:
        own: processor time of Snakemake itself.
        wall: seconds of the whole run by the clock, stages included.
        dry: seconds of `snakemake -n` once all is up to date, the fastest of three.
        listing: seconds of the digest of the data set's folder, which `-n` takes where that was not drawn here.
    """

    own: float
    wall: float
    dry: float
    listing: float


@dataclass
class Cost:
    """What a stage takes: processor time in seconds, largest memory and output in bytes."""

    seconds: float
    memory: int
    disk: int


def overlay(images: int) -> dict[str, object]:
    """The configuration of a run with this many images."""
    train = images * 4 // 5
    schedule = {"epochs": STEPS / (train // BATCH), "batch_size": BATCH}
    return {
        "methods": ["psa", "sec"],
        "images": {"shapes_train": train, "shapes_val": images - train, "shapes_size": SIDE_PX},
        "classifier": {"crop_px": SIDE_PX, **schedule},
        **{stage: {"crf.max_cells": CELLS} for stage in ("affinity_labels", "pseudo_masks", "masks")},
        "affinity_net": {"crop_px": SIDE_PX, **schedule},
        "psa_segmenter": {"resize_px": [0, 0], "crop_px": SIDE_PX, **schedule},
        "seeds": {"cells": SIDE_PX // 8},
        "sec_segmenter": {"input_px": SIDE_PX},
    }


def run(images: int, folder: Path) -> Overhead:
    """Run the workflow with this many images in a folder, which is emptied first."""
    shutil.rmtree(folder, ignore_errors=True)
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
        again = subprocess.run(
            [*command[:3], "-n", *command[3:]], capture_output=True, text=True, env=environment, check=True
        )
        if "Nothing to be done" not in again.stdout + again.stderr:
            sys.exit(f"{folder} is not up to date after its run: {again.stdout}")

    parts = voc.parts(train="train", extra="", val="val", masks="SegmentationClass", tags="file")
    return Overhead(
        own=times.user + times.system,
        wall=wall,
        dry=min(seconds_of(dry_run) for _ in range(3)),
        listing=seconds_of(lambda: provenance.listing(folder / "results" / "shapes", parts)),
    )


def seconds_of(function: Callable[[], object]) -> float:
    """Seconds that a call takes."""
    began = time.perf_counter()
    function()
    return time.perf_counter() - began


def stages(folder: Path) -> list[str]:
    """The stages that ran in a folder, without the trainings; a shard's name is such as cams/1-of-1."""
    logs = folder / "results" / "logs"
    names = [path.relative_to(logs).with_suffix("").as_posix() for path in logs.rglob("*.log")]
    return sorted(name for name in names if name not in TRAINED)


def cost(stage: str, folder: Path) -> Cost:
    """What a stage takes, run alone."""
    results = folder / "results"
    command = shlex.split((results / "logs" / f"{stage}.log").read_text().splitlines()[0].split(" $ ")[1])
    runs: list[tuple[float, int]] = []
    while sum(seconds for seconds, _ in runs) < AGAIN_S:
        runs.append(alone(command, folder))
    disk = sum(path.stat().st_size for path in results.glob(f"{stage}.*"))
    return Cost(min(seconds for seconds, _ in runs), max(memory for _, memory in runs), disk)


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


def kept(path: Path, measure: Callable[[], Overhead | Cost]) -> dict:
    """What was measured, by this benchmark or by one before it that left the file."""
    if not path.exists():
        found = measure()
        with whole_or_absent(path) as partial:
            partial.write_text(json.dumps(asdict(found), indent=1))
    return json.loads(path.read_text())


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
    """How many of all images a stage processes."""
    if stage.startswith("psa_val_"):
        return images - images * 4 // 5
    return images if stage in ("images", "gather") else images * 4 // 5


def best(runs: list[Cost]) -> Cost:
    """Of several runs of one stage."""
    return Cost(min(run.seconds for run in runs), max(run.memory for run in runs), runs[-1].disk)


def together(costs: list[Cost]) -> Cost:
    """Of stages that run one after another."""
    return Cost(sum(c.seconds for c in costs), max(c.memory for c in costs), sum(c.disk for c in costs))


def row(stage: str, sizes: list[int], costs: list[Cost]) -> str:
    """A line of the table."""
    more = sizes[2] - sizes[1]
    seconds = [cost.seconds for cost in costs]
    each = (seconds[2] - seconds[1]) / more
    cells = [
        f"{stage:<15}",
        f"{1000 * each:8.2f}",
        f"{exponent(sizes, seconds):8.2f}",
        f"{seconds[0] - each * sizes[0]:8.1f}",
        *(f"{cost.memory / 1e6:8.0f}" for cost in costs),
        f"{costs[2].memory / costs[0].memory - 1:+8.0%}",
        f"{(costs[2].disk - costs[1].disk) / more / 1000:8.2f}",
    ]
    return f"| {' | '.join(cells)} |"


def main(images: tuple[int, int, int] = (200, 2000, 20000), work: Path = Path("scaling"), rounds: int = 3) -> None:
    """Print a table, a line a stage, and what the workflow adds."""
    folders = {count: (work / str(count)).resolve() for count in images}
    overheads = [Overhead(**kept(work / f"{n}.json", partial(run, n, folder))) for n, folder in folders.items()]
    jobs = stages(folders[images[0]])
    runs: dict[tuple[str, int], list[Cost]] = defaultdict(list)
    for number in range(1, rounds + 1):
        for job in jobs:
            for count, folder in folders.items():
                path = work / f"round{number}" / str(count) / f"{job}.json"
                runs[job, count].append(Cost(**kept(path, partial(cost, job, folder))))

    gathers = [job.split("/")[0] for job in jobs if "/" in job]
    parts = {job.split("/")[0]: [job] for job in jobs if job not in gathers}
    if gathers:  # stores of a single shard are not joined
        parts["gather"] = gathers
    costs = {part: [together([best(runs[job, n]) for job in of]) for n in images] for part, of in parts.items()}
    heads = ["stage", "ms an image", "exponent", "start-up, s", *(f"MB at {count:,}" for count in images)]
    print(f"| {' | '.join([*heads, 'growth', 'KB an image'])} |")
    print(f"|---|{'---:|' * (len(heads) + 1)}")
    for part in sorted(parts, key=lambda part: costs[part][1].seconds - costs[part][2].seconds):
        print(
            row(
                part.removeprefix("psa_").removeprefix("val_"), [of_stage(part, count) for count in images], costs[part]
            )
        )
    everything = [together([cost[size] for cost in costs.values()]) for size in range(len(images))]
    print(row("all", list(images), everything))
    print()
    lines = {"own": "Snakemake itself", "wall": "by the clock", "dry": "snakemake -n", "listing": "folder's digest"}
    print(f"{'all stages':<22}", *(f"{cost.seconds:8.1f} s" for cost in everything))
    for name, what in lines.items():
        print(f"{what:<22}", *(f"{getattr(overhead, name):8.2f} s" for overhead in overheads))


if __name__ == "__main__":
    tyro.cli(main)
