"""Any data set as rows of the manifest: which images there are, in which split, with which tags; none is opened."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from wsss.datasets import checks, coco, download, folder, manifest, shapes, voc
from wsss.datasets.manifest import Classes, Row
from wsss.labels import VOC_CLASSES, VOID
from wsss.options.data_set import DataSet
from wsss.runtime.errors import WsssError
from wsss.runtime.progress import LOG


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


def make(data_set: DataSet) -> None:
    """Draw or download a data set where that is asked for; what is there already stays."""
    if data_set.dataset == "shapes":
        sizes = {"train": data_set.shapes_train, "val": data_set.shapes_val, "size": data_set.shapes_size}
        shapes.write(data_set.root, **sizes, seed=data_set.shapes_seed)
    elif data_set.dataset == "voc" and data_set.download:
        download.download(data_set.root)


def read(data_set: DataSet, *, drawn: Path) -> Source:
    """Read the lists, tables and tags of a data set.

    Args:
        data_set: which.
        drawn: folder for masks that are drawn of outlines.

    Raises:
        WsssError: the data set, a list of it or the source of its tags is missing or cannot be read.
    """
    lists = {"train": data_set.train, "extra": data_set.extra, "val": data_set.val, "test": data_set.test}
    if data_set.dataset == "folder":
        photographs = folder.read(data_set.root, table=data_set.table, masks=data_set.masks)
        of_val = {"val_share": data_set.val_share, "masks": data_set.masks}
        splits, problems = folder.splits(photographs, **lists, **of_val)
        splits = _with_crf_fit(splits, data_set.crf_fit_images)
        of_classes = _classes(data_set.classes, photographs.classes, data_set.root / data_set.table)
        rows = folder.rows(photographs, splits, classes=of_classes, masks=data_set.masks)
        problems += photographs.problems
        if data_set.masks:
            problems += folder.mask_problems(photographs, data_set.masks)
            for warning in folder.strange_masks(photographs, data_set.masks):
                LOG.warning("images: %s", warning)
    elif data_set.dataset == "coco":
        found = coco.read(data_set.root, **lists, masks=data_set.masks, tags=data_set.tags)
        splits, problems = _with_crf_fit(found.splits, data_set.crf_fit_images), found.problems
        of_classes = _classes(data_set.classes, found.classes, data_set.root)
        rows = coco.rows(found, splits, classes=of_classes, masks=data_set.masks, drawn=drawn)
    else:
        splits, problems = voc.splits(data_set.root, **lists)
        splits = _with_crf_fit(splits, data_set.crf_fit_images)
        known = shapes.CLASSES if data_set.dataset == "shapes" else VOC_CLASSES
        of_classes = _classes(data_set.classes, known, data_set.root)
        rows = voc.rows(data_set.root, splits, classes=of_classes, masks=data_set.masks, tags=data_set.tags)
    required = ["train", *(["val"] if data_set.val or data_set.val_share else []), *(["test"] if data_set.test else [])]
    return Source(of_classes, splits, rows, problems + checks.empty_splits(splits.values(), required))


def _classes(definitions: tuple[str, ...], found: tuple[str, ...], place: Path) -> Classes:
    """The classes of name=mask_value definitions; without any, those found in a place, with mask values 1, 2, ..."""
    if not definitions:
        if len(found) >= VOID:
            raise WsssError(
                f"{place} has {len(found)} classes, at most {VOID - 1} can be told apart: name some in classes"
            )
        try:
            return Classes.of({name: value for value, name in enumerate(found, 1)})
        except WsssError as error:
            raise WsssError(f"{place}: {error}: correct it there, or name those that are used in classes") from error
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
