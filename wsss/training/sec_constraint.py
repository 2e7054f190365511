"""Joins SEC's loss constrain to its CRF, which goes by the cells' colours, or by a classifier's features, too."""

from collections.abc import Callable

import torch
from torch import Tensor

from wsss.crf import features, marginals
from wsss.maths.photographs import at_cells
from wsss.networks.classifier import Classifier
from wsss.options.crf import Crf, FeatureCrf
from wsss.options.sec import SecLosses

Refine = Callable[[Tensor], Tensor]
"""Energies -log p (batch, classes, cells, cells) -> the CRF's marginals."""


def refiner(
    losses: SecLosses, crf: Crf, feature_crf: FeatureCrf, *, judge: Classifier | None, cells: int
) -> Callable[[Tensor], Refine]:
    """A function from the photographs that the network sees to the CRF of their cells.

    Photographs are RGB in [0, 1] (batch, 3, side, side). Nothing is computed where the loss has no weight.

    Args:
        losses: what the CRF goes by, and whether it is asked for.
        crf: numbers of the CRF by colours.
        feature_crf: numbers of that by features.
        judge: the frozen classifier, for features.
        cells: side of the grid.
    """

    def refine(photographs: Tensor) -> Refine:
        colours = at_cells(photographs, (cells, cells))
        if judge is None or not losses.constrain_weight:
            return lambda energies: marginals(energies, colours, crf, check_values=False)
        with torch.no_grad():
            found = judge.to(photographs.device).features_at(photographs, (cells, cells))
        kernel = features.kernel(colours, found, feature_crf)
        return lambda energies: features.marginals(energies, kernel, steps=feature_crf.steps)

    return refine
