"""Speed of what a GPU does for the methods, each figure beside what the machine allows, as one table in Markdown.

    PYTHONPATH=. python benchmarks/gpu.py

It wants a large GPU and takes at most 8 minutes there (`--minutes`: rows that would begin later are left out). On a CPU
`--device cpu --small` runs the same rows at tiny sizes, to see that they run. Figures are medians of wall time, after
calls that are not timed, with the GPU waited for. The limit is that of `limits.py`, from a copy and matrix products
of the same run; for loading it is the decoding of the photographs alone. A convolution can do with fewer operations
than its definition (Winograd), so that a small one may pass its limit. A row that fails says so.

The inputs are made up and the networks' weights random, with fixed norms as in training from pretrained weights. Maps
in bf16-mixed are by autocast, as a training has it; stage cams itself works in float32.
"""

import gc
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Literal

import numpy as np
import torch
import tyro
from crf import machine_in_words
from crf_labels import PSA, SEC, scene
from lightning_fabric import Fabric
from lightning_fabric.plugins.environments import LightningEnvironment
from limits import Limits, Work, measured, of_convolutions
from timing import median_seconds

from wsss import crf
from wsss.crf import convcrf
from wsss.crf.levels import side_of
from wsss.datasets import manifest, pictures, shapes
from wsss.datasets.manifest import Row
from wsss.labels import VOID
from wsss.maths import cam
from wsss.networks.classifier import Classifier
from wsss.options.crf import Crf
from wsss.options.network import Features
from wsss.options.training import Augment, Schedule
from wsss.psa import affinity, random_walk
from wsss.training import loop
from wsss.training.augment import augmented_photograph

BACKBONES = {"timm/tf_efficientnet_lite0": 16, "timm/resnet50": 16, "vgg16": 8, "resnet38": 8}
"""And their strides."""

CLASSES = 21
RADIUS, BETA, STEPS = 5, 8, 256
"""Of PSA's affinities and walk."""

CONVCRF = replace(
    PSA,
    engine="convcrf",
    steps=5,
    smoothness_weight=0.2 * 3 / 16,
    appearance_weight=0.2 * 10 / 16,
    appearance_px=1e6,
    window_px=20,
    first_message="logarithms",
    unary_weight=0.8,
    coarsening="blur",
    normalisation="none",
)
"""ConvCRF as published (docs/crf.md)."""


@dataclass(frozen=True)
class Sizes:
    """What is timed: sides in px or cells, numbers of images, calls that are timed."""

    repeats: int
    product_side: int
    copied: int
    crf_px: int
    crf_images: int
    max_cells: int
    sec_cells: int
    sec_images: int
    photograph: tuple[int, int]
    walks: tuple[tuple[int, int], ...]
    crop_px: int
    batch_size: int
    affinity_images: int
    scales: tuple[float, ...]
    resize_px: tuple[int, int]
    rounds: int


LARGE = Sizes(
    9,
    8192,
    2**30,
    320,
    32,
    1200,
    41,
    15,
    (375, 500),
    ((47, 63), (94, 126)),
    448,
    16,
    8,
    (0.5, 1, 1.5, 2),
    (256, 512),
    9,
)
SMALL = Sizes(1, 512, 2**26, 32, 2, 64, 9, 2, (24, 32), ((6, 8), (8, 12)), 32, 2, 2, (1, 2), (24, 48), 2)


@dataclass(frozen=True)
class Found:
    """A figure and its limit, the larger one the better where `unit` is a rate."""

    figure: float
    unit: str
    limit: float
    bound: str

    @classmethod
    def rate(cls, images: int, seconds: float, least: tuple[float, str]) -> "Found":
        return cls(images / seconds, "images/s", images / least[0], least[1])

    @classmethod
    def time(cls, seconds: float, least: tuple[float, str]) -> "Found":
        return cls(1000 * seconds, "ms", 1000 * least[0], least[1])

    def share(self) -> float:
        """Of the limit that is reached."""
        return self.limit / self.figure if self.unit == "ms" else self.figure / self.limit


@dataclass(frozen=True)
class Bench:
    """Where rows are measured."""

    limits: Limits
    sizes: Sizes

    @property
    def device(self) -> str:
        return self.limits.device

    def seconds(self, run: Callable[[], object]) -> float:
        return median_seconds(run, self.sizes.repeats, untimed=2 if self.device == "cuda" else 1)


Measure = Callable[[], Found]
Line = tuple[str, str, Measure]
"""Name of a row, its goal in words, what measures it."""


