from pathlib import Path
from typing import Literal


def seeds(
    *,
    images: Path,
    cams: Path,
    confident: Path,
    shard: str,
    seeds: Path,
    source: Literal["saliency", "affinity_labels"],
    threshold: float,
    background_share: float,
    least_share: float,
    cells: int,
) -> None:
    """Write seeds of each training image: cells with a confident class or confident background.

    They come from activation maps and saliency, as in SEC, or from the label maps that AffinityNet learns from, which a
    CRF has refined.

    Args:
        images: manifest; the splits train and extra are processed.
        cams: store of activation maps.
        confident: store of what the source names: saliency maps, or label maps, void where they are not confident.
        shard: part of the images to process, such as 2-of-3.
        seeds: store to write.
        source: what seeds come from: saliency, beside the activation maps, or affinity_labels.
        threshold: saliency: a cell is a seed of a class if its map exceeds this share of the map's maximum.
        background_share: saliency: share of the cells, the least salient ones, that are seeds of the background.
        least_share: affinity_labels: share of a cell's pixels above which their label is the seed of the cell.
        cells: side of the grid, in cells; it is square whatever the image's shape, as the segmenter warps images.
    """
    import torch

    from wsss.datasets import manifest, pictures
    from wsss.maths import grid
    from wsss.runtime.progress import track
    from wsss.sec import seeds as rules
    from wsss.stores import store

    rows = manifest.part(manifest.read(images, *manifest.TRAINING_SPLITS), shard)

    def warped(source: store.Reader, row: manifest.Row, name: str, size: tuple[int, int]) -> torch.Tensor:
        maps = torch.from_numpy(source.fitting(row.id, size)[name]).float()
        maps = maps.reshape(1, -1, *maps.shape[-2:])  # a saliency map has no channel axis
        upsampled = grid.to_pixels(maps, size, stride=source.stride)
        return torch.nn.functional.interpolate(upsampled, (cells, cells), mode="bilinear", antialias=True)[0]

    def by_saliency(row: manifest.Row, size: tuple[int, int]) -> torch.Tensor:
        foreground = rules.foreground_seeds(warped(maps, row, "cam", size), threshold=threshold)
        background = rules.least_salient(warped(given, row, "saliency", size)[0], share=background_share)
        return rules.resolve_overlaps(foreground, background, torch.from_numpy(maps[row.id]["classes"]))

    def by_labels(row: manifest.Row, size: tuple[int, int]) -> torch.Tensor:
        labels = pictures.enlarged(given.fitting(row.id, size)["labels"], size, stride=given.stride)
        return rules.of_labels(torch.from_numpy(labels), cells=cells, share=least_share)

    of_source = {
        "saliency": (by_saliency, {"threshold": threshold, "background_share": background_share}),
        "affinity_labels": (by_labels, {"least_share": least_share}),
    }
    label, numbers = of_source[source]
    settings = {"source": source, **numbers, "cells": cells}
    inputs = {"images": images, "cams": cams, source: confident}
    with (
        store.read(cams, "cams") as maps,
        store.read(confident, source) as given,
        store.create(seeds, "seeds", classes=maps.classes, settings=settings, inputs=inputs) as target,
    ):
        manifest.require_classes(rows, maps.classes, cams)
        for row in track(rows, "seeds", total=len(rows)):
            size = maps.size(row.id)
            target.add(row.id, size, labels=label(row, size).numpy())
