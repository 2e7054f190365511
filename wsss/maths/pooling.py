"""Global weighted rank pooling, from the cells of an image to a score for the whole image; and labels as masks."""

import math

import torch
from jaxtyping import Bool, Float, UInt8
from torch import Tensor

from wsss.runtime.errors import WsssError


def one_hot(
    labels: UInt8[Tensor, "*batch height width"], *, classes: int
) -> Bool[Tensor, "*batch {classes} height width"]:
    """Label maps as a mask for each class, background first; a VOID cell is in none.

    Args:
        labels: classes below `classes`, or VOID.
        classes: how many there are, background included; 255 at most.
    """
    return labels.unsqueeze(-3) == torch.arange(classes, device=labels.device)[:, None, None]


def rank_weights(cells: int, *, decay: float, device: torch.device | None = None) -> Float[Tensor, " cells"]:
    """Weights decay^(j-1) of the cells in descending order of probability, from j = 1 on; 0^0 is 1.

    In float64: powers as high as the number of cells magnify the rounding of the decay.

    Raises:
        WsssError: the decay is not in [0, 1].
    """
    if not 0 <= decay <= 1:
        raise WsssError(f"the decay of rank pooling is {decay}: it must lie between 0 (the maximum) and 1 (the mean)")
    return decay ** torch.arange(cells, dtype=torch.float64, device=device)


def decay_of_share(share: float, *, cells: int) -> float:
    """The decay for which the top `share` of this many ranked cells carries half of the total weight.

    The d that solves, with n the cells and share * n not rounded:

        (1 - d^(share n)) / (1 - d^n) = 1/2

    A share says the same on every grid, where a decay does not: d on n cells is as d^(n/m) on m cells. SEC's decays are
    for 41 x 41 = 1681 cells: there the share of 0.996, of present classes, is 0.1027, and that of 0.999, of the
    background, is 0.3107. Round shares come close to them: 0.1 gives 0.99589 and 0.3 gives 0.99893.

    The ends are shares 0, of the maximum (decay 0), and 0.5, of the mean (decay 1).

    Raises:
        WsssError: the share is not in [0, 0.5].
    """
    if not 0 <= share <= 0.5:
        raise WsssError(
            f"the share of rank pooling is {share}: it must lie between 0 (the maximum) and 0.5 (the mean);"
            " with weights that fall with the rank a larger one carries more than half"
        )
    if share == 0:
        return 0.0
    # bisection in x = -n log d, which frees the equation of n: (1 - e^(-share x)) / (1 - e^(-x)) = 1/2
    low, high = 0.0, math.log(2) / share
    for _ in range(100):
        middle = (low + high) / 2
        top, total = -math.expm1(-share * middle), -math.expm1(-middle)
        low, high = (middle, high) if 2 * top < total else (low, middle)
    return math.exp(-high / cells)


def rank_pool(probs: Float[Tensor, "*batch pixels"], *, decay: float) -> Float[Tensor, "*batch"]:
    """Score of a class for the whole image: the mean of its probabilities, weighted by their rank.

    Global weighted rank pooling, with p_1 >= p_2 >= ... >= p_n:

        G = sum_j d^(j-1) p_j / sum_j d^(j-1)

    Decay d = 0 is the maximum, d = 1 the mean, and between them a class is asked to fill a part of the image.

    Raises:
        WsssError: the decay is not in [0, 1].
    """
    ranked = probs.sort(dim=-1, descending=True).values
    weights = rank_weights(ranked.shape[-1], decay=decay, device=probs.device).to(probs.dtype)
    # no einsum: as a matrix product it may be rounded to bfloat16 or TF32, and 1 - G comes down to 0.0001
    return (ranked * weights).sum(dim=-1) / weights.sum()
