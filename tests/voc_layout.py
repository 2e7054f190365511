"""A small data set in the layout of VOC's devkit."""

from pathlib import Path

import numpy as np
from PIL import Image
from settings import CLASSES

from wsss.datasets.pictures import write_mask

IDS = {"train": ["2007_000001", "2007_000002"], "val": ["2008_000003"], "more": ["2007_000001", "2009_000004"]}
TAGS = {"2007_000001": "cat", "2007_000002": "dog cat", "2008_000003": "dog", "2009_000004": "cat"}
OPTIONS = dict(
    dataset="voc",
    classes=("cat=8", "dog=12"),
    tags="file",
    table="",
    train="train",
    extra="more",
    val="val",
    test="",
    val_share=0,
    crf_fit_images=0,
    masks="SegmentationClass",
    longest_px=0,
    download=False,
    shapes_train=3,
    shapes_val=2,
    shapes_size=64,
    shapes_seed=1,
)
"""Options of stage images for it, but for the root."""


def layout(root: Path) -> Path:
    """Four images in VOC's layout, 8 x 6 pixels, with masks for train and val and tags in image_labels.txt."""
    for folder in ("JPEGImages", "SegmentationClass", "ImageSets/Segmentation"):
        (root / folder).mkdir(parents=True)
    for name, ids in IDS.items():
        write_list(root, name, *ids)
    for image_id, names in TAGS.items():
        Image.new("RGB", (8, 6), "green").save(root / f"JPEGImages/{image_id}.jpg")
        if image_id not in IDS["more"][1:]:
            write_mask(root / f"SegmentationClass/{image_id}.png", mask_of(names))
    write_tags(root, TAGS)
    return root


def write_list(root: Path, name: str, *lines: str) -> None:
    (root / f"ImageSets/Segmentation/{name}.txt").write_text("\n".join(lines) + "\n")


def write_tags(root: Path, tags: dict[str, str]) -> None:
    (root / "image_labels.txt").write_text("".join(f"{image_id} {names}\n" for image_id, names in tags.items()))


def mask_of(names: str) -> np.ndarray:
    mask = np.zeros((6, 8), np.uint8)
    mask[0, 0] = 255
    for row, name in enumerate(names.split(), 1):
        mask[row] = dict(zip(CLASSES.names, CLASSES.mask_values, strict=True))[name]
    return mask
