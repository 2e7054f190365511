"""Rows of gpu.py: CRFs, the random walk and the affinity loss."""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial

import numpy as np
import torch
from crf_labels import PSA, SEC, scene
from gpu_rows import CLASSES, Bench, Found, Line
from limits import Limits, Work

from wsss import crf
from wsss.crf import convcrf
from wsss.crf.levels import side_of
from wsss.labels import VOID
from wsss.options.crf import Crf
from wsss.psa import affinity, random_walk

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
