"""The images and labels to which a CRF is fitted, and its mIoU on some of them."""

import numpy as np
import torch

from wsss import crf
from wsss.crf.fit import Example
from wsss.crf.potentials import Potentials
from wsss.datasets.manifest import Row
from wsss.datasets.pictures import photograph_of
from wsss.maths import metrics
from wsss.options.crf import Crf
from wsss.results.evaluation import truth
from wsss.results.refinement import scored
from wsss.runtime.errors import WsssError
from wsss.stores.store import Reader, final_labels


class FitData:
    """Images, class probabilities and labels for fitting and validating a CRF.

    Args:
        rows: the images.
        scores: store of their class probabilities.
        pseudo_masks: store of label maps to learn from; None for the true masks.
        start: settings of the CRF's engine.
    """

    def __init__(self, rows: list[Row], scores: Reader, pseudo_masks: Reader | None, start: Crf) -> None:
        self.rows, self._scores, self._pseudo_masks, self._start = rows, scores, pseudo_masks, start

    def example(self, index: int) -> Example:
        """Unary energies, photograph and labels of an image."""
        row = self.rows[index]
        unary = crf.unary_of(scored(row, self._scores).at_pixels().numpy())
        # of pseudo masks, the labels that segmenters learn from
        photograph = photograph_of(row)
        if self._pseudo_masks:
            labels = final_labels(self._pseudo_masks.fitting(row.id, photograph.shape[:2]))
        else:
            labels = truth(row, self._scores.classes)
        return torch.from_numpy(unary), torch.from_numpy(photograph), torch.from_numpy(labels)

    def miou(self, potentials: Potentials) -> float:
        """The mIoU of these potentials on every second image, starting with the second."""
        classes = len(self._scores.classes.names)
        counts = np.zeros((classes, classes + 1), np.int64)
        for index in range(1, len(self.rows), 2):
            unary, photograph, labels = self.example(index)
            q = crf.refine(unary.numpy(), photograph.numpy(), self._start, potentials=potentials)
            counts += metrics.confusion(labels.numpy(), q.argmax(0).astype(np.uint8), classes=classes)
        if not counts.any():
            raise WsssError("no pixel of the CRF's validation images has a label: give more images")
        return metrics.mean_iou(counts)
