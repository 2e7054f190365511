"""The kernel of the latent CRF's prior p(z|x): equal labels for cells that look alike (`wsss.lcrf.bound`)."""

from dataclasses import replace

from jaxtyping import Float, UInt8
from torch import Tensor

from wsss.crf import exact
from wsss.crf.features import exponents
from wsss.options.crf import PSA, Crf
from wsss.options.lcrf import Prior


def kernels(
    colours: UInt8[Tensor, "batch height width 3"],
    prior: Prior,
    features: Float[Tensor, "batch channels height width"] | None = None,
) -> Float[Tensor, "batch height*width height*width"]:
    """K of each image, symmetric: the kernel of positions, and that of positions, colours and features.

    The exponents of the second one are, with f the features of `wsss.maths.correlation.unit_features`,

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
        further = exponents(features, prior.appearance_features)
    return exact.kernels(colours, crf_of(prior), further=further)


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
