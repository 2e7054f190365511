"""The manifest: any data set as one list of images, masks and tags, checked before training."""

from collections import Counter
from pathlib import Path
from typing import Literal

from wsss.datasets import manifest
from wsss.runtime.errors import refuse
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
    classes_table: Path | None = None,
    training_images: Path | None = None,
    only_training: bool = False,
) -> None:
    """Check every file of the data set, and write the list of images with their masks and tags.

    A run writes the training images apart, without masks, so that another val image or another mask trains nothing
    again; the list of all images is then made of these and the rest.

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
        classes_table: CSV to write, one row for each class; none where it is there already.
        training_images: list of training images that are checked already; none where all are to be checked.
        only_training: write the images of the splits train, extra and crf_fit alone, without their masks.
    """
    from wsss.datasets import checks, source

    if dataset == "shapes":
        from wsss.datasets import shapes

        shapes.write(root, train=shapes_train, val=shapes_val, size=shapes_size, seed=shapes_seed)
    elif dataset == "voc" and download:
        from wsss.datasets import download as remote

        remote.download(root)
    options = {"dataset": dataset, "root": root, "classes": classes, "tags": tags, "table": table}
    options |= {"train": train, "extra": extra, "val": val, "test": test, "val_share": val_share}
    options |= {"crf_fit_images": crf_fit_images, "masks": masks, "drawn": images.parent / "true_masks"}
    copies = checks.Copies(images.parent / "photographs", longest_px)
    known = {row.id: row for row in manifest.read(training_images)} if training_images else {}

    def of_run() -> source.Source:
        found = source.read(**options)
        required = ["train", *(["val"] if val or val_share else []), *(["test"] if test else [])]
        found.problems.extend(checks.empty_splits(found.splits.values(), required))
        return found

    found = of_run()
    findings = checks.Findings(found.problems)
    counted = Counter[str]()
    with manifest.writer(images) as write:
        # one by one: the rows of a large data set take much memory
        rows = checks.without_masks(found.rows) if only_training else found.rows
        for row in track(checks.checked(rows, found.classes, copies, known), "images", total=len(found.splits)):
            findings.add(row)
            counted[row.row.split] += 1
            write(row.row)
        if only_training and findings.problems(root / masks):
            # what is wrong with the other images is told with it
            for row in checks.checked(of_run().rows, found.classes, copies):
                findings.add(row)
        refuse(findings.problems(root / masks), f"the data set in {root} cannot be used")
    if classes_table:
        manifest.write_classes(classes_table, found.classes)
    if not only_training:
        LOG.info("masks: %s", findings.mask_summary(counted))
