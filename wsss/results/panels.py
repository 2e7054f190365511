"""Pictures of the arrays that a store holds for an image, for the examples of a method and for inspecting a store."""

import numpy as np
import torch

from wsss.datasets.manifest import Row
from wsss.datasets.pictures import read_photograph
from wsss.labels import Classes
from wsss.maths import grid
from wsss.results import figures
from wsss.results.evaluation import at_pixels, truth
from wsss.stores.store import Reader, final_labels

Panels = tuple[str, dict[str, np.ndarray]]
"""A caption, and pictures by name."""


def drawn(array: np.ndarray, photograph: np.ndarray, source: Reader) -> np.ndarray:
    """One array of a store as a picture of the photograph's size: labels in their colours, activations as a heat map.

    Args:
        array: labels (uint8) or an activation map in [0, 1], with two axes.
        photograph: the image.
        source: the store, which knows the grid of its arrays.
    """
    size = photograph.shape[:2]
    square = source.warped
    if array.dtype == np.uint8:
        return figures.coloured(at_pixels(array, size, source), source.classes)
    activation = array.astype("float32")
    if square:
        maps = torch.from_numpy(activation)[None, None]
        activation = grid.unwarped(maps, size, side=source.warped_px, stride=source.stride)[0, 0].numpy()
    return figures.heat(photograph, activation, stride=1 if square else source.stride)


def cues(row: Row, sources: dict[str, Reader]) -> Panels:
    """A training image: its photograph, one picture of each kind of cue, and the true mask, if any."""
    photograph = read_photograph(row.image)
    panels = {"photograph": photograph}
    for kind, source in sources.items():
        arrays = source[row.id]
        if "cam" in arrays:
            panels["CAM"] = drawn(arrays["cam"].max(0), photograph, source)
        elif "plain" in arrays:
            panels[kind.replace("_", " ")] = drawn(final_labels(arrays), photograph, source)
        else:
            (array,) = arrays.values()
            panels[kind.replace("_", " ")] = drawn(array, photograph, source)
    return ", ".join(row.tags), panels | _truth(row, next(iter(sources.values())).classes)


def predictions(row: Row, masks: Reader) -> Panels:
    """A predicted image: its photograph, the prediction before and after the CRF, and the true mask, if any."""
    found = masks[row.id]
    panels = {"photograph": read_photograph(row.image), "prediction": figures.coloured(found["plain"], masks.classes)}
    if "refined" in found:
        panels["refined"] = figures.coloured(found["refined"], masks.classes)
    return ", ".join(row.tags), panels | _truth(row, masks.classes)


def _truth(row: Row, classes: Classes) -> dict[str, np.ndarray]:
    return {"truth": figures.coloured(truth(row, classes), classes)} if row.mask else {}
