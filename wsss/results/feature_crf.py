"""A CRF of a segmenter's cells by a classifier's features: what looks alike to the classifier gets the same label.

A network of few cells draws blobs, which a CRF of colours can cut where colours change, but not where an object does.
The classifier's features tell its parts from what is around it (`wsss.crf.features`).
"""

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt8
from torch import Tensor

from wsss.crf import features
from wsss.datasets import pictures
from wsss.labels import Classes
from wsss.maths import grid
from wsss.maths.photographs import at_cells, to_tensor
from wsss.networks.classifier import Classifier
from wsss.options.crf import FeatureCrf
from wsss.results.image_prior import loaded
from wsss.runtime import machine
from wsss.runtime.errors import WsssError

MOST_CELLS = 2500
"""On a grid of more cells the CRF is that of larger ones, whose messages are brought to the cells (bilinear)."""

Refine = Callable[
    [UInt8[np.ndarray, "height width 3"], Float[Tensor, "classes rows columns"]], Float[Tensor, "classes rows columns"]
]

LEAST = 1e-5
"""The smallest probability; the half precision in which they are stored has none between 0 and 6e-8."""


def refined(
    probabilities: Float[Tensor, "classes rows columns"],
    photograph: UInt8[np.ndarray, "height width 3"],
    network: Classifier,
    numbers: FeatureCrf,
    *,
    stride: int,
) -> Float[Tensor, "classes rows columns"]:
    """Marginals of the CRF for a segmenter's probabilities, on their grid and in their precision.

    Args:
        probabilities: of all classes at each cell.
        photograph: what the segmenter has seen: warped to its square, if it was.
        network: the classifier.
        numbers: of the CRF.
        stride: pixels of the photograph for each cell.
    """
    rows, columns = probabilities.shape[1:]
    factor = math.ceil(math.sqrt(rows * columns / MOST_CELLS))
    size = math.ceil(rows / factor), math.ceil(columns / factor)
    image = grid.padded(to_tensor(photograph, machine.device())[None], stride * factor, fill=network.backbone.mean)
    logs = probabilities.to(image.device).float().clamp(min=LEAST).log()[None]
    coarse = F.avg_pool2d(logs, factor, ceil_mode=True)  # of those that reach beyond the grid what lies inside
    numbers = replace(numbers, cells=numbers.cells / factor)
    with torch.inference_mode(), machine.exact():
        kernel = features.kernel(at_cells(image, size), network.features_at(image, size), numbers)
        found = features.marginals(-coarse, kernel, steps=numbers.steps).clamp(min=LEAST).log() - coarse
    change = F.interpolate(found, scale_factor=factor, mode="bilinear")[..., :rows, :columns] if factor > 1 else found
    return (logs + change).softmax(1)[0].to(probabilities)


def refining(
    classifier: Path | None, classes: Classes, numbers: FeatureCrf, *, stride: int, warped_px: int = 0
) -> Refine:
    """A function from a photograph and its cells' probabilities to `refined` ones; the same ones without a CRF.

    Args:
        classifier: the file of the classifier; None where the CRF has no weight.
        classes: those of the segmenter.
        numbers: of the CRF.
        stride: pixels for each of the segmenter's cells.
        warped_px: side of the square to which photographs are warped for the segmenter; 0: none are.

    Raises:
        WsssError: the file is missing, damaged or no classifier, or its classes are others.
    """
    if classifier is None:
        return lambda photograph, probabilities: probabilities
    network = loaded(classifier, classes)
    return lambda photograph, probabilities: refined(
        probabilities, pictures.as_given(photograph, warped_px), network, numbers, stride=stride
    )


def required(classifier: list[Path], numbers: FeatureCrf) -> Path | None:
    """The classifier that a CRF goes by; None where that has no weight.

    Raises:
        WsssError: it has some, and no classifier is given.
    """
    if numbers.weight and not classifier:
        raise WsssError(f"feature_crf.weight is {numbers.weight}, but there is no classifier: give its file, or 0")
    return classifier[0] if numbers.weight else None
