"""The manifest: any data set as one list of images, masks and tags, checked before training."""

from collections import Counter
from pathlib import Path
from typing import Literal

from wsss.datasets import manifest
from wsss.datasets.manifest import Classes
from wsss.labels import VOC_CLASSES
from wsss.runtime.errors import WsssError, refuse
from wsss.runtime.progress import LOG, track


def images(
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
    longest_px: int,
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
        dataset: "voc" reads a folder in the layout of VOC's devkit; "shapes" draws one first; "folder" reads
            photographs and a table of their tags, "coco" photographs and COCO's annotations.
        root: the data set's folder; of "voc", the one that holds JPEGImages.
        classes: name=mask_value for each class; if none is given, all classes of the data set.
        tags: source of the tags: image_labels.txt (file), Annotations, cls_labels.npy or the masks themselves; for
            "coco" annotations or npy.
        table: for "folder", the table of the tags, CSV or TSV; "" where there is a folder for each class.
        train: list of the training images; their masks, if any, serve to score the cues. For "folder" a text file of
            names, or "" for all photographs with tags that are in no other list; for "coco" a list is a folder of
            photographs, such as train2014.
        extra: list of more training images, without masks; those of train and val are left out; "" for none.
        val: list of the images for the final scores; "" for none.
        test: list of images without tags and masks, which are segmented and no more; "" for none.
        val_share: for "folder" without a list of val, the share of the photographs that is drawn for it.
        crf_fit_images: number of images of train, evenly spaced, that are withheld from network training, to fit a CRF
            (stage crf).
        masks: folder of the masks of val and, if there are any, of train; "" for none. For "coco", annotations: they
            are drawn of the outlines there.
        longest_px: photographs with a longer side than this are copied at this size, and the copies used; 0: never.
        download: download VOC 2012 and SBD into the root, unless they are there; for "voc" only.
        shapes_train: number of training images to draw.
        shapes_val: number of val images to draw.
        shapes_size: side of a drawn image, in pixels.
        shapes_seed: random seed of the drawn images.
        images: CSV to write, one row for each image.
        classes_table: CSV to write, one row for each class.
    """
    from wsss.datasets import checks, coco, folder, voc

    lists = {"train": train, "extra": extra, "val": val, "test": test}
    required = ["train", *(["val"] if val or val_share else []), *(["test"] if test else [])]
    if dataset == "folder":
        photographs = folder.read(root, table=table, masks=masks)
        splits, problems = folder.splits(photographs, **lists, val_share=val_share)
        problems += photographs.problems
        of_classes = _classes(classes, photographs.classes)
        rows = folder.rows(photographs, _with_crf_fit(splits, crf_fit_images), classes=of_classes, masks=masks)
    elif dataset == "coco":
        found = coco.read(root, **lists, masks=masks, tags=tags)
        splits, problems = found.splits, found.problems
        of_classes = _classes(classes, found.classes)
        drawn = images.parent / "true_masks"
        rows = coco.rows(found, _with_crf_fit(splits, crf_fit_images), classes=of_classes, masks=masks, drawn=drawn)
    else:
        own_classes = _made(dataset, root, download, shapes_train, shapes_val, shapes_size, shapes_seed)
        splits, problems = voc.splits(root, **lists)
        of_classes = _classes(classes, own_classes)
        rows = voc.rows(root, _with_crf_fit(splits, crf_fit_images), classes=of_classes, masks=masks, tags=tags)
    problems += checks.empty_splits(splits.values(), required)
    findings = checks.Findings(problems)
    copies = checks.Copies(images.parent / "photographs", longest_px)
    counted = Counter[str]()
    with manifest.writer(images) as write:
        # one by one: the rows of a large data set take much memory
        for row in track(checks.checked(rows, of_classes, copies), "images", total=len(splits)):
            findings.add(row)
            counted[row.row.split] += 1
            write(row.row)
        refuse(findings.problems(root / masks), f"the data set in {root} cannot be used")
    manifest.write_classes(classes_table, of_classes)
    LOG.info("masks: %s", findings.mask_summary(counted))


def _made(dataset: str, root: Path, download: bool, train: int, val: int, size: int, seed: int) -> tuple[str, ...]:
    """The names of the classes of a data set in VOC's layout, which is drawn or fetched first if that is asked for."""
    if dataset == "shapes":
        from wsss.datasets import shapes

        shapes.write(root, train=train, val=val, size=size, seed=seed)
        return shapes.CLASSES
    _fetch(root, download)
    return VOC_CLASSES


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
