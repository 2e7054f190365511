"""What the numbers of a CRF are learned from, and how good they are by it."""

import numpy as np
import torch

from wsss import crf, metrics
from wsss.crf.fit import Example
from wsss.crf.potentials import Potentials
from wsss.errors import WsssError
from wsss.evaluation import truth
from wsss.manifest import Row
from wsss.options import Crf
from wsss.pictures import read_photograph
from wsss.refinement import scored
from wsss.store import Reader


class Teacher:
    """The images to which a CRF is fitted, and the word on how good it is.

    Args:
        rows: the images.
        scores: their scores.
        pseudo_masks: label maps to learn from; without them it is the true masks.
        start: the settings of the engine.
    """

    def __init__(self, rows: list[Row], scores: Reader, pseudo_masks: Reader | None, start: Crf) -> None:
        self.rows, self._scores, self._pseudo_masks, self._start = rows, scores, pseudo_masks, start

    def example(self, rank: int) -> Example:
        """Energies, photograph and labels of an image."""
        row = self.rows[rank]
        unary = crf.unary_of(scored(row, self._scores).at_pixels().numpy())
        if self._pseudo_masks:
            maps = self._pseudo_masks[row.id]
            labels = maps.get("refined", maps["plain"])  # what segmenters learn from
        else:
            labels = truth(row, self._scores.classes)
        return torch.from_numpy(unary), torch.from_numpy(read_photograph(row.image)), torch.from_numpy(labels)

    def miou(self, potentials: Potentials) -> float:
        """Of every second image, beginning with the second."""
        classes = len(self._scores.classes.names)
        counts = np.zeros((classes, classes + 1), np.int64)
        for rank in range(1, len(self.rows), 2):
            unary, photograph, labels = self.example(rank)
            q = crf.refine(unary.numpy(), photograph.numpy(), self._start, potentials=potentials)
            counts += metrics.confusion(labels.numpy(), q.argmax(0).astype(np.uint8), classes=classes)
        if not counts.any():
            raise WsssError("no pixel of the images that judge the CRF has a label: give more images")
        return metrics.mean_iou(counts)
