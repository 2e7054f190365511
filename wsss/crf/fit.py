"""The parameters of a dense CRF, learned by gradient descent through its inference (engines "cells" and "convcrf")."""

import math
from collections.abc import Callable
from dataclasses import fields, replace

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from wsss import crf
from wsss.crf.potentials import NUMBERS, Potentials
from wsss.labels import VOID
from wsss.options.crf import Crf, Fit
from wsss.runtime.errors import WsssError

Example = tuple[Float[Tensor, "classes height width"], UInt8[Tensor, "height width 3"], UInt8[Tensor, "height width"]]


class Learned(torch.nn.Module):
    """Potentials whose numbers are parameters; those that must be positive are kept as logarithms.

    Args:
        start: the numbers to begin with; a weight of 0 stays 0.
        classes: of the energies.
        fit: what is learned in addition to weights and widths.
    """

    def __init__(self, start: Crf, *, classes: int, fit: Fit) -> None:
        super().__init__()
        values = {name: float(getattr(start, name)) for name in NUMBERS}
        self.logarithms = torch.nn.ParameterDict(
            {name: torch.tensor(math.log(value)) for name, value in values.items() if value > 0}
        )
        self.compatibility = self.colour_map = None
        if fit.compatibility:
            potts = torch.zeros(classes, classes, fit.compatibility, fit.compatibility)
            potts[:, :, fit.compatibility // 2, fit.compatibility // 2] = 1 - torch.eye(classes)
            self.compatibility = torch.nn.Parameter(potts)
        if fit.colours:
            self.colour_map = torch.nn.Parameter(torch.eye(3))

    def forward(self) -> Potentials:
        numbers = {
            name: self.logarithms[name].exp() if name in self.logarithms else torch.tensor(0.0) for name in NUMBERS
        }
        return Potentials(**numbers, compatibility=self.compatibility, colour_map=self.colour_map)


def jaccard_loss(q: Float[Tensor, "classes height width"], labels: UInt8[Tensor, "height width"]) -> Float[Tensor, ""]:
    """1 minus the soft intersection over union, mean over the classes that the labels show; VOID does not count.

        1 - mean_c ( sum_i q_ci y_ci / sum_i (q_ci + y_ci - q_ci y_ci) ),    y one-hot

    Rahman & Wang, ISVC 2016, by class. ConvCRF was trained by the mean of -log q, in which the background has most of
    the pixels.
    """
    known = labels != VOID
    classes, y = labels[known].long().unique(return_inverse=True)
    q = q[classes][:, known]
    y = torch.nn.functional.one_hot(y, len(classes)).T.to(q)
    shared = (q * y).sum(dim=1)
    return 1 - (shared / (q.sum(dim=1) + y.sum(dim=1) - shared)).mean()


def fitted(
    start: Crf,
    examples: Callable[[int], Example],
    count: int,
    judge: Callable[[Potentials], float],
    *,
    fit: Fit,
    on_epoch: Callable[[int, float, float], None],
) -> tuple[Potentials, float, float]:
    """The best potentials that were met, and what the judge says of the first and of them.

    Every second image is used for training, by `jaccard_loss`; `judge` should score the others. The initial parameters
    are scored too, so that the result is never worse, by that measure, than the beginning.

    Args:
        start: numbers to begin with, and the settings of the engine, which must be trainable.
        examples: energies, photograph and labels (VOID where it is unknown) of an image, by its index.
        count: number of images.
        judge: larger is better; called with the potentials of the beginning and of each epoch's end.
        fit: how long and how fast, and what is learned.
        on_epoch: called after each epoch with its number, its mean loss and the judge's word.

    Raises:
        WsssError: the loss is no finite number.
    """
    generator = torch.Generator().manual_seed(fit.seed)
    learned = Learned(start, classes=len(examples(0)[0]), fit=fit)
    optimizer = torch.optim.Adam(learned.parameters(), lr=fit.learning_rate)
    best = detached(learned())
    began = highest = judge(best)
    ranks = torch.arange(0, count, 2)
    for epoch in range(1, fit.epochs + 1):
        losses = []
        for rank in ranks[torch.randperm(len(ranks), generator=generator)].tolist():
            unary, image, labels = examples(rank)
            if (labels == VOID).all():
                continue
            loss = jaccard_loss(crf.marginals(unary[None], image[None], start, potentials=learned())[0], labels)
            if not loss.isfinite():
                raise WsssError(f"the loss of a fitted CRF is {loss.item()} in epoch {epoch}: lower fit.learning_rate")
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        found = detached(learned())
        score = judge(found)
        on_epoch(epoch, sum(losses) / max(len(losses), 1), score)
        if score > highest:
            best, highest = found, score
    return best, began, highest


def detached(potentials: Potentials) -> Potentials:
    """The same parameters, detached from the graph of gradients."""
    tensors = {field.name: getattr(potentials, field.name) for field in fields(potentials)}
    return replace(
        potentials, **{name: tensor.detach().clone() for name, tensor in tensors.items() if tensor is not None}
    )
