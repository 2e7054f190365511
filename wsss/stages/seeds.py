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
    """Write where each training image surely shows one of its classes, and where surely background.

    Args:
        images: manifest; the splits train and extra are gone over.
        cams: store of activation maps.
        saliency: store of saliency maps.
        shard: the part of the images to do, such as 2-of-3.
        seeds: store to write.
        threshold: a class is sure where its map exceeds this share of its maximum.
        background_share: this share of the cells, the least salient ones, is surely background.
        cells: side of the grid, which is square whatever the image's shape: the segmenter's, whose images are warped.
    """
    import torch

    from wsss import grid, manifest, store
    from wsss import seeds as rules
    from wsss.progress import track

    rows = manifest.part(manifest.read(images, *manifest.TRAINING_SPLITS), shard)

    def warped(source: store.Reader, row: manifest.Row, name: str) -> torch.Tensor:
        maps = torch.from_numpy(source[row.id][name]).float()
        maps = maps.reshape(1, -1, *maps.shape[-2:])  # a saliency map has no channels
        whole = grid.to_pixels(maps, source.size(row.id), stride=source.stride)
        return torch.nn.functional.interpolate(whole, (cells, cells), mode="bilinear", antialias=True)[0]

    settings = {"threshold": threshold, "background_share": background_share, "cells": cells}
    inputs = {"images": images, "cams": cams, "saliency": saliency}
    with (
        store.read(cams, "cams") as maps,
        store.read(saliency, "saliency") as salient,
        store.create(seeds, "seeds", classes=maps.classes, settings=settings, inputs=inputs) as target,
    ):
        for row in track(rows, "seeds", total=len(rows)):
            foreground = rules.foreground_seeds(warped(maps, row, "cam"), threshold=threshold)
            background = rules.least_salient(warped(salient, row, "saliency")[0], share=background_share)
            classes = torch.from_numpy(maps[row.id]["classes"])
            target.add(row.id, maps.size(row.id), labels=rules.settle(foreground, background, classes).numpy())
