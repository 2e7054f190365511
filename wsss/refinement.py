"""From score maps on a grid to label maps at the image's size, with and without a CRF."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, UInt8

from wsss import crf, grid
from wsss.crf.potentials import Potentials
from wsss.manifest import Row
from wsss.options import Crf
from wsss.pictures import read_photograph
from wsss.store import Reader


@dataclass(frozen=True)
class Scored:
    """An image and its score maps.

    Args:
        id: of the image.
        photograph: its file.
        size: its (height, width).
        scores: (ranks, rows, columns) in [0, 1], on a grid; float32.
        stride: of that grid, in pixels.
        classes: the class of each score map, (ranks); uint8.
        warped_px: side of the square whose grid it is, where the image was warped to one; 0 where it was not.
    """

    id: str
    photograph: Path
    size: tuple[int, int]
    scores: np.ndarray
    stride: int
    classes: np.ndarray
    warped_px: int = 0

    def at_pixels(self) -> torch.Tensor:
        """The score maps (ranks, height, width) at the image's size."""
        scores = torch.from_numpy(self.scores)[None]
        if not self.warped_px:
            return grid.to_pixels(scores, self.size, stride=self.stride)[0]
        return grid.unwarped(scores, self.size, side=self.warped_px, stride=self.stride)[0]


def scored(row: Row, source: Reader) -> Scored:
    """A network's scores of all classes, from their store."""
    classes = np.arange(len(source.classes.names), dtype=np.uint8)
    scores = source[row.id]["scores"].astype("float32")
    return Scored(row.id, row.image, source.size(row.id), scores, source.stride, classes, source.warped_px)


def refined_scores(
    scores: Float[np.ndarray, "ranks height width"],
    photograph: UInt8[np.ndarray, "height width 3"],
    parameters: Crf,
    potentials: Potentials | None = None,
) -> Float[np.ndarray, "ranks height width"]:
    """The CRF's marginals for score maps at the image's size; the scores themselves without a CRF."""
    if parameters.engine == "none":
        return scores
    return crf.refine(crf.unary_of(scores), photograph, parameters, potentials=potentials)


def label_maps(
    image: Scored, *, parameters: Crf, potentials: Potentials | None = None
) -> tuple[Scored, dict[str, np.ndarray]]:
    """The image and its label maps: `plain` before the CRF and, where there is one, `refined` after it."""
    scores = image.at_pixels().numpy()
    maps = {"plain": image.classes[scores.argmax(0)]}
    if parameters.engine != "none":
        photograph = read_photograph(image.photograph)
        maps["refined"] = image.classes[refined_scores(scores, photograph, parameters, potentials).argmax(0)]
    return image, maps
