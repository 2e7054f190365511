"""The manifest: any data set as one list of images, masks and tags, checked before training."""

from collections import Counter
from pathlib import Path

from wsss.options.data_set import DataSet
from wsss.options.flat import Flat


def images(*, data_set: Flat[DataSet], training_images: Path, images: Path) -> None:
    """Check the masks and all images that are not trained on, and write the list of all images, masks and tags.

    Args:
        data_set: the data set.
        training_images: list of the training images, which are checked already.
        images: CSV to write, one row for each image.
    """
    from wsss.datasets import checks, manifest, source
    from wsss.runtime.errors import refuse
    from wsss.runtime.progress import LOG, track

    known = {row.id: row for row in manifest.read(training_images)}
    copies = checks.Copies(images.parent / "photographs", data_set.longest_px)
    found = source.read(data_set, drawn=images.parent / "true_masks")
    findings = checks.Findings(found.problems)
    counted = Counter[str]()
    with manifest.writer(images) as write:
        # one by one: the rows of a large data set take much memory
        for row in track(checks.checked(found.rows, found.classes, copies, known), "images", total=len(found.splits)):
            findings.add(row)
            counted[row.row.split] += 1
            write(row.row)
        refuse(findings.problems(data_set.root / data_set.masks), f"the data set in {data_set.root} cannot be used")
    for warning in findings.warnings(found.classes):
        LOG.warning("warning: %s", warning)
    LOG.info("masks: %s", findings.mask_summary(counted))