def work_of_crf(parameters: Crf, limits: Limits, images: int, labels: int, size: tuple[int, int]) -> Work:
    """What a CRF of a batch must do: energies and photographs are read and marginals written once, messages are sent.

    A kernel that does not fit in the cache, an image's by itself, is read once a step.
    """
    height, width = size
    moved = limits.beyond(images * height * width * (8 * labels + 3))
    side = 1 if parameters.engine == "exact" else side_of(size, max_cells=parameters.max_cells)
    cells = -(-height // side) * -(-width // side)
    neighbours = held = cells
    if parameters.engine == "convcrf":
        half = len(convcrf.shifts(-(-parameters.window_px // side), shape=parameters.window))
        neighbours, held = min(2 * half + 1, cells), min(half + 1, cells)
    sent = 2 * cells * neighbours * labels * parameters.steps
    return Work(images * sent, moved + images * parameters.steps * limits.beyond(4 * cells * held))


def crf_seconds(
    bench: Bench, parameters: Crf, images: int, labels: int, size: tuple[int, int]
) -> tuple[float, tuple[float, str]]:
    """Seconds of a CRF of a batch that lies on the device, and their limit."""
    rng = np.random.default_rng(0)
    scenes = [scene(rng, labels, size) for _ in range(min(images, 3))]
    chosen = [scenes[number % len(scenes)] for number in range(images)]
    unary, photographs = (torch.stack(parts).to(bench.device) for parts in zip(*chosen, strict=True))
    with torch.no_grad():
        seconds = bench.seconds(lambda: crf.marginals(unary, photographs, parameters))
    return seconds, bench.limits.least(work_of_crf(parameters, bench.limits, images, labels, size))


def crf_lines(bench: Bench) -> Iterator[Line]:
    """The CRF of batches, of one image, and of SEC's loss."""
    sizes = bench.sizes
    side = (sizes.crf_px, sizes.crf_px)
    grid_size = (sizes.sec_cells, sizes.sec_cells)
    cells = replace(PSA, max_cells=sizes.max_cells)
    settings = {
        "cells": (cells, side),
        "convcrf": (replace(cells, engine="convcrf", max_cells=4 * sizes.max_cells), side),
        "exact": (replace(SEC, engine="exact"), grid_size),
    }

    def rate(parameters: Crf, labels: int, size: tuple[int, int]) -> Found:
        return Found.rate(sizes.crf_images, *crf_seconds(bench, parameters, sizes.crf_images, labels, size))

    for name, (parameters, size) in settings.items():
        for labels in (3, CLASSES):
            goal = "1000" if labels == 3 and name != "exact" else ""
            words = f"CRF {name}, {labels} labels, {sizes.crf_images} of {size[0]} × {size[1]} px"
            yield words, goal, partial(rate, parameters, labels, size)

    height, width = sizes.photograph
    paper = replace(CONVCRF, max_cells=-(-height // 4) * -(-width // 4))
    yield (
        f"CRF convcrf as in its paper: 11 × 11 cells of 4 px, 5 steps, {CLASSES} labels, {width} × {height} px",
        "below 10",
        lambda: Found.time(*crf_seconds(bench, paper, 1, CLASSES, sizes.photograph)),
    )
    for name, parameters in {
        "exact": replace(SEC, engine="exact"),
        "cells of 3 × 3": replace(SEC, max_cells=(-(-sizes.sec_cells // 3)) ** 2),
    }.items():
        words = (
            f"SEC's CRF, {name}: {sizes.sec_images} of {sizes.sec_cells} × {sizes.sec_cells} cells, {CLASSES} labels"
        )
        of_batch = partial(crf_seconds, bench, parameters, sizes.sec_images, CLASSES, grid_size)
        yield words, "", lambda of_batch=of_batch: Found.time(*of_batch())


def walk_found(bench: Bench, size: tuple[int, int], *, labels: int) -> Found:
    """PSA's walk of an image, whose products with the sparse matrix are its work."""
    generator = torch.Generator().manual_seed(0)
    affinities = affinity.affinities(torch.rand(1, 64, *size, generator=generator), radius=RADIUS)[0].to(bench.device)
    scores = torch.rand(labels, *size, generator=generator).to(bench.device)
    with torch.inference_mode():
        seconds = bench.seconds(lambda: random_walk.walk(scores, affinities, radius=RADIUS, beta=BETA, steps=STEPS))
    height, width = size
    entries = height * width
    for dy, dx in affinity.offsets(RADIUS):
        entries += 2 * max(height - dy, 0) * max(width - abs(dx), 0)
    products = len(random_walk.chebyshev_of_power(STEPS)) - 1
    work = Work(2 * entries * labels * products, products * bench.limits.beyond(8 * entries))
    return Found.time(seconds, bench.limits.least(work))


def affinity_found(bench: Bench) -> Found:
    """AffinityNet's loss and its gradient, of a batch of features.

    Of each pair and channel a difference, its absolute value and its sum are formed, and for the gradient the
    difference, its sign and what it adds to both pixels: 9 operations.
    """
    batch, channels = bench.sizes.affinity_images, 448
    cells = bench.sizes.crop_px // 8
    generator = torch.Generator().manual_seed(0)
    features = torch.rand(batch, channels, cells, cells, generator=generator).to(bench.device).requires_grad_()
    labels = torch.tensor([0, 1, 2, VOID])[torch.randint(4, (batch, cells, cells), generator=generator)]
    labels = labels.to(bench.device)

    def step() -> None:
        features.grad = None
        affinity.affinity_loss(affinity.affinities(features, radius=RADIUS), labels, radius=RADIUS).backward()

    operations = 9 * features.numel() * len(affinity.offsets(RADIUS))
    moved = bench.limits.beyond(2 * 4 * features.numel())
    return Found.time(bench.seconds(step), bench.limits.least(Work(operations, moved)))


def psa_lines(bench: Bench) -> Iterator[Line]:
    """The random walk, and the affinity loss."""
    for size in bench.sizes.walks:
        words = f"random walk, {STEPS} steps, {size[0]} × {size[1]} cells, 3 labels"
        yield words, "", partial(walk_found, bench, size, labels=3)
    words = f"affinity loss and gradient, {bench.sizes.affinity_images} crops of {bench.sizes.crop_px} px"
    yield words, "", lambda: affinity_found(bench)


@lru_cache(maxsize=1)
def classifier(backbone: str) -> Classifier:
    """A classifier with random weights, the last one asked for."""
    torch.manual_seed(0)
    return Classifier.build(Features(backbone, BACKBONES[backbone], "none", True), classes=CLASSES)


def maps_found(bench: Bench, backbone: str, precision: str) -> Found:
    """Activation maps of an image, as stage cams makes them."""
    network = classifier(backbone).eval().to(bench.device)
    image = torch.rand(3, *bench.sizes.photograph, generator=torch.Generator().manual_seed(0))
    numbers = {"network_stride": network.backbone.stride, "fill": network.backbone.mean}

    def run() -> np.ndarray:
        mixed = torch.autocast(bench.device, torch.bfloat16) if precision == "bf16-mixed" else nullcontext()
        with torch.inference_mode(), mixed:
            maps = cam.multi_scale(
                lambda pair: network.maps(pair.to(bench.device)),
                image,
                scales=bench.sizes.scales,
                stride=4,
                **numbers,
            )
            return cam.normalised(maps).half().cpu().numpy()

    work = of_convolutions(network, run, bench.limits)
    return Found.rate(1, bench.seconds(run), bench.limits.least(work))


def step_found(bench: Bench, backbone: str, precision: str) -> Found:
    """A step of the classifier's training, as loop.fit makes it of a batch that has been loaded."""
    schedule = Schedule(
        epochs=1,
        batch_size=bench.sizes.batch_size,
        optimizer="sgd",
        learning_rate=1e-6,
        lr_drops=0,
        new_layers_factor=10,
        power=0.9,
        momentum=0.9,
        weight_decay=0.0005,
        precision=precision,
        seed=0,
    )
    fabric = Fabric(accelerator=bench.device, devices=1, precision=precision, plugins=[LightningEnvironment()])
    network = classifier(backbone).train().to(memory_format=torch.channels_last)
    model, optimizer = fabric.setup(network, loop.optimizer_of(network, schedule))
    generator = torch.Generator().manual_seed(0)
    crops = torch.rand(bench.sizes.batch_size, 3, bench.sizes.crop_px, bench.sizes.crop_px, generator=generator)
    tags = torch.randint(2, (bench.sizes.batch_size, CLASSES - 1), generator=generator).float()
    crops, tags = crops.to(fabric.device), tags.to(fabric.device)

    def step() -> None:
        loss = torch.nn.functional.multilabel_soft_margin_loss(model(crops), tags)
        optimizer.zero_grad()
        fabric.backward(loss)
        optimizer.step()

    work = of_convolutions(network, step, bench.limits)
    return Found.rate(bench.sizes.batch_size, bench.seconds(step), bench.limits.least(work))


def network_lines(bench: Bench) -> Iterator[Line]:
    """Maps and steps of each network."""
    sizes = bench.sizes
    height, width = sizes.photograph
    for backbone, stride in BACKBONES.items():
        for precision in ("32-true", "bf16-mixed"):
            words = f"CAMs, {backbone}, stride {stride}, {precision}, {width} × {height} px, {len(sizes.scales)} scales"
            yield words, "", partial(maps_found, bench, backbone, precision)
        for precision in ("32-true", "bf16-mixed"):
            words = f"step, {backbone}, stride {stride}, {precision}, {sizes.batch_size} of {sizes.crop_px} px"
            yield words, "", partial(step_found, bench, backbone, precision)


def loader_found(bench: Bench) -> Found:
    """Training images of the classifier, read as a training reads them; the limit is the decoding alone."""
    sizes = bench.sizes
    augment = Augment(resize_px=sizes.resize_px, flip=True, jitter=0.3, jitter_by="hsv", crop_px=sizes.crop_px)
    with tempfile.TemporaryDirectory() as folder:
        shapes.write(Path(folder), train=sizes.batch_size, val=0, size=max(sizes.photograph), seed=0)
        files = sorted(Path(folder, "JPEGImages").iterdir())
        rows = [Row(file.stem, "train", file, None, (), "", manifest.digest_of(file)) for file in files]

        def item(position: int) -> tuple[torch.Tensor, torch.Tensor]:
            photograph = pictures.photograph_of(rows[position])
            image = augmented_photograph(photograph, augment=augment, fill=(0.5, 0.5, 0.5))
            return image, torch.zeros(CLASSES - 1)

        decoding = median_seconds(lambda: [pictures.read_photograph(file) for file in files], sizes.repeats)
        processes = max(1, loop._workers())
        steps = processes * (1 + sizes.rounds)
        batches = loop.Batches(len(rows), batch_size=sizes.batch_size, seed=0, start=0, steps=steps)
        came = [time.perf_counter() for _ in loop._loader(loop.Items(item, len(rows)), batches)]
    # all processes begin together, so the batches come in rounds of one each; the first round starts the processes
    rounds = np.diff(came[processes - 1 :: processes])
    # each process would decode a batch in a round
    return Found.rate(processes * sizes.batch_size, statistics.median(rounds), (decoding, "decoding"))


def lines(bench: Bench) -> Iterator[Line]:
    """All rows."""
    sizes = bench.sizes
    yield from crf_lines(bench)
    yield from psa_lines(bench)
    yield from network_lines(bench)
    longest = max(sizes.photograph)
    yield (
        f"loading crops of {sizes.crop_px} px from JPEG of {longest} × {longest} px",
        "",
        lambda: loader_found(bench),
    )


def row_of(name: str, goal: str, measure: Measure) -> str:
    """A line of the table; of a row that fails, why."""
    try:
        found = measure()
    except Exception as error:  # memory, or what a version of torch cannot do: the other rows go on
        reason = (str(error).splitlines() or [""])[0][:100].replace("|", "/")
        return f"| {name} | failed: {type(error).__name__}: {reason} | | | | | {goal} |"
    finally:
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
    return (
        f"| {name} | {found.figure:.4g} | {found.unit} | {found.limit:.4g} | {found.bound} |"
        f" {100 * found.share():.2g} % | {goal} |"
    )


def main(
    device: Literal["cuda", "cpu"] = "cuda" if torch.cuda.is_available() else "cpu",
    small: bool = False,
    minutes: float = 8,
) -> None:
    """Print the table.

    Args:
        device: on which everything runs but the loading, and the resizing of images for CAMs.
        small: tiny sizes and single calls, whose times say nothing.
        minutes: rows that would begin later are left out.
    """
    start = time.monotonic()
    sizes = SMALL if small else LARGE
    bench = Bench(measured(device, side=sizes.product_side, copied=sizes.copied, repeats=sizes.repeats), sizes)
    print(f"{machine_in_words(device)}. {bench.limits}\n")
    print("| row | figure | unit | limit | given by | of the limit | goal |")
    print("|---|--:|---|--:|---|--:|--:|", flush=True)
    for name, goal, measure in lines(bench):
        if time.monotonic() - start > 60 * minutes:
            print(f"| {name} | left out: {minutes:g} minutes are over | | | | | {goal} |", flush=True)
        else:
            print(row_of(name, goal, measure), flush=True)


if __name__ == "__main__":
    tyro.cli(main)
