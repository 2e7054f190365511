"""From score maps on a grid to label maps at the image's size, with and without a CRF."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, UInt8

from wsss import crf
from wsss.crf.potentials import Potentials
from wsss.datasets.manifest import Row
from wsss.datasets.pictures import photograph_of, photograph_size
from wsss.maths import grid
from wsss.options.crf import Crf
from wsss.stores.store import Reader


@dataclass(frozen=True)
class Scored:
    """An image and its score maps.

    Args:
        id: id of the image.
        photograph: the row of the photograph in the manifest, or its pixels if they have been decoded already.
        size: (height, width) of the photograph.
        scores: score maps (maps, rows, columns) in [0, 1], on a grid; float32.
        stride: input pixels for each cell of that grid.
        classes: class index of each score map, (maps); uint8.
        warped_px: side of the square to which the image was warped, and whose grid it is; 0 if it was not warped.
    """

    id: str
    photograph: Row | UInt8[np.ndarray, "height width 3"]
    size: tuple[int, int]
    scores: np.ndarray
    stride: int
    classes: np.ndarray
    warped_px: int = 0

    def pixels(self) -> UInt8[np.ndarray, "height width 3"]:
        """The photograph, decoded."""
        return photograph_of(self.photograph) if isinstance(self.photograph, Row) else self.photograph

    def at_pixels(self) -> torch.Tensor:
        """The score maps (maps, height, width) at the image's size."""
        scores = torch.from_numpy(self.scores)[None]
        if not self.warped_px:
            return grid.to_pixels(scores, self.size, stride=self.stride)[0]
        return grid.unwarped(scores, self.size, side=self.warped_px, stride=self.stride)[0]


def scored(row: Row, source: Reader) -> Scored:
    """An image with a segmenter's probabilities of all classes, from their store."""
    classes = np.arange(len(source.classes.names), dtype=np.uint8)
    scores = source.fitting(row.id, photograph_size(row.image))["scores"].astype("float32")
    return Scored(row.id, row, source.size(row.id), scores, source.stride, classes, source.warped_px)


def refined_scores(
    scores: Float[np.ndarray, "maps height width"],
    photograph: UInt8[np.ndarray, "height width 3"],
    parameters: Crf,
    potentials: Potentials | None = None,
) -> Float[np.ndarray, "maps height width"]:
    """The CRF's marginals for score maps at the image's size; the scores unchanged if there is no CRF."""
    if parameters.engine == "none":
        return scores
    return crf.refine(crf.unary_of(scores), photograph, parameters, potentials=potentials)


def label_maps(
    image: Scored, *, parameters: Crf, potentials: Potentials | None = None
) -> tuple[Scored, dict[str, np.ndarray]]:
    """The image and its label maps: `plain` before the CRF and, if there is one, `refined` after it."""
    scores = image.at_pixels().numpy()
    potentials = potentials.of(image.classes) if potentials else None  # an image may have the classes of its tags alone
    maps = {"plain": image.classes[scores.argmax(0)]}
    if parameters.engine != "none":
        maps["refined"] = image.classes[refined_scores(scores, image.pixels(), parameters, potentials).argmax(0)]
    return image, maps
