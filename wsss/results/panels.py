"""Pictures of the arrays that a store holds for an image, for the examples of a method and for inspecting a store."""

import numpy as np
import torch

from wsss.datasets.manifest import Row
from wsss.datasets.pictures import overlaid, read_photograph
from wsss.labels import Classes
from wsss.maths import grid
from wsss.results.evaluation import at_pixels, truth
from wsss.results.figures import Panels
from wsss.stores.store import Reader, final_labels

MOST_MAPS = 8
"""Of an array with a map for each class, how many are drawn: those that reach the highest values."""


def add(panels: Panels, name: str, array: np.ndarray, photograph: np.ndarray, source: Reader) -> None:
    """Add one array of a store as a picture of the photograph's size: labels in their colours, or a heat map.

    Args:
        panels: where to add it.
        name: the picture's name.
        array: labels (uint8) or an activation map in [0, 1], with two axes.
        photograph: the image.
        source: the store, which knows the grid of its arrays.
    """
    size = photograph.shape[:2]
    square = source.warped
    if array.dtype == np.uint8:
        panels.add_labels(name, at_pixels(array, size, source), source.classes)
        return
    activation = array.astype("float32")
    if square:
        maps = torch.from_numpy(activation)[None, None]
        activation = grid.unwarped(maps, size, side=source.warped_px, stride=source.stride)[0, 0].numpy()
    panels.add_heat(name, photograph, activation, stride=1 if square else source.stride)


def everything(row: Row, source: Reader) -> Panels:
    """All that a store holds for an image, beside its photograph: each map, and label maps over the photograph, too.

    Of more than MOST_MAPS maps of classes those with the highest values are drawn.
    """
    photograph = read_photograph(row.image)
    arrays = source.fitting(row.id, photograph.shape[:2])
    panels = Panels(row.id, {"photograph": photograph})
    present = arrays.pop("classes", range(len(source.classes.names)))
    for name, array in arrays.items():
        if array.ndim == 2:
            add(panels, name, array, photograph, source)
            if array.dtype == np.uint8:
                labels = at_pixels(array, photograph.shape[:2], source)
                panels.pictures[f"{name}, overlaid"] = overlaid(photograph, labels, source.classes)
            continue
        highest = sorted(range(len(array)), key=lambda index: -float(array[index].max()))[:MOST_MAPS]
        for index in sorted(highest):
            add(panels, f"{name} {source.classes.names[present[index]]}", array[index], photograph, source)
    return panels


def cues(row: Row, sources: dict[str, Reader]) -> Panels:
    """A training image: its photograph, one picture of each kind of cue, and the true mask, if any."""
    photograph = read_photograph(row.image)
    panels = Panels(", ".join(row.tags), {"photograph": photograph})
    for kind, source in sources.items():
        name, array = summarised(kind, source.fitting(row.id, photograph.shape[:2]))
        add(panels, name, array, photograph, source)
    _add_truth(panels, row, next(iter(sources.values())).classes)
    return panels


def summarised(kind: str, arrays: dict[str, np.ndarray]) -> tuple[str, np.ndarray]:
    """The arrays of an image as one, with a name: the final label map, or the highest of several maps."""
    name = kind.replace("_", " ")
    if "cam" in arrays:
        return "CAM", arrays["cam"].max(0)
    if "plain" in arrays:
        return name, final_labels(arrays)
    (array,) = arrays.values()
    return name, array if array.ndim == 2 else array[1:].max(0)


def predictions(row: Row, masks: Reader) -> Panels:
    """A predicted image: its photograph, the prediction before and after the CRF, and the true mask, if any."""
    photograph = read_photograph(row.image)
    found = masks.fitting(row.id, photograph.shape[:2])
    panels = Panels(", ".join(row.tags), {"photograph": photograph})
    panels.add_labels("prediction", found["plain"], masks.classes)
    if "refined" in found:
        panels.add_labels("refined", found["refined"], masks.classes)
    _add_truth(panels, row, masks.classes)
    return panels


def _add_truth(panels: Panels, row: Row, classes: Classes) -> None:
    if row.mask:
        panels.add_labels("truth", truth(row, classes), classes)
