"""A dense CRF of a network's few cells, which favours equal labels where a classifier sees the same, too.

Its one kernel is of positions, colours and features; see `wsss.crf` for the energy. Colours say where an object ends,
and features what belongs together, such as the black and the white parts of a dog. Cells send nothing to themselves, as
in Krähenbühl & Koltun 2011 (arXiv:1210.5644): on a coarse grid, where few cells are alike, such messages would keep
each at the label that it has.
"""

from dataclasses import replace

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from wsss.crf import exact
from wsss.maths.correlation import unit_features
from wsss.options.crf import PSA, FeatureCrf


def exponents(
    features: Float[Tensor, "batch channels height width"], deviation: float
) -> Float[Tensor, "batch height*width height*width"]:
    """-|f_i - f_j|^2 / 2 deviation^2 of the `unit_features` f of all pairs of cells."""
    f = unit_features(features)
    with torch.autocast(f.device.type, enabled=False):  # its rounding would be that of the distance of near cells
        cosine = f.mT @ f
    diagonal = cosine.diagonal(dim1=1, dim2=2)  # 1 but for rounding, and 0 where a cell has the mean's features
    apart = (diagonal[:, :, None] + diagonal[:, None, :] - 2 * cosine).clamp(min=0)
    return apart / (-2 * deviation**2)


def kernel(
    colours: UInt8[Tensor, "batch height width 3"],
    features: Float[Tensor, "batch channels height width"],
    numbers: FeatureCrf,
) -> Float[Tensor, "batch height*width height*width"]:
    """K of each image: normalised symmetrically, times its weight, then with a diagonal of 0.

    Args:
        colours: the colour of each cell.
        features: of each cell.
        numbers: weight and widths.

    Raises:
        WsssError: more cells than `wsss.crf.exact` takes.
    """
    crf = replace(
        PSA,
        engine="exact",
        smoothness_weight=0,
        appearance_weight=numbers.weight,
        appearance_px=numbers.cells,
        appearance_rgb=numbers.rgb,
    )
    further = exponents(features.float(), numbers.features)
    return exact.kernels(colours, crf, further=further).mul_(1 - torch.eye(further.shape[-1], device=further.device))


def marginals(
    unary: Float[Tensor, "batch classes height width"],
    kernel: Float[Tensor, "batch height*width height*width"],
    *,
    steps: int,
) -> Float[Tensor, "batch classes height width"]:
    """Marginals of the CRF by mean-field inference, differentiable with respect to the energies.

    Args:
        unary: the energies -log p.
        kernel: K, from `kernel`.
        steps: number of updates.
    """
    with torch.autocast(unary.device.type, enabled=False):  # labels differ by little of what the kernel sums up
        penalties = exact.potts(unary.shape[1]).to(unary)
        return exact.mean_field(unary.flatten(2), kernel.to(unary.dtype), penalties, steps=steps).reshape(unary.shape)
