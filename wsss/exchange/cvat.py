"""Label maps as an archive for CVAT, of its format "segmentation mask 1.1"."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

import numpy as np

from wsss.exchange import marks
from wsss.exchange.pictures import Add, LabelMap, with_palette
from wsss.labels import VOID, Classes, colour
from wsss.runtime.errors import WsssError
from wsss.runtime.files import whole_or_absent


@contextmanager
def writer(path: Path, classes: Classes) -> Iterator[Add]:
    """A mask of colours for each image, and one whose numbers tell objects apart: all of a class are one object.

    Raises:
        WsssError: a name of a class or an id of an image does not fit in CVAT's lists, or there is a file already that
            no export has written.
    """
    marks.require_own([path])
    with whole_or_absent(path) as partial, ZipFile(partial, "w") as archive:
        ids: list[str] = []

        def put(name: str, content: bytes) -> None:
            archive.writestr(ZipInfo(name), content, ZIP_DEFLATED)  # without the time: equal maps are equal archives

        def add(image: LabelMap) -> None:
            if image.id.startswith("#") or image.id != image.id.strip() or not image.id.isprintable():
                raise WsssError(f"the id {image.id!r} does not fit in CVAT's list of images: give it another name")
            ids.append(image.id)
            put(f"SegmentationClass/{image.id}.png", _png(classes.values_of(image.labels)))
            objects = np.where(image.labels == VOID, 0, image.labels).astype(np.uint8)
            put(f"SegmentationObject/{image.id}.png", _png(objects))

        put("labelmap.txt", _labelmap(classes).encode())
        yield add
        put("ImageSets/Segmentation/default.txt", "".join(f"{image_id}\n" for image_id in ids).encode())
        marks.mark_archive(archive)


def _labelmap(classes: Classes) -> str:
    """The colour of each class; void pixels have one, too, and belong to no object."""
    colours = [*zip(classes.names, classes.colours, strict=True), ("void", colour(VOID))]
    if unfit := [name for name in classes.names if ":" in name or name.startswith("#")]:
        raise WsssError(f"the class {unfit[0]!r} does not fit in CVAT's labelmap.txt: give it another name")
    lines = [f"{name}:{red},{green},{blue}::\n" for name, (red, green, blue) in colours]
    return "# label:color_rgb:parts:actions\n" + "".join(lines)


def _png(mask: np.ndarray) -> bytes:
    file = io.BytesIO()
    with_palette(mask).save(file, format="PNG")
    return file.getvalue()
