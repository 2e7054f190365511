"""A run's masks of three photographs, to be exported."""

import numpy as np
from PIL import Image

from wsss.datasets import manifest
from wsss.labels import VOID
from wsss.stores import store

IDS = ("a", "day 2/Föto (3)", "猫/é [1]")
SIZE = (24, 31)


def label_map(seed, *, void=True):
    """Blobs of all labels, with holes in them and single pixels."""
    rng = np.random.default_rng(seed)
    coarse = rng.choice([0, 1, 2, VOID if void else 0], (6, 8), p=[0.4, 0.3, 0.2, 0.1]).astype(np.uint8)
    labels = coarse.repeat(4, 0).repeat(4, 1)[: SIZE[0], : SIZE[1]]
    noise = rng.random(SIZE) < 0.05
    return np.where(noise, rng.integers(0, 3, SIZE), labels).astype(np.uint8)


def masks(folder, classes, *, void=True):
    rows, content = [], {}
    with store.create(folder / "results/masks.h5", "masks", classes=classes, settings={}, inputs={}) as target:
        for seed, image_id in enumerate(IDS):
            file = folder / "photographs" / f"{image_id}.JPG"
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", SIZE[::-1], (200, 100, 50)).save(file, format="JPEG", quality=100)
            rows.append(manifest.Row(image_id, "val", file, None, (), "test"))
            content[image_id] = label_map(seed, void=void)
            target.add(image_id, SIZE, plain=content[image_id])
    manifest.write(folder / "results/images.csv", rows)
    return folder / "results/masks.h5", content
