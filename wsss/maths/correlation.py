"""Cells that look alike: what a network's features say of which cells of an image belong together."""

import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt8
from torch import Tensor

PAIRS = 2**24
"""Of all pairs of cells, how many are held at once."""


def unit_features(
    features: Float[Tensor, "batch channels height width"],
) -> Float[Tensor, "batch channels height*width"]:
    """What each cell's features have beside the mean over the image, as a vector of length 1."""
    cells = features.flatten(2)
    return F.normalize(cells - cells.mean(-1, keepdim=True), dim=1)


def spread(
    maps: Float[Tensor, "batch classes height width"],
    features: Float[Tensor, "batch channels height width"],
    colours: UInt8[Tensor, "batch height width 3"],
    *,
    steps: int,
    deviation: float,
    rgb: float,
) -> Float[Tensor, "batch classes height width"]:
    """Maps after steps in each of which a cell takes the mean of all cells, weighed by how much they look like it.

    What the most telling part of an object says is then said of its other parts, too. The weights are

        w_ij = exp( -|f_i - f_j|^2 / 2 deviation^2 - |c_i - c_j|^2 / 2 rgb^2 ) / sum_j ...

    with f the `unit_features` and c the colours. Wang et al. 2020 (SEAM, arXiv:2004.04581) refine activation maps by
    such means in a module that is trained; here the network is as it was. Time grows with the square of the cells.

    Args:
        maps: those of the classes.
        features: of each cell.
        colours: of each cell.
        steps: how many.
        deviation: standard deviation of the weights in the features.
        rgb: standard deviation of the weights in colour, in levels of 0 to 255.
    """
    # ASSUME: SEAM's weights are positive cosines of learned features; those of frozen ones need a sharper fall
    height, width = maps.shape[2:]
    with torch.autocast(maps.device.type, enabled=False):
        vectors = torch.cat([unit_features(features.float()).mT / deviation, colours.flatten(1, 2) / rgb], dim=2)
        vectors = vectors - vectors.mean(1, keepdim=True)  # for precision: differences alone count
        norms = vectors.square().sum(-1)[:, None] / 2
        means = maps.float().flatten(2).mT
        parts = vectors.split(max(1, PAIRS // (len(maps) * height * width)), 1)
        for _ in range(steps):
            # exp(-|a - b|^2 / 2) is exp(a b - |b|^2 / 2) but for a factor of a, which the sum takes out
            means = torch.cat([(part @ vectors.mT - norms).softmax(-1) @ means for part in parts], 1)
    return means.mT.reshape(*maps.shape[:2], height, width).to(maps)
