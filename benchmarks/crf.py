"""Speed, memory and quality of the CRF's engines on the same score maps in one run, as a table in Markdown.

    OMP_WAIT_POLICY=passive PYTHONPATH=. python benchmarks/crf.py --images DIR

DIR is a data set in the layout of VOC's devkit; without it the built-in shapes are drawn. Score maps are made up from
the true masks (`score_maps.made_up`), or real ones: `--cams results/cams.h5`, of a run of the pipeline, with its
images.csv beside it. The table says which. `--help` lists the CRF's numbers, which hold for all rows but for what
ROWS changes. There is no row of the engine exact, which refuses more than 20000 pixels, and `--engine` does nothing.

- images/s: as many processes as cores, of one thread each, work for one engine at a time. All hold the energies and
  photographs, and have run the engine, before the clock starts. It is wall time: a task is an image's number, and gives
  nothing back (some 0.3 ms), so what the cores cost one another counts, and the wait for the last image: give 10 images
  a core or more. The engines take turns, and the fastest turn of each counts.
- ms on a core: the same with one process, while the other cores idle.
- peak MB: how far ru_maxrss of a fresh process, so memory of every kind, rises over the largest image and its result,
  after a run on a corner of 32 x 32 px with few cells.
- mIoU: of one confusion matrix. Agreement: share of all pixels that have lattice's label.

On a CUDA device, or with `--device cpu`, cells and convcrf work on batches too: of images in the order of their sizes,
which lie on the device before the clock starts. Their peak is torch.cuda's, for a batch, without these inputs. The
lines below the table say what the memory of a device allows (`memory_limit`).
"""

import importlib.util
import multiprocessing
import os
import resource
import tempfile
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Literal

import numpy as np
import torch
import tyro
from score_maps import Prepared, of_masks, of_store, prepare, prepared
from timing import cache_bytes, copy_speed, seconds_of

from wsss import crf
from wsss.datasets import shapes
from wsss.labels import VOID
from wsss.maths import metrics
from wsss.options import crf as crf_options
from wsss.options.crf import TRAINABLE, Crf
from wsss.runtime import machine

PSA = replace(crf_options.PSA, window_px=44)

ROWS = (
    {"engine": "none"},
    {"engine": "lattice"},
    {},
    {"steps": 20},
    {"max_cells": 600},
    {"max_cells": 2400},
    {"engine": "convcrf", "max_cells": 4800},
    {"engine": "convcrf", "max_cells": 4800, "window": "diamond"},
)
"""What each row changes in the CRF's numbers."""


@dataclass(frozen=True)
class Row:
    """Images/s, label maps, seconds on a core, peak bytes."""

    rate: float
    labels: list[np.ndarray]
    seconds: float = float("nan")
    peak: float = float("nan")


def name_of(parameters: Crf) -> str:
    if parameters.engine not in TRAINABLE:
        return parameters.engine
    reach = f", {parameters.window} of {parameters.window_px} px" if parameters.engine == "convcrf" else ""
    return f"{parameters.engine}, {parameters.max_cells} cells, {parameters.steps} steps{reach}"


def work(rank: int, folder: Path, parameters: Crf) -> None:
    """What is timed."""
    image = prepared(folder)[rank]
    crf.refine(image.unary, image.photograph, parameters)


def label_map(rank: int, folder: Path, parameters: Crf) -> np.ndarray:
    image = prepared(folder)[rank]
    return image.classes[crf.refine(image.unary, image.photograph, parameters).argmax(0)]


def peak_bytes(rank: int, folder: Path, parameters: Crf) -> int:
    """How far this process's memory rises over an image; it must be a fresh one."""
    image = prepared(folder)[rank]
    few = replace(parameters, max_cells=64)
    crf.refine(image.unary[:, :32, :32], image.photograph[:32, :32], few)  # loads libraries
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    work(rank, folder, parameters)
    return 1024 * (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)


