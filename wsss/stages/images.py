"""The manifest: any data set as one list of images, masks and tags, checked before training."""

from pathlib import Path
from typing import Literal

from wsss.datasets import manifest
from wsss.datasets.manifest import Classes
from wsss.labels import VOC_CLASSES
from wsss.runtime.errors import WsssError, refuse
from wsss.runtime.progress import LOG, track


def images(
    *,
    dataset: Literal["shapes", "voc"],
    root: Path,
    classes: tuple[str, ...],
    tags: Literal["file", "annotations", "npy", "masks"],
    train: str,
    extra: str,
    val: str,
    crf_fit_images: int,
    masks: str,
    download: bool,
    shapes_train: int,
    shapes_val: int,
    shapes_size: int,
    shapes_seed: int,
    images: Path,
    classes_table: Path,
) -> None:
    """Check every file of the data set, and write the list of images with their masks and tags.

    Args:
        dataset: "voc" reads a folder in the layout of VOC's devkit; "shapes" draws one first.
        root: the data set's folder, the one that holds JPEGImages.
        classes: name=mask_value for each class; if none is given, all classes of the data set.
        tags: source of the tags: image_labels.txt (file), Annotations, cls_labels.npy or the masks themselves.
        train: list of the training images; their masks, if any, serve to score the cues.
        extra: list of more training images, without masks; those of train and val are left out; "" for none.
        val: list of the images for the final scores.
        crf_fit_images: number of images of train, evenly spaced, that are withheld from network training, to fit a CRF
            (stage crf).
        masks: folder of the masks of val and, if there are any, of train; "" for none.
        download: download VOC 2012 and SBD into the root, unless they are there; for "voc" only.
        shapes_train: number of training images to draw.
        shapes_val: number of val images to draw.
        shapes_size: side of a drawn image, in pixels.
        shapes_seed: random seed of the drawn images.
        images: CSV to write, one row for each image.
        classes_table: CSV to write, one row for each class.
    """
    from wsss.datasets import checks, voc

    if dataset == "shapes":
        from wsss.datasets import shapes

        shapes.write(root, train=shapes_train, val=shapes_val, size=shapes_size, seed=shapes_seed)
        own_classes = shapes.CLASSES
    else:
        own_classes = VOC_CLASSES
        _fetch(root, download)
    table = _classes(classes, own_classes)
    splits, problems = voc.splits(root, train=train, extra=extra, val=val)
    problems += checks.empty_splits(splits.values())
    splits = _with_crf_fit(splits, crf_fit_images)
    rows = voc.rows(root, splits, classes=table, masks=masks, tags=tags)
    findings = checks.Findings(problems)
    with manifest.writer(images) as write:
        # one by one: the rows of a large data set take much memory
        for row in track(checks.checked(rows, table), "images", total=len(splits)):
            findings.add(row)
            write(row.row)
        refuse(findings.problems(root / masks), f"the data set in {root} cannot be used")
    manifest.write_classes(classes_table, table)
    LOG.info("masks: %s", findings.mask_summary(splits))


def _fetch(root: Path, download: bool) -> None:
    if download:
        from wsss.datasets import download as source

        source.download(root)


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
