from pathlib import Path

from wsss.options.cams import Spread
from wsss.options.flat import recorded


def cams(
    *,
    images: Path,
    classifier: Path,
    shard: str,
    cams: Path,
    scales: tuple[float, ...],
    gamma: float,
    stride: int,
    spread: Spread,
) -> None:
    """Write the class activation maps of each training image, for the classes in its tags.

    Args:
        images: manifest; the splits train, extra and crf_fit are processed.
        classifier: the network whose maps are written.
        shard: part of the images to process, such as 2-of-3.
        cams: store to write.
        scales: resize factors of the image whose maps are averaged, each with its mirror image.
        gamma: exponent of the activations before they are averaged; PSA uses 0.5 for vgg16 and 1 for other backbones.
        stride: input pixels for each cell of the stored maps.
        spread: how the maps spread among cells that look alike.
    """
    import numpy as np
    import torch

    from wsss.datasets import batches, manifest
    from wsss.maths import cam, correlation, grid
    from wsss.maths.photographs import at_cells, to_tensor
    from wsss.networks import file
    from wsss.networks.classifier import Classifier
    from wsss.runtime import machine
    from wsss.runtime.progress import track
    from wsss.stores import store

    listed = manifest.read(images, *manifest.CUE_SPLITS)
    rows = manifest.part(listed, shard)
    network, about = file.load(classifier, Classifier)
    manifest.require_classes(rows, about.classes, classifier)
    network.to(machine.device())

    def maps_of(photographs: np.ndarray) -> torch.Tensor:
        images = to_tensor(photographs, machine.device())
        maps = cam.multi_scale(
            lambda copies: network.maps(copies) ** gamma,
            images,
            scales=scales,
            network_stride=network.backbone.stride,
            stride=stride,
            fill=network.backbone.mean,
        )
        return spread_of(maps, images) if spread.steps else maps

    def spread_of(maps: torch.Tensor, images: torch.Tensor) -> torch.Tensor:
        whole = grid.padded(images, stride, fill=network.backbone.mean)
        size = tuple(maps.shape[2:])
        features, colours = network.features_at(whole, size), at_cells(whole, size)
        return correlation.spread(
            maps, features, colours, steps=spread.steps, deviation=spread.features, rgb=spread.rgb
        )

    settings = recorded({"scales": scales, "gamma": gamma, "stride": stride}, spread=spread)
    inputs = {"images": images, "classifier": classifier}
    with (
        torch.inference_mode(),
        store.create(cams, "cams", classes=about.classes, settings=settings, inputs=inputs) as target,
    ):
        found = batches.of_each(maps_of, listed, shard, scales=scales)
        for row, photograph, maps in track(found, "cams", total=len(rows)):
            present = np.array([about.classes.names.index(name) for name in row.tags], dtype=np.uint8)
            seen = cam.normalised(maps[present.astype(int) - 1])
            target.add(row.id, photograph.shape[:2], cam=seen.half().cpu().numpy(), classes=present)