def get_ready(folder: Path, all_ready: Barrier) -> None:
    """Start of a process, like those of wsss.runtime.parallel; no task begins before all are there."""
    machine.use_threads(1)
    prepared(folder)
    all_ready.wait()


def processes(count: int, folder: Path) -> ProcessPoolExecutor:
    context = multiprocessing.get_context("forkserver")
    arguments = (folder, context.Barrier(count))
    return ProcessPoolExecutor(count, mp_context=context, initializer=get_ready, initargs=arguments)


def on_cores(settings: dict[str, Crf], folder: Path, repeats: int) -> dict[str, Row]:
    """Rows of an image a core."""
    images = prepared(folder)

    def call(pool: ProcessPoolExecutor, function: Callable, one: Crf) -> list:
        return list(pool.map(partial(function, folder=folder, parameters=one), range(len(images))))

    with processes(machine.cores(), folder) as pool:
        labels = [call(pool, label_map, one) for one in settings.values()]
        turns = [[seconds_of(partial(call, pool, work, one)) for one in settings.values()] for _ in range(repeats)]
    rows = {}
    largest = max(range(len(images)), key=lambda rank: images[rank].unary.size)
    for (name, one), found, seconds in zip(settings.items(), labels, np.min(turns, axis=0), strict=True):
        with processes(1, folder) as alone:
            peak = alone.submit(peak_bytes, largest, folder, one).result()
            on_one = min(seconds_of(partial(call, alone, work, one)) for _ in range(repeats))
        rows[name] = Row(len(images) / seconds, found, on_one / len(images), peak)
    return rows


@torch.no_grad()
def in_batches(parameters: Crf, images: list[Prepared], size: int, device: str, repeats: int) -> Row:
    """A row of batches."""
    order = sorted(images, key=lambda image: image.photograph.shape)
    inputs = []
    for chosen in (order[start : start + size] for start in range(0, len(order), size)):
        unaries = [torch.from_numpy(image.unary).to(device) for image in chosen]
        inputs.append(crf.padded(unaries, [torch.from_numpy(image.photograph).to(device) for image in chosen]))

    def results() -> Iterator[torch.Tensor]:
        return (crf.marginals(unary, rgb, parameters, sizes=sizes) for unary, rgb, sizes in inputs)

    best = (one.cpu().numpy() for q in results() for one in q.argmax(1))  # warms up as well
    labels = {
        id(image): image.classes[one[: image.truth.shape[0], : image.truth.shape[1]]]
        for image, one in zip(order, best, strict=True)
    }
    peak = float("nan")
    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()
        peak = -torch.cuda.memory_allocated()
    seconds = min(seconds_of(lambda: deque(results(), maxlen=0)) for _ in range(repeats))
    if device == "cuda":
        peak += torch.cuda.max_memory_allocated()
    return Row(len(images) / seconds, [labels[id(image)] for image in images], peak=peak)


def memory_limit(device: str, parameters: Crf, images: list[Prepared], repeats: int) -> str:
    """How many images/s the memory of a device allows a perfect engine cells, in words.

    It reads energies and photographs and writes marginals once, and reads the matrix of all pairs of cells once a step
    where that does not fit in the largest cache, of which each core has its share; all at the speed of a large copy.
    """
    cached = cache_bytes(device)
    speed = copy_speed(device, repeats)
    pixels = sum((8 * len(image.unary) + 3) * image.truth.size for image in images) / len(images)
    matrix = 4 * parameters.max_cells**2
    least = pixels + (parameters.steps * matrix if matrix > cached else 0)
    return (
        f"Memory of {device}: {speed / 1e9:.1f} GB/s copying, {cached / 1e6:.0f} MB of cache for a matrix of"
        f" {matrix / 1e6:.0f} MB; {least / 1e6:.2f} MB an image at least, so {speed / least:.0f} images/s at most."
    )


