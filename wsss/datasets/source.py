"""Any data set as rows of the manifest: which images there are, in which split, with which tags; none is opened."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from wsss.datasets import coco, folder, manifest, shapes, voc
from wsss.datasets.manifest import Classes, Row
from wsss.labels import VOC_CLASSES
from wsss.runtime.errors import WsssError


@dataclass(frozen=True)
class Source:
    """A data set.

    Attributes:
        classes: its classes.
        splits: the split of each image id.
        rows: the rows of the manifest, each with the problem of its tags or None.
        problems: what is wrong with lists and tables, one line each.
    """

    classes: Classes
    splits: dict[str, str]
    rows: Iterator[tuple[Row, str | None]]
    problems: list[str]


def read(
    *,
    dataset: Literal["shapes", "voc", "folder", "coco"],
    root: Path,
    classes: tuple[str, ...],
    tags: Literal["file", "annotations", "npy", "masks"],
    table: str,
    train: str,
    extra: str,
    val: str,
    test: str,
    val_share: float,
    crf_fit_images: int,
    masks: str,
    drawn: Path,
) -> Source:
    """Read the lists, tables and tags of a data set; see stage images for the options.

    Args:
        drawn: folder for masks that are drawn of outlines.

    Raises:
        WsssError: the data set, a list of it or the source of its tags is missing or cannot be read.
    """
    lists = {"train": train, "extra": extra, "val": val, "test": test}
    if dataset == "folder":
        photographs = folder.read(root, table=table, masks=masks)
        splits, problems = folder.splits(photographs, **lists, val_share=val_share)
        splits = _with_crf_fit(splits, crf_fit_images)
        of_classes = _classes(classes, photographs.classes)
        rows = folder.rows(photographs, splits, classes=of_classes, masks=masks)
        return Source(of_classes, splits, rows, problems + photographs.problems)
    if dataset == "coco":
        found = coco.read(root, **lists, masks=masks, tags=tags)
        splits = _with_crf_fit(found.splits, crf_fit_images)
        of_classes = _classes(classes, found.classes)
        return Source(
            of_classes, splits, coco.rows(found, splits, classes=of_classes, masks=masks, drawn=drawn), found.problems
        )
    splits, problems = voc.splits(root, **lists)
    splits = _with_crf_fit(splits, crf_fit_images)
    of_classes = _classes(classes, shapes.CLASSES if dataset == "shapes" else VOC_CLASSES)
    return Source(of_classes, splits, voc.rows(root, splits, classes=of_classes, masks=masks, tags=tags), problems)


def _classes(definitions: tuple[str, ...], defaults: tuple[str, ...]) -> Classes:
    """The classes of name=mask_value definitions; without any, the default classes with mask values 1, 2, ..."""
    if not definitions:
        return Classes.of({name: value for value, name in enumerate(defaults, 1)})
    names = ["background"]
    values = [0]
    for definition in definitions:
        name, _, value = definition.rpartition("=")
        if not value.isdecimal():
            raise WsssError(f"classes: {definition!r} is not of the form name=mask_value, such as cat=8")
        names.append(name)
        values.append(int(value))
    return Classes(tuple(names), tuple(values))


def _with_crf_fit(splits: dict[str, str], count: int) -> dict[str, str]:
    """The split of each image, with `count` images of train moved to the split crf_fit."""
    train = [image_id for image_id, split in splits.items() if split == "train"]
    if count and count >= len(train):
        raise WsssError(
            f"crf_fit_images is {count}, but there are only {len(train)} images in train: leave some to train on"
        )
    return splits | dict.fromkeys(manifest.evenly(train, count), "crf_fit")
