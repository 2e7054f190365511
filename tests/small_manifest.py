"""A manifest of grey images, and the colours of pictures that are drawn of them."""

from pathlib import Path

import numpy as np
from PIL import Image
from settings import CLASSES

from wsss.datasets import manifest
from wsss.datasets.pictures import read_photograph


def write_manifest(folder: Path, ids: tuple[str, ...] = ("a",)) -> Path:
    """A manifest of grey images, 12 x 16 pixels, and the classes beside it."""
    rows = []
    for image_id in ids:
        Image.new("RGB", (16, 12), "grey").save(folder / f"{image_id}.png")
        rows.append(manifest.Row(image_id, "train", folder / f"{image_id}.png", None, ("dog",), "test"))
    manifest.write(folder / "images.csv", rows)
    manifest.write_classes(folder / "classes.csv", CLASSES)
    return folder / "images.csv"


def colours(path: Path) -> set[tuple[int, ...]]:
    return {tuple(colour) for colour in np.unique(read_photograph(path).reshape(-1, 3), axis=0).tolist()}