def miou(images: list[Prepared], labels: list[np.ndarray]) -> float:
    """In percent; classes are mask values here."""
    pairs = zip(images, labels, strict=True)
    return 100 * metrics.mean_iou(sum(metrics.confusion(image.truth, one, classes=VOID) for image, one in pairs))


def table(rows: dict[str, Row], images: list[Prepared], scores: str) -> Iterator[str]:
    """The lines of the table."""
    before = miou(images, [image.classes[image.unary.argmin(0)] for image in images])
    heads = ("images/s", "of lattice's", "ms on a core", "peak MB", f"mIoU (before: {before:.1f})", "agreement")
    yield f"| engine, on {scores} | {' | '.join(heads)} |"
    yield "|---|" + "--:|" * 6
    lattice = rows.get("lattice", Row(float("nan"), []))
    for name, row in rows.items():
        same = [one == other for one, other in zip(row.labels, lattice.labels, strict=False)]
        agreement = 100 * sum(one.sum() for one in same) / sum(one.size for one in same) if same else float("nan")
        line = (
            f"| {name} | {row.rate:.1f} | {row.rate / lattice.rate:.2f} | {1000 * row.seconds:.1f} |"
            f" {row.peak / 1e6:.0f} | {miou(images, row.labels):.1f} | {agreement:.1f} % |"
        )
        yield line.replace("nan %", "-").replace("nan", "-")


def machine_in_words(device: str) -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    names = [line.split(": ")[1] for line in lines if line.startswith("model name")][:1]
    names += [torch.cuda.get_device_name()] if device == "cuda" else []
    return f"{', '.join(names)}, {machine.cores()} cores, torch {torch.__version__}, load {os.getloadavg()[0]:.1f}"


def main(
    images: Path | None = None,
    cams: Path | None = None,
    limit: int = 90,
    windows: bool = True,
    parameters: Crf = PSA,
    batch_size: int = 32,
    device: Literal["cuda", "cpu", "none"] = "cuda" if torch.cuda.is_available() else "none",
    repeats: int = 3,
) -> None:
    """Print the table.

    Args:
        images: a data set in VOC's layout, whose list train is taken.
        cams: a store of activation maps, in the place of images; its images.csv lies beside it.
        limit: number of images, evenly spaced over the list.
        windows: whether there are rows of convcrf, which are slow.
        parameters: the CRF's numbers, over which ROWS puts its own.
        batch_size: images in a batch.
        device: of the batches; none: no such rows.
        repeats: the fastest of so many counts.
    """
    about = machine_in_words(device)
    chosen = [changes for changes in ROWS if windows or changes.get("engine") != "convcrf"]
    every = [replace(parameters, **{"engine": "cells", **changes}) for changes in chosen]
    settings = {name_of(one): one for one in every}
    if not importlib.util.find_spec("pydensecrf"):
        del settings["lattice"]
        print("There is no row of lattice: pydensecrf is not installed.\n")
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        if not (images or cams):
            shapes.write(folder / "shapes", train=limit, val=0, size=320, seed=0)
        root = images or folder / "shapes"
        prepare(of_store(cams, cams.parent / "images.csv", limit) if cams else of_masks(root, limit), folder)
        found = prepared(folder)
        rows = on_cores(settings, folder, repeats)
    for name, one in settings.items():
        if device != "none" and one.engine in TRAINABLE:
            rows[f"{name}; {device}, batch {batch_size}"] = in_batches(one, found, batch_size, device, repeats)
    scores = "real activation maps" if cams else "MADE-UP maps"
    print(f"{len(found)} images of {cams or images or 'the built-in shapes'}, {parameters.steps} steps. {about}.\n")
    print(*table(rows, found, scores), "", sep="\n")
    for one in dict.fromkeys(("cpu", device.replace("none", "cpu"))):
        print(memory_limit(one, parameters, found, repeats))


if __name__ == "__main__":
    tyro.cli(main, config=(tyro.conf.OmitArgPrefixes,))
