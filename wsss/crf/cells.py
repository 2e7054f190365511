"""The engine "cells": messages between all pairs of coarse cells; quadratic in the cells, so for few of them.

For cell i of a_i pixels and features f, each kernel's message for the maps q is

    m_i = w n_i sum_j k(f_i, f_j) n_j a_j q_j,    n_i = 1 / sqrt( sum_j k(f_i, f_j) a_j )

or without the n where the kernel is not normalised. No normalised kernel is formed: the maps are scaled instead.
What is done with the messages is `coarse`.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from wsss.crf.coarse import Linear
from wsss.crf.exact import LEAST_EXPONENT
from wsss.crf.levels import Level
from wsss.crf.potentials import Potentials
from wsss.options.crf import Crf
from wsss.runtime.errors import WsssError

MOST_CELLS = 20_000
"""Among which all pairs are formed: their matrix takes 1.6 GB then."""


def messages(level: Level, potentials: Potentials, parameters: Crf) -> Linear:
    """The messages of both kernels, as a function of maps (batch, labels, rows, columns).

    Args:
        level: its cells send and receive.
        potentials: the numbers of the kernels.
        parameters: whether the kernels are normalised.

    Raises:
        WsssError: more than MOST_CELLS cells.
    """
    rows, columns = level.areas.shape[-2:]
    if rows * columns > MOST_CELLS:
        raise WsssError(
            f"the CRF's {rows} x {columns} cells are too many for all their pairs: set max_cells to {MOST_CELLS} or"
            " less, or choose engine convcrf"
        )
    symmetric = parameters.normalisation == "symmetric"
    near = _scaled(_smoothness(level, potentials), level, potentials.smoothness_weight, symmetric=symmetric)
    alike = _scaled(_appearance(level, potentials), level, potentials.appearance_weight, symmetric=symmetric)
    return lambda q: near(q) + alike(q)


def _scaled(gathered: Linear, level: Level, weight: Tensor, *, symmetric: bool) -> Linear:
    """The message of one kernel, from the function that gives sum_j k_ij maps_j."""
    if not symmetric:
        return lambda q: weight * gathered(q * level.areas)
    norm = torch.where(level.areas > 0, gathered(level.areas), 1.0).rsqrt()  # far padding has a sum of 0
    sent, received = norm * level.areas, weight * norm
    return lambda q: gathered(q * sent) * received


def _gaussian(count: int, level: Level, spread_px: Tensor) -> Float[Tensor, "{count} {count}"]:
    """The Gaussian of places between the cells along one axis."""
    along = torch.arange(count, device=level.areas.device)
    return level.gaussian(spread_px, count=count)[(along[:, None] - along).abs()]


def _smoothness(level: Level, potentials: Potentials) -> Linear:
    """The Gaussian of places is one along each axis."""
    down, across = (_gaussian(count, level, potentials.smoothness_px) for count in level.areas.shape[-2:])
    return lambda maps: down @ maps @ across


def _appearance(level: Level, potentials: Potentials) -> Linear:
    """The Gaussian of places and colours: one matrix of cells x cells for each image, written over its exponents."""
    rows, columns = level.areas.shape[-2:]
    features = potentials.features(level.colours).flatten(2)
    features = features - features.mean(dim=2, keepdim=True).round()  # smaller numbers, and whole ones stay whole
    square = features.square().sum(dim=1, keepdim=True)
    one = torch.ones_like(square)
    # |f_i|^2 + |f_j|^2 - 2 f_i f_j, in levels, not in units of appearance_rgb: exact in float32 for whole levels
    apart = torch.cat([features, square, one], dim=1).mT @ torch.cat([-2 * features, one, square], dim=1)
    apart = apart.mul_(1 / (-2 * potentials.appearance_rgb**2)).unflatten(2, (rows, columns))
    apart = apart.unflatten(1, (rows, columns))
    down, across = (_gaussian(count, level, potentials.appearance_px).log() for count in (rows, columns))
    apart = apart.add_(down[:, None, :, None]).add_(across[:, None, :])
    kernel = apart.clamp_(min=LEAST_EXPONENT).exp_().flatten(3).flatten(1, 2)
    return lambda maps: (maps.flatten(2) @ kernel).unflatten(2, (rows, columns))
