"""Rows of gpu.py: activation maps and scores, of images alone and together, training steps, and loading."""

import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import lru_cache, partial
from pathlib import Path

import numpy as np
import torch
from gpu_rows import CLASSES, Bench, Found, Line
from lightning_fabric import Fabric
from lightning_fabric.plugins.environments import LightningEnvironment
from limits import of_convolutions
from timing import median_seconds

from wsss.datasets import manifest, pictures, shapes
from wsss.datasets.manifest import Row
from wsss.maths import cam
from wsss.maths.photographs import to_tensor
from wsss.networks.classifier import Classifier
from wsss.networks.network import Network
from wsss.networks.segmenter import Segmenter
from wsss.options.network import Features
from wsss.options.training import Augment, Schedule
from wsss.runtime import machine
from wsss.training import loop
from wsss.training.augment import augmented_photograph

STRIDES = {"timm/tf_efficientnet_lite0": 16, "timm/resnet50": 16, "vgg16": 8, "resnet38": 8}
"""Of each backbone."""


@lru_cache(maxsize=1)
def classifier(backbone: str) -> Classifier:
    """A classifier with random weights, the last one asked for."""
    torch.manual_seed(0)
    return Classifier.build(Features(backbone, STRIDES[backbone], "none", True), classes=CLASSES)


@lru_cache(maxsize=1)
def segmenter(backbone: str) -> Segmenter:
    """A segmenter with random weights, the last one asked for."""
    torch.manual_seed(0)
    return Segmenter.build(Features(backbone, STRIDES[backbone], "none", True), classes=CLASSES, dilation=2)


def photographs_of(bench: Bench, count: int) -> np.ndarray:
    """Photographs of noise."""
    return np.random.default_rng(0).integers(0, 256, (count, *bench.sizes.photograph, 3), np.uint8)


def maps_found(bench: Bench, backbone: str, precision: str, count: int) -> Found:
    """Activation maps of so many images together, as stage cams makes them."""
    network = classifier(backbone).eval().to(bench.device, memory_format=torch.channels_last)
    photographs = photographs_of(bench, count)
    numbers = {"network_stride": network.backbone.stride, "fill": network.backbone.mean}

    def run() -> list[np.ndarray]:
        mixed = torch.autocast(bench.device, torch.bfloat16) if precision == "bf16-mixed" else machine.exact()
        with torch.inference_mode(), mixed:
            images = to_tensor(photographs, bench.device)
            maps = cam.multi_scale(network.maps, images, scales=bench.sizes.scales, stride=4, **numbers)
            return [cam.normalised(of_image).half().cpu().numpy() for of_image in maps]

    return together_found(bench, network, count, run)


def scores_found(bench: Bench, backbone: str, count: int) -> Found:
    """Probabilities of so many images together, at one scale, as stage scores makes them."""
    network = segmenter(backbone).eval().to(bench.device, memory_format=torch.channels_last)
    photographs = photographs_of(bench, count)
    about = {"network_stride": network.backbone.stride, "stride": network.stride, "fill": network.backbone.mean}

    def run() -> np.ndarray:
        with torch.inference_mode(), machine.exact():
            images = to_tensor(photographs, bench.device)
            maps = cam.multi_scale(lambda copies: network(copies).softmax(1), images, scales=(1.0,), **about)
            return maps.half().cpu().numpy()

    return together_found(bench, network, count, run)


def together_found(bench: Bench, network: Network, count: int, run: Callable[[], object]) -> Found:
    """Images a second; the limit is that of the convolutions, in the precision that they have in a call."""
    with machine.exact():
        work = of_convolutions(network, run, bench.limits)
    return Found.rate(count, bench.seconds(run), bench.limits.least(work))


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
    for backbone in sizes.backbones:
        stride = STRIDES[backbone]
        for precision, count in (("32-true", 1), ("32-true", sizes.together), ("bf16-mixed", 1)):
            words = f"CAMs, {backbone}, stride {stride}, {precision}, {count} of {width} × {height} px,"
            yield f"{words} {len(sizes.scales)} scales", "", partial(maps_found, bench, backbone, precision, count)
        for precision in ("32-true", "bf16-mixed"):
            words = f"step, {backbone}, stride {stride}, {precision}, {sizes.batch_size} of {sizes.crop_px} px"
            yield words, "", partial(step_found, bench, backbone, precision)


def scores_lines(bench: Bench) -> Iterator[Line]:
    """Scores of each network, of images alone and together."""
    height, width = bench.sizes.photograph
    for backbone in bench.sizes.backbones:
        stride = STRIDES[backbone]
        for count in (1, bench.sizes.together):
            words = f"scores, {backbone}, stride {stride}, 32-true, {count} of {width} × {height} px, 1 scale"
            yield words, "", partial(scores_found, bench, backbone, count)


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
