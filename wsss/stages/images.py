"""The manifest: any data set as one list of images, masks and tags, checked before anything is trained on it."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from wsss import manifest
from wsss.errors import WsssError, refuse
from wsss.labels import VOC_CLASSES, VOID
from wsss.manifest import Classes, Row
from wsss.progress import LOG, track


def images(
    *,
    dataset: Literal["shapes", "voc"],
    root: Path,
    classes: tuple[str, ...],
    tags: Literal["file", "annotations", "npy", "masks"],
    train: str,
    extra: str,
    val: str,
    held_out: int,
    masks: str,
    download: bool,
    shapes_train: int,
    shapes_val: int,
    shapes_size: int,
    shapes_seed: int,
    images: Path,
    classes_table: Path,
) -> None:
    """Write the list of images with their masks and tags, once every file of the data set has been read.

    Args:
        dataset: "voc" reads a folder in the layout of VOC's devkit; "shapes" draws one first.
        root: the data set's folder, the one that holds JPEGImages.
        classes: name=mask_value for each class; without any, all classes of the data set.
        tags: where tags are read: image_labels.txt, Annotations, cls_labels.npy or the masks themselves.
        train: list of the training images whose masks judge the cues.
        extra: list of training images without masks; those of train and val are left out; "" for none.
        val: list of the images for the final scores.
        held_out: so many of train, evenly spaced, are kept from all training, to fit a CRF on (stage crf).
        masks: folder of the masks of val and, where it holds any, of train; "" for none.
        download: fetch VOC 2012 and SBD into the root of "voc", unless they are there.
        shapes_train: number of training images to draw.
        shapes_val: number of held-out images to draw.
        shapes_size: side of a drawn image, in pixels.
        shapes_seed: seed of the drawing.
        images: CSV to write, a row an image.
        classes_table: CSV to write, a row a class.
    """
    from wsss.data import checks, voc

    if dataset == "shapes":
        from wsss.data import shapes

        shapes.write(root, train=shapes_train, val=shapes_val, size=shapes_size, seed=shapes_seed)
        own_classes = shapes.CLASSES
    else:
        own_classes = VOC_CLASSES
        _fetch(root, download)
    table = _classes(classes, own_classes)
    splits, problems = voc.splits(root, train=train, extra=extra, val=val)
    problems += checks.empty_splits(splits.values())
    splits = _with_held_out(splits, held_out)
    found = voc.rows(root, splits, classes=table, masks=masks, tags=tags)

    def rows() -> Iterator[Row]:
        counts, masked = Counter(splits.values()), Counter[str]()
        shows_class = False
        for looked in track(checks.looked_at(found, table), "images", total=len(splits)):
            problems.extend(looked.problems)
            masked[looked.row.split] += looked.row.mask is not None
            shows_class |= looked.shows_class
            yield looked.row
        if masked.total() and not shows_class and not problems:
            problems.append(
                f"no mask in {root / masks} shows a class: give its pixels the class's value; {VOID} is void"
            )
        refuse(list(dict.fromkeys(problems)), f"the data set in {root} cannot be used")
        LOG.info(
            "masks: %s", ", ".join(f"{masked[split]} of {count} {split} images" for split, count in counts.items())
        )

    manifest.write(images, rows())  # one by one: the rows of a large data set take much memory
    manifest.write_classes(classes_table, table)


def _fetch(root: Path, download: bool) -> None:
    if download:
        from wsss.data import download as source

        source.download(root)


def _classes(words: tuple[str, ...], own: tuple[str, ...]) -> Classes:
    """The classes that the words name, or all of the data set's own, which have the mask values 1, 2, ..."""
    if not words:
        return Classes.of({name: value for value, name in enumerate(own, 1)})
    names = ["background"]
    values = [0]
    for word in words:
        name, _, value = word.partition("=")
        if not value.isdecimal():
            raise WsssError(f"classes: {word!r} is not of the form name=mask_value, such as cat=8")
        names.append(name)
        values.append(int(value))
    return Classes(tuple(names), tuple(values))


def _with_held_out(splits: dict[str, str], count: int) -> dict[str, str]:
    """The splits of the images, so many of train in the split held instead."""
    train = [image_id for image_id, split in splits.items() if split == "train"]
    if count and count >= len(train):
        raise WsssError(f"held_out is {count}, but there are only {len(train)} images in train: keep some to train on")
    return splits | dict.fromkeys(manifest.evenly(train, count), "held")
