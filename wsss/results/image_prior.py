"""An image-level prior: what a classifier finds in a whole image weighs the probabilities of its pixels.

The image-level prior of Pinheiro & Collobert, CVPR 2015 (arXiv:1411.6228). A segmenter's frequent mistake is a piece of
an object in another class; the classifier, which was trained on the tags alone, judges by the whole image.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Float16, UInt8
from torch import Tensor

from wsss.labels import Classes
from wsss.maths.photographs import to_tensor
from wsss.networks import file
from wsss.networks.classifier import Classifier
from wsss.runtime import machine
from wsss.runtime.errors import WsssError

Weigh = Callable[
    [UInt8[np.ndarray, "height width 3"], Float16[Tensor, "classes rows columns"]],
    Float16[Tensor, "classes rows columns"],
]


def weighted(
    probabilities: Float16[Tensor, "classes rows columns"], shown: Float[Tensor, " foreground"], *, power: float
) -> Float16[Tensor, "classes rows columns"]:
    """Probabilities of pixels, weighed by those of the image:

        p'(c | u) = p(c | u) P(c)^power / sum_k p(k | u) P(k)^power,    P(background) = 1

    Args:
        probabilities: p, of all classes at each cell u; they sum to 1.
        shown: P, that the image shows each foreground class.
        power: 1 in the paper; 0 changes nothing.
    """
    # in double precision, and none is 0: a cell may lie in one class alone, which the classifier does not see
    weights = torch.cat([torch.ones(1), shown.cpu().clamp(min=1e-6)]).double() ** power
    scores = probabilities.double() * weights[:, None, None]
    return (scores / scores.sum(0)).half()


def weighing(classifier: Path | None, classes: Classes, *, power: float) -> Weigh:
    """A function from a photograph and its cells' probabilities to weighed ones; the same ones without a classifier.

    The image's probabilities are the mean of those of the photograph and its mirror image, without the offsets that a
    balanced classifier has for classes of few images: with them a rare class would be likely in no image.

    Raises:
        WsssError: the file is missing, damaged or no classifier, or its classes are others.
    """
    if classifier is None:
        return lambda photograph, probabilities: probabilities
    network = loaded(classifier, classes)

    def weigh(
        photograph: UInt8[np.ndarray, "height width 3"], probabilities: Float16[Tensor, "classes rows columns"]
    ) -> Float16[Tensor, "classes rows columns"]:
        image = to_tensor(photograph, machine.device())
        with torch.inference_mode(), machine.exact():
            scores = network(torch.stack([image, image.flip(-1)])) - network.offsets
            shown = scores.sigmoid().mean(0)
        return weighted(probabilities, shown, power=power)

    return weigh


def loaded(classifier: Path, classes: Classes) -> Classifier:
    """The classifier of a segmenter's run, on its device.

    Raises:
        WsssError: the file is missing, damaged or no classifier, or its classes are others.
    """
    network, about = file.load(classifier, Classifier)
    if about.classes != classes:
        raise WsssError(f"{classifier} has other classes than the segmenter: use those of one run")
    return network.to(machine.device())
