"""The CRF against pydensecrf by the number of labels, and SEC's CRF of a batch of small images, on one thread.

    PYTHONPATH=. python benchmarks/crf_labels.py

The engines take turns within one run, on made-up images and scores. Printed are medians of CPU time, above 1 how many
times faster than pydensecrf (engine lattice) each is, and the share of pixels with the label of the engine "exact"
where that can be run, else of lattice. `--help` lists the sizes that can be changed.
"""

from dataclasses import replace

import numpy as np
import torch
import tyro
from scipy.ndimage import gaussian_filter
from timing import median_times

from wsss import crf
from wsss.options import crf as crf_options
from wsss.options.crf import Crf

PSA = replace(crf_options.PSA, window_px=44)
SEC = replace(PSA, smoothness_px=0.25, appearance_px=6.67)
"""The paper's numbers divided by 12, for 41 cells of an image of 500 px."""


def scene(
    rng: np.random.Generator, labels: int, size: tuple[int, int], *, present: int = 3
) -> tuple[torch.Tensor, torch.Tensor]:
    """Energies of an image with regions of a colour each, whose edges the scores only roughly follow; the photograph.

    Args:
        rng: draws everything.
        labels: number of labels; the ones beyond `present` have small, but not negligible scores.
        size: height and width.
        present: number of regions.
    """
    smooth = max(size) / 12
    regions = gaussian_filter(rng.standard_normal((present, *size)), (0, smooth, smooth)).argmax(0)
    colours = rng.integers(0, 256, (present, 3))[regions] + rng.normal(0, 12, (*size, 3))
    truth = (regions == np.arange(labels)[:, None, None]).astype(np.float32)
    logits = 6 * gaussian_filter(truth, (0, smooth / 4, smooth / 4)) + rng.normal(0, 0.5, truth.shape)
    energies = -torch.from_numpy(logits).float().log_softmax(0)
    return energies, torch.from_numpy(colours.clip(0, 255).astype(np.uint8))


def compare(title: str, unary: torch.Tensor, images: torch.Tensor, rows: dict[str, Crf], *, repeats: int) -> None:
    """Print a line an engine; the first one is what the others are compared with, the last one gives the labels."""
    variants = {name: lambda numbers=numbers: crf.marginals(unary, images, numbers) for name, numbers in rows.items()}
    with torch.no_grad():
        times = median_times(variants, repeats)
        truth = list(variants.values())[-1]().argmax(1)
        print(title)
        for name, run in variants.items():
            agreement = (run().argmax(1) == truth).float().mean()
            ratio = next(iter(times.values())) / times[name]
            print(f"  {name:<28} {1000 * times[name]:8.1f} ms {ratio:6.2f} x  agreement {100 * agreement:6.2f} %")


def main(
    height: int = 375, width: int = 500, cells: int = 41, batch_size: int = 15, repeats: int = 5, seed: int = 0
) -> None:
    """Print the tables."""
    torch.set_num_threads(1)
    rng = np.random.default_rng(seed)
    for labels in (3, 21):
        unary, image = scene(rng, labels, (height, width))
        lattice = replace(PSA, engine="lattice")
        rows = {"lattice": lattice, "cells": PSA, "lattice again": lattice}
        compare(f"{height} x {width}, {labels} labels", unary[None], image[None], rows, repeats=repeats)
    scenes = [scene(rng, 21, (cells, cells)) for _ in range(batch_size)]
    unary, images = (torch.stack(parts) for parts in zip(*scenes, strict=True))
    rows = {
        "lattice": replace(SEC, engine="lattice"),
        "cells of 3 x 3": replace(SEC, max_cells=(-(-cells // 3)) ** 2),
        "cells of 2 x 2": replace(SEC, max_cells=(-(-cells // 2)) ** 2),
        "exact": replace(SEC, engine="exact"),
    }
    compare(f"SEC: {batch_size} images of {cells} x {cells}, 21 labels", unary, images, rows, repeats=repeats)


if __name__ == "__main__":
    tyro.cli(main)
