"""The training images: all that trainings and their cues depend on."""

from pathlib import Path

from wsss.options.data_set import DataSet
from wsss.options.flat import Flat


def training_images(*, data_set: Flat[DataSet], training_images: Path, classes_table: Path) -> None:
    """Check every training image, and write the list of them, with their tags and without their masks.

    Other val images, masks or test images leave this list as it is, so that nothing is trained again.

    Args:
        data_set: the data set, which is drawn or downloaded first, if that is asked for.
        training_images: CSV to write, one row for each image of the splits train, extra and crf_fit.
        classes_table: CSV to write, one row for each class.
    """
    from wsss.datasets import checks, manifest, source
    from wsss.runtime.errors import refuse
    from wsss.runtime.progress import track

    source.make(data_set)
    copies = checks.Copies(training_images.parent / "photographs", data_set.longest_px)
    drawn = training_images.parent / "true_masks"
    found = source.read(data_set, drawn=drawn)
    findings = checks.Findings(found.problems)
    with manifest.writer(training_images) as write:
        # one by one: the rows of a large data set take much memory
        rows = checks.checked(checks.without_masks(found.rows), found.classes, copies)
        total = sum(split in manifest.CUE_SPLITS for split in found.splits.values())
        for row in track(rows, "training_images", total=total):
            findings.add(row)
            write(row.row)
        if findings.problems(data_set.root / data_set.masks):
            # what is wrong with other images and with masks is told with it
            for row in checks.checked(source.read(data_set, drawn=drawn).rows, found.classes):
                findings.add(row)
        refuse(findings.problems(data_set.root / data_set.masks), f"the data set in {data_set.root} cannot be used")
    manifest.write_classes(classes_table, found.classes)
