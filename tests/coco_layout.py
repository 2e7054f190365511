"""Small data sets in COCO's layout: photographs of one colour, and annotations of rectangles."""

import json
from pathlib import Path

import numpy as np
from PIL import Image

from wsss.datasets.coco import COCO_CLASSES

SIZE = (12, 16)
"""(height, width) of the images, px."""

NUMBERS = [number for number in range(1, 91) if number not in (12, 26, 29, 30, 45, 66, 68, 69, 71, 83)]
"""COCO's numbers of its 80 categories, with their gaps."""


def file_name(split: str, image_id: int) -> str:
    """As in COCO 2014; in 2017 it is the digits alone."""
    start = f"COCO_{split}_" if split.endswith("2014") else ""
    return f"{start}{image_id:012}.jpg"


def photograph(path: Path, size: tuple[int, int] = SIZE) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size[::-1], "green").save(path)


def rectangle(top: int, left: int, height: int, width: int) -> list[list[float]]:
    """A polygon around a rectangle of pixels."""
    bottom, right = top + height, left + width
    return [[left, top, right, top, right, bottom, left, bottom]]


def code(mask: np.ndarray) -> dict:
    """The run-length code of a mask as COCO writes that of a crowd: lengths by turns of 0 and 1, column by column."""
    values = mask.T.ravel()
    ends = np.flatnonzero(np.diff(values)) + 1
    lengths = np.diff([0, *ends, len(values)]).tolist()
    return {"counts": [0, *lengths] if values[0] else lengths, "size": list(mask.shape)}


def annotation(image_id: int, category: int, segmentation: object, *, crowd: bool = False) -> dict:
    return {
        "image_id": image_id,
        "category_id": category,
        "segmentation": segmentation,
        "iscrowd": int(crowd),
        "bbox": [0, 0, 2, 2],
    }


def write(
    root: Path,
    split: str,
    images: dict[int, list[dict]],
    *,
    missing: tuple[int, ...] = (),
    size: tuple[int, int] = SIZE,
) -> Path:
    """Photographs and instances_SPLIT.json of images with their annotations; the photographs of some are left out."""
    folder = root / split
    folder.mkdir(parents=True, exist_ok=True)
    (root / "annotations").mkdir(exist_ok=True)
    for image_id in set(images) - set(missing):
        photograph(folder / file_name(split, image_id), size)
    numbered = zip(NUMBERS, COCO_CLASSES, strict=True)
    content = {
        "categories": [{"id": number, "name": name} for number, name in numbered],
        "images": [
            {"id": image_id, "file_name": file_name(split, image_id), "height": size[0], "width": size[1]}
            for image_id in images
        ],
        "annotations": [{"id": n, **one} for n, one in enumerate(sum(images.values(), []), 1)],
    }
    path = root / "annotations" / f"instances_{split}.json"
    path.write_text(json.dumps(content))
    return path
