"""Pictures of what a store holds of an image, for pages of examples and for a look into a store."""

import numpy as np
import torch

from wsss import figures, grid
from wsss.evaluation import truth
from wsss.labels import Classes
from wsss.manifest import Row
from wsss.pictures import read_photograph, stretched
from wsss.store import Reader

Panels = tuple[str, dict[str, np.ndarray]]
"""A caption, and pictures by name."""


def drawn(array: np.ndarray, photograph: np.ndarray, source: Reader) -> np.ndarray:
    """One array of a store as a picture of the photograph's size: labels in their colours, activations as heat.

    Args:
        array: labels (uint8) or an activation in [0, 1], of two axes.
        photograph: the image.
        source: the store, which says on which grid its arrays lie.
    """
    size = photograph.shape[:2]
    square = "setting.cells" in source.attributes or source.warped_px
    if array.dtype == np.uint8:
        labels = stretched(array, size) if square else figures.enlarged(array, size, stride=source.stride)
        return figures.coloured(labels, source.classes)
    activation = array.astype("float32")
    if square:
        maps = torch.from_numpy(activation)[None, None]
        activation = grid.unwarped(maps, size, side=source.warped_px, stride=source.stride)[0, 0].numpy()
    return figures.heat(photograph, activation, stride=1 if square else source.stride)


def cues(row: Row, sources: dict[str, Reader]) -> Panels:
    """A training image: its photograph, one picture of each kind of cue, and the truth."""
    photograph = read_photograph(row.image)
    panels = {"photograph": photograph}
    for kind, source in sources.items():
        arrays = source[row.id]
        if kind == "cams":
            panels["CAM"] = drawn(arrays["cam"].max(0), photograph, source)
        elif kind == "pseudo_masks":
            panels["pseudo mask"] = drawn(arrays.get("refined", arrays["plain"]), photograph, source)
        else:
            (array,) = arrays.values()
            panels[kind.replace("_", " ")] = drawn(array, photograph, source)
    return " ".join(row.tags), panels | _truth(row, sources["cams"].classes)


def predictions(row: Row, masks: Reader) -> Panels:
    """An image that was predicted: its photograph, the prediction before and after the CRF, and the truth."""
    found = masks[row.id]
    panels = {"photograph": read_photograph(row.image), "prediction": figures.coloured(found["plain"], masks.classes)}
    if "refined" in found:
        panels["refined"] = figures.coloured(found["refined"], masks.classes)
    return " ".join(row.tags), panels | _truth(row, masks.classes)


def _truth(row: Row, classes: Classes) -> dict[str, np.ndarray]:
    return {"truth": figures.coloured(truth(row, classes), classes)} if row.mask else {}
