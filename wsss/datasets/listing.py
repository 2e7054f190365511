"""A digest of the files of a data set, by which a change of them is noticed without opening every picture."""

from pathlib import Path

from wsss.datasets import coco, folder, manifest, source, voc
from wsss.datasets.manifest import Row
from wsss.options.data_set import DataSet
from wsss.runtime import provenance
from wsss.runtime.errors import WsssError


def listing(images: dict) -> str:
    """The digest of what stage images reads with its section of the configuration; see `provenance.listing`.

    A data set that the stage draws or downloads has none: changes of it are not noticed.
    """
    root = Path(images["root"])
    if images["dataset"] == "shapes" or images["download"]:
        return "generated"
    lists = {name: images[name] for name in ("train", "extra", "val", "test", "masks")}
    if images["dataset"] == "folder":
        return folder.listing(root, table=images["table"], **lists)
    if images["dataset"] == "coco":
        return provenance.listing(root, coco.sources(tags=images["tags"], **lists))
    return provenance.listing(root, voc.parts(tags=images["tags"], **lists))


IN_USE = ("val", "test", "masks", "shapes_val")
"""Options of stage images that say how images are scored or segmented, and not what is learned."""


def training(images: dict) -> str:
    """The digest of what the trainings depend on: the training images, their splits, sizes and tags, and the classes.

    Other val images, masks or test images do not change it. What cannot be read is told by stage images.
    """
    options = {name: value for name, value in images.items() if name not in IN_USE}
    if images["dataset"] == "shapes" or images["download"]:
        return provenance.digest(f"{name}={value}" for name, value in options.items())
    root = Path(images["root"])
    if images["dataset"] == "coco":  # its annotations are too large to be read each time
        lists = {name: images[name] for name in ("train", "extra")} | dict.fromkeys(("val", "test", "masks"), "")
        return provenance.digest(
            [*map(str, options.items()), provenance.listing(root, coco.sources(tags=images["tags"], **lists))]
        )
    if images["tags"] == "masks":  # to read them takes long, too, and val's are among them
        return provenance.digest([*map(str, options.items()), listing(images)])
    try:
        found = source.read(DataSet.of(images), drawn=root)
        lines = [str(images["longest_px"]), *found.classes.names, *map(str, found.classes.mask_values)]
        lines += [_line(row, problem) for row, problem in found.rows if row.split in manifest.CUE_SPLITS]
    except WsssError as error:
        lines = [str(error)]
    return provenance.digest(lines)


def _line(row: Row, problem: str | None) -> str:
    size = row.image.stat().st_size if row.image.is_file() else None
    return f"{row.id} {row.split} {row.image} {size} {row.tags} {row.tag_source} {problem}"
