"""What folded norms, depthwise gradients, few images at once and the affine jitter gain: a step, a pass, and loading.

    PYTHONPATH=. python benchmarks/training.py

The variants take turns within one run, on made-up images; printed are medians of CPU time and, above 1, how much less
of it than the first variant each one takes. `--help` lists the sizes that can be changed.
"""

from collections.abc import Callable
from unittest import mock

import numpy as np
import torch
import tyro
from timing import median_times
from torch import Tensor

from wsss.networks import convolution, fold
from wsss.networks import network as networks
from wsss.networks.segmenter import Segmenter
from wsss.options.network import Features
from wsss.options.training import Augment
from wsss.training.augment import augmented


def show(title: str, variants: dict[str, Callable[[], object]], repeats: int, *, images: int) -> None:
    """Print a line a variant."""
    times = median_times(variants, repeats)
    first = next(iter(times.values()))
    print(title)
    for name, taken in times.items():
        print(f"  {name:<32} {1000 * taken / images:8.1f} ms an image {first / taken:6.2f} x")


def network(features: Features, *, folded: bool) -> Segmenter:
    """A segmenter of nine classes, whose norms are folded or not."""
    torch.manual_seed(0)
    with mock.patch.object(fold, "install", fold.install if folded else lambda _: None):
        built = Segmenter.build(features, classes=9, dilation=3)
    return built.to(memory_format=torch.channels_last)


def steps(features: Features, images: Tensor) -> dict[str, Callable[[], object]]:
    """A step of training, forward and backward, in four variants."""
    plain, folded = (network(features, folded=folded).train() for folded in (False, True))

    def step(of: Segmenter) -> None:
        of.zero_grad()
        of(images).square().mean().backward()

    def at_once(of: Segmenter) -> None:
        with mock.patch.object(networks, "MOST_PIXELS", images.numel()):
            step(of)

    def with_gradients_of_torch(of: Segmenter) -> None:
        with mock.patch.object(convolution, "_is_slow_backward", lambda *_: False):
            at_once(of)

    return {
        "norms apart": lambda: with_gradients_of_torch(plain),
        "norms folded": lambda: with_gradients_of_torch(folded),
        "and depthwise gradients": lambda: at_once(folded),
        "and few images at once": lambda: step(folded),
    }


def passes(features: Features, images: Tensor) -> dict[str, Callable[[], object]]:
    """A forward pass in use, in two variants."""
    plain, folded = (network(features, folded=folded).eval() for folded in (False, True))

    def run(of: Segmenter) -> None:
        with torch.no_grad():
            of(images)

    return {"norms apart": lambda: run(plain), "norms folded": lambda: run(folded)}


def loading(height: int, width: int, crop_px: int) -> dict[str, Callable[[], object]]:
    """The way from a decoded photograph to a training image, without and with each kind of jitter."""
    rng = np.random.default_rng(0)
    photograph = rng.integers(0, 256, (height, width, 3), np.uint8)
    labels = rng.integers(0, 9, (height, width), np.uint8)

    def load(jitter: float, jitter_by: str) -> None:
        augment = Augment(resize_px=(224, 448), flip=True, jitter=jitter, jitter_by=jitter_by, crop_px=crop_px)
        augmented(photograph, labels, augment=augment, cell_px=1, fill=(0.5, 0.5, 0.5))

    return {
        "jitter by hsv": lambda: load(0.3, "hsv"),
        "affine": lambda: load(0.3, "affine"),
        "none": lambda: load(0, "hsv"),
    }


def main(
    backbone: str = "timm/tf_efficientnet_lite0",
    stride: int = 16,
    batch_size: int = 8,
    crop_px: int = 256,
    height: int = 320,
    width: int = 240,
    repeats: int = 7,
    threads: int = 1,
) -> None:
    """Print the three tables."""
    torch.set_num_threads(threads)
    features = Features(backbone=backbone, stride=stride, weights="none", freeze=True)
    generator = torch.Generator().manual_seed(0)
    crops = torch.rand(batch_size, 3, crop_px, crop_px, generator=generator).to(memory_format=torch.channels_last)
    pair = torch.rand(2, 3, height, width, generator=generator).to(memory_format=torch.channels_last)
    print(f"{backbone}, stride {stride}, {threads} threads")
    show(f"step of {batch_size} x {crop_px} px", steps(features, crops), repeats, images=batch_size)
    show(f"forward of 2 x {height} x {width} px", passes(features, pair), 5 * repeats, images=2)
    show(f"loading of a crop of {crop_px} px", loading(height, width, crop_px), 20 * repeats, images=1)


if __name__ == "__main__":
    tyro.cli(main)
