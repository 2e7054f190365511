from pathlib import Path


def seeds(
    *,
    images: Path,
    cams: Path,
    saliency: Path,
    shard: str,
    seeds: Path,
    threshold: float,
    background_share: float,
    cells: int,
) -> None:
    """Write seeds of each training image: cells with a confident class or confident background.

    Args:
        images: manifest; the splits train and extra are processed.
        cams: store of activation maps.
        saliency: store of saliency maps.
        shard: part of the images to process, such as 2-of-3.
        seeds: store to write.
        threshold: a cell is a seed of a class if its map exceeds this share of the map's maximum.
        background_share: share of the cells, the least salient ones, that are seeds of the background.
        cells: side of the grid, in cells; it is square whatever the image's shape, as the segmenter warps images.
    """
    import torch

    from wsss.datasets import manifest
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

    settings = {"threshold": threshold, "background_share": background_share, "cells": cells}
    inputs = {"images": images, "cams": cams, "saliency": saliency}
    with (
        store.read(cams, "cams") as maps,
        store.read(saliency, "saliency") as salient,
        store.create(seeds, "seeds", classes=maps.classes, settings=settings, inputs=inputs) as target,
    ):
        manifest.require_classes(rows, maps.classes, cams)
        for row in track(rows, "seeds", total=len(rows)):
            size = maps.size(row.id)
            foreground = rules.foreground_seeds(warped(maps, row, "cam", size), threshold=threshold)
            background = rules.least_salient(warped(salient, row, "saliency", size)[0], share=background_share)
            classes = torch.from_numpy(maps[row.id]["classes"])
            target.add(row.id, size, labels=rules.resolve_overlaps(foreground, background, classes).numpy())
