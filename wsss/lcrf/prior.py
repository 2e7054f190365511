"""The kernel of the latent CRF's prior p(z|x): equal labels for cells that look alike (`wsss.lcrf.bound`)."""

from dataclasses import replace

import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt8
from torch import Tensor

from wsss.crf import exact
from wsss.options.crf import PSA, Crf
from wsss.options.lcrf import Prior


def kernels(
    colours: UInt8[Tensor, "batch height width 3"],
    prior: Prior,
    features: Float[Tensor, "batch channels height width"] | None = None,
) -> Float[Tensor, "batch height*width height*width"]:
    """K of each image, symmetric: the kernel of positions, and that of positions, colours and features.

    The exponents of the second one are, with f the features of `unit_features`,

        E_ij = -|p_i - p_j|^2 / 2 s_p^2 - |c_i - c_j|^2 / 2 s_c^2 - |f_i - f_j|^2 / 2 s_f^2

    Args:
        colours: the colour of each cell.
        prior: weights and widths.
        features: of each cell, those of the frozen classifier; they are not asked for where `appearance_features` is 0.

    Raises:
        WsssError: more cells than `wsss.crf.exact` takes.
    """
    further = None
    if prior.appearance_features:
        # ASSUME: the sources name a kernel that depends on x, and not on what of x
        f = unit_features(features)
        with torch.autocast(f.device.type, enabled=False):  # its rounding would be that of the distance of near cells
            cosine = f.mT @ f
        diagonal = cosine.diagonal(dim1=1, dim2=2)  # 1 but for rounding, and 0 where a cell has the mean's features
        apart = (diagonal[:, :, None] + diagonal[:, None, :] - 2 * cosine).clamp(min=0)
        further = apart / (-2 * prior.appearance_features**2)
    return exact.kernels(colours, crf_of(prior), further=further)


def unit_features(
    features: Float[Tensor, "batch channels height width"],
) -> Float[Tensor, "batch channels height*width"]:
    """What each cell's features have beside the mean over the image, as a vector of length 1."""
    cells = features.flatten(2)
    return F.normalize(cells - cells.mean(-1, keepdim=True), dim=1)


def crf_of(prior: Prior) -> Crf:
    """The prior's numbers as the exact CRF takes them; its pixels are the cells."""
    return replace(
        PSA,
        engine="exact",
        steps=1,
        smoothness_weight=prior.smoothness_weight,
        smoothness_px=prior.smoothness_cells,
        appearance_weight=prior.appearance_weight,
        appearance_px=prior.appearance_cells,
        appearance_rgb=prior.appearance_rgb,
    )
