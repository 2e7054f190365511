"""Score maps for the benchmarks of what refines them: made up from true masks, or real ones of a run of the pipeline.

A module of crf.py beside it. Both ways are a function of their files alone, and need no network.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import torch
from scipy.ndimage import gaussian_filter

from wsss import crf
from wsss.datasets import manifest as manifests
from wsss.datasets import masks, pictures, voc
from wsss.labels import BACKGROUND, VOC_CLASSES, VOID, Classes
from wsss.maths import cam, cues, grid
from wsss.stores import store

ALPHA = 8
"""Exponent of the background's score, (1 - max)^alpha."""

STRIDE, BLUR_PX, NOISE = 16, 24, 0.15
"""Of maps that are made up: pixels for each cell of their grid, standard deviations of the Gaussian and the noise."""


ANY = Classes.of({name: value for value, name in enumerate(VOC_CLASSES, 1)})
"""The classes of masks whose data set is not known: VOC's."""


@dataclass(frozen=True)
class Prepared:
    """An image as engines take it, with the mask values of its labels and its true mask."""

    unary: np.ndarray
    photograph: np.ndarray
    classes: np.ndarray
    truth: np.ndarray


def made_up(mask: np.ndarray, generator: np.random.Generator) -> tuple[torch.Tensor, np.ndarray]:
    """Maps that resemble activation maps of a mask's classes, and these classes.

    On a grid: the share of each cell that is of the class, less and less with the distance from one of its cells, drawn
    at random, down to a tenth; spread beyond the outline by a Gaussian; plus noise, cut off below 0, over the maximum.
    """
    classes = np.setdiff1d(mask, [BACKGROUND, VOID])
    shares = grid.pooled(torch.from_numpy(np.float32(mask == classes[:, None, None])), stride=STRIDE).numpy()
    for share in shares:
        places = np.argwhere(share)
        apart = np.indices(share.shape) - generator.choice(places)[:, None, None]
        share *= 0.1 + 0.9 * np.exp(np.square(apart).sum(0) / (-2 * (places.std(0).mean() + 1) ** 2))
    spread = torch.from_numpy(gaussian_filter(shares, (0, BLUR_PX / STRIDE, BLUR_PX / STRIDE)))
    noise = torch.from_numpy(np.float32(generator.normal(0, NOISE, shares.shape)))
    maps = cam.normalised((cam.normalised(spread) + noise).clamp(min=0))
    return grid.to_pixels(maps[None], mask.shape, stride=STRIDE)[0], classes


def of_masks(root: Path, limit: int) -> Iterator[tuple]:
    """Photograph, mask, maps and their classes of the images of train that show any; maps depend on mask and id."""
    for image_id in manifests.evenly(voc.read_list(root, "train"), limit):
        mask = masks.read(root / f"SegmentationClass/{image_id}.png", ANY)
        if np.isin(mask, [BACKGROUND, VOID]).all():
            continue
        photograph = next((root / "JPEGImages").glob(f"{image_id}.*"))
        yield photograph, mask, *made_up(mask, np.random.default_rng(list(image_id.encode())))


def of_store(cams: Path, manifest: Path, limit: int) -> Iterator[tuple]:
    """The same, with the maps of a store."""
    rows = [row for row in manifests.read(manifest, *manifests.TRAINING_SPLITS) if row.mask]
    with store.read(cams, "cams") as maps:
        values = np.array(maps.classes.mask_values, np.uint8)
        for row in manifests.evenly(rows, limit):
            cells = torch.from_numpy(maps[row.id]["cam"]).float()[None]
            pixels = grid.to_pixels(cells, maps.size(row.id), stride=maps.stride)[0]
            yield row.image, masks.read(row.mask, maps.classes), pixels, values[maps[row.id]["classes"]]


def prepare(found: Iterator[tuple], folder: Path) -> None:
    """Write images as engines take them, for every process to read."""
    for rank, (photograph, mask, maps, classes) in enumerate(found):
        unary = crf.unary_of(cues.with_background(maps, alpha=ALPHA).numpy())
        image = Prepared(unary, pictures.read_photograph(photograph), np.append(np.uint8(BACKGROUND), classes), mask)
        np.savez(folder / f"{rank:06}.npz", **vars(image))


@cache
def prepared(folder: Path) -> list[Prepared]:
    """All images of a folder; a process reads them once."""
    return [Prepared(**np.load(path)) for path in sorted(folder.glob("*.npz"))]
