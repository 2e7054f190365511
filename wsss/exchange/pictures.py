"""Label maps as pictures in a folder, one an image: with VOC's palette, in grey, over photographs, for VOC's server."""

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from wsss.datasets.pictures import overlaid, read_photograph
from wsss.exchange import marks
from wsss.labels import VOC_CLASSES, VOID, Classes, palette
from wsss.runtime.errors import WsssError
from wsss.runtime.files import whole_or_absent

OF_THE_SERVER = Path("results/VOC2012/Segmentation/comp6_test_cls")
"""Where VOC's server looks for masks in an archive: those of its challenge of segmentation with own training data."""


class LabelMap(NamedTuple):
    """The label map of an image."""

    id: str
    labels: UInt8[np.ndarray, "height width"]
    """Class indices, VOID where there is none."""
    photograph: Path | None
    """None where it is not needed."""


Add = Callable[[LabelMap], None]
"""What a writer of a format gives: a function that takes the label maps, one after another."""


@contextmanager
def each(write: Callable[[Path, Classes, LabelMap], None], folder: Path, classes: Classes) -> Iterator[Add]:
    """The writer of a format that has a file an image."""
    yield partial(write, folder, classes)


def file_of(folder: Path, image_id: str, suffix: str) -> Path:
    """The file of an image; an id may lead into folders of the folder, but not out of it."""
    if ".." in Path(image_id).parts or Path(image_id).is_absolute():
        raise WsssError(f"the id {image_id!r} leads out of {folder}: give the image another name")
    return folder / f"{image_id}{suffix}"


def png(folder: Path, classes: Classes, image: LabelMap) -> None:
    """ID.png with the classes' values as indices of VOC's palette."""
    _write(file_of(folder, image.id, ".png"), with_palette(classes.values_of(image.labels)), format="PNG")


def grey(folder: Path, classes: Classes, image: LabelMap) -> None:
    """ID.png with the classes' values as grey levels, as PSA and IRN write and read pseudo masks."""
    _write(file_of(folder, image.id, ".png"), Image.fromarray(classes.values_of(image.labels)), format="PNG")


def overlay(folder: Path, classes: Classes, image: LabelMap) -> None:
    """ID.jpg, the photograph with its classes in colour over it."""
    photograph = read_photograph(image.photograph)
    if photograph.shape[:2] != image.labels.shape:
        sizes = f"{photograph.shape[:2]}, its label map {image.labels.shape}"
        raise WsssError(f"{image.photograph} has the size {sizes}: was the photograph replaced?")
    write_overlay(file_of(folder, image.id, ".jpg"), photograph, image.labels, classes)


def write_overlay(
    path: Path,
    photograph: UInt8[np.ndarray, "height width 3"],
    labels: UInt8[np.ndarray, "height width"],
    classes: Classes,
) -> None:
    """Write a photograph with its classes in colour over it as a JPEG of high quality."""
    picture = Image.fromarray(overlaid(photograph, labels, classes))
    _write(path, picture, format="JPEG", quality=95, subsampling="4:4:4")


def voc_server(folder: Path, classes: Classes, image: LabelMap) -> None:
    """ID.png as for `png`, in the folders that VOC's server expects.

    Raises:
        WsssError: the classes are not VOC's, or the map has void pixels, which the server refuses.
    """
    for name, value in zip(classes.foreground, classes.mask_values[1:], strict=True):
        if VOC_CLASSES[value - 1 : value] != (name,):
            raise WsssError(f"the class {name}={value} is not VOC's: its server scores VOC's 20 classes alone")
    if (image.labels == VOID).any():
        raise WsssError(f"{image.id} has void pixels, which VOC's server refuses: export predicted masks")
    png(folder / OF_THE_SERVER, classes, image)


def with_palette(mask: UInt8[np.ndarray, "height width"]) -> Image.Image:
    """A mask as a picture with VOC's palette: viewers show its classes in colour."""
    picture = Image.fromarray(mask)
    picture.putpalette(palette())
    return picture


def _write(path: Path, picture: Image.Image, **options: Any) -> None:
    """Write a picture with the mark of an export."""
    content = io.BytesIO()
    picture.save(content, **options)
    with whole_or_absent(path) as partial:
        partial.write_bytes(marks.marked(content.getvalue()))
