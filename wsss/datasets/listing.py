"""A digest of the files of a data set, by which a change of them is noticed without opening every picture."""

from pathlib import Path

from wsss.datasets import coco, folder, voc
from wsss.runtime import provenance


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
