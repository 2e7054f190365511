"""Bytes that an image takes in each kind of store, and in all of them together, beside the limit of 0.5 MB.

    PYTHONPATH=. python benchmarks/stores.py

`--help` lists the sizes that can be changed. The images are of VOC's usual size; their maps are made up: a few smooth
blobs with noise for activation maps, the softmax of smooth logits for scores, and the largest of smooth maps, with a
seam of void for affinity labels, for label maps. The first image's file is subtracted, so that what a file holds once
is not counted.
"""

import tempfile
from pathlib import Path

import numpy as np
import tyro
from scipy.ndimage import gaussian_filter

from wsss.labels import VOC_CLASSES, Classes
from wsss.stores import store

LIMIT = 500_000
"""Bytes an image, in all stores of a run."""

VOC = Classes.of({name: value for value, name in enumerate(VOC_CLASSES, 1)})


def smooth(rng: np.random.Generator, *shape: int, sigma: float) -> np.ndarray:
    """Random maps with blobs of about `sigma` cells, each in [0, 1]."""
    maps = gaussian_filter(rng.standard_normal(shape), (0,) * (len(shape) - 2) + (sigma, sigma))
    low, high = maps.min((-2, -1), keepdims=True), maps.max((-2, -1), keepdims=True)
    return (maps - low) / (high - low)


def cam(rng: np.random.Generator, size: tuple[int, int], *, noise: float) -> dict[str, np.ndarray]:
    """Activation maps of two classes, on a grid of stride 4: zero outside of the blobs, as ReLU leaves it."""
    maps = smooth(rng, 2, -(-size[0] // 4), -(-size[1] // 4), sigma=8)
    maps = np.maximum(2 * maps - 1 + noise * rng.standard_normal(maps.shape), 0)
    maps /= maps.max((-2, -1), keepdims=True)
    return {"cam": maps.astype(np.float16), "classes": np.array([8, 15], np.uint8)}


def scores(rng: np.random.Generator, size: tuple[int, int], *, noise: float) -> dict[str, np.ndarray]:
    """Probabilities of all classes, on a grid of stride 8."""
    logits = 12 * smooth(rng, 21, -(-size[0] // 8), -(-size[1] // 8), sigma=5)
    logits += 12 * noise * rng.standard_normal(logits.shape)
    exponentials = np.exp(logits - logits.max(0))
    return {"scores": (exponentials / exponentials.sum(0)).astype(np.float16)}


def labels(rng: np.random.Generator, size: tuple[int, int], *, noise: float) -> np.ndarray:
    """A label map of background and two classes."""
    maps = smooth(rng, 3, *size, sigma=max(size) / 16)
    ragged = gaussian_filter(rng.standard_normal(maps.shape), (0, 1, 1))
    return np.array([0, 8, 15], np.uint8)[(maps + noise * ragged).argmax(0)]


def affinity_labels(rng: np.random.Generator, size: tuple[int, int], *, noise: float) -> dict[str, np.ndarray]:
    """A label map on a grid of stride 4, void where two draws of it differ."""
    grid = (-(-size[0] // 4), -(-size[1] // 4))
    first = labels(rng, grid, noise=noise)
    moved = np.roll(first, 3, axis=(0, 1))
    return {"labels": np.where(first == moved, first, 255).astype(np.uint8)}


def both_labels(rng: np.random.Generator, size: tuple[int, int], *, noise: float) -> dict[str, np.ndarray]:
    """Label maps at the image's size, before and after a CRF."""
    return {"plain": labels(rng, size, noise=noise), "refined": labels(rng, size, noise=noise)}


def saliency(rng: np.random.Generator, size: tuple[int, int], *, noise: float) -> dict[str, np.ndarray]:
    """A saliency map on a grid of stride 4."""
    maps = smooth(rng, -(-size[0] // 4), -(-size[1] // 4), sigma=4) ** 4
    return {"saliency": (maps + noise * rng.random(maps.shape)).astype(np.float16)}


def seeds(rng: np.random.Generator, size: tuple[int, int], *, noise: float) -> dict[str, np.ndarray]:
    """Seeds on 41 x 41 cells."""
    return affinity_labels(rng, (164, 164), noise=noise)


MAKERS = {
    "cams": cam,
    "affinity_labels": affinity_labels,
    "saliency": saliency,
    "seeds": seeds,
    "scores": scores,
    "pseudo_masks": both_labels,
    "masks": both_labels,
}


def bytes_of(path: Path, kind: str, images: int, size: tuple[int, int], noise: float) -> int:
    """Size of a store of this many images, the same ones at each call."""
    rng = np.random.default_rng(0)
    with store.create(path, kind, classes=VOC, settings={}, inputs={}) as target:
        for number in range(images):
            target.add(f"2007_{number:06}", size, **MAKERS[kind](rng, size, noise=noise))
    return path.stat().st_size


def main(height: int = 375, width: int = 500, images: int = 10, noise: float = 0.02) -> None:
    """Print bytes an image, store by store."""
    total = 0
    print(f"{height} x {width} px, {images} images, noise {noise:g}")
    with tempfile.TemporaryDirectory() as folder:
        for kind in MAKERS:
            path = Path(folder) / f"{kind}.h5"
            once = bytes_of(path, kind, 1, (height, width), noise)
            each = (bytes_of(path, kind, images + 1, (height, width), noise) - once) // images
            total += each
            print(f"{kind:<16} {each:9,} bytes an image")
    print(f"{'together':<16} {total:9,} bytes an image; the limit is {LIMIT:,}: {total / LIMIT:.0%} of it")


if __name__ == "__main__":
    tyro.cli(main)
