"""Dense CRF over all pairs of pixels: quadratic in their number, and the reference for every other engine."""

import numpy as np
import torch
from jaxtyping import Float, Float32, UInt8
from torch import Tensor

from wsss.errors import WsssError
from wsss.options import Crf

MOST_PIXELS = 20_000
"""Where the matrices of all pairs take 1.6 GB each."""


def normalised_kernel(features: Float[Tensor, "pixels channels"]) -> Float[Tensor, "pixels pixels"]:
    """Gaussian of the distances of the features, in standard deviations, normalised symmetrically.

        K_ij = n_i exp( -|f_i - f_j|^2 / 2 ) n_j,    n_i = 1 / sqrt( sum_j exp( -|f_i - f_j|^2 / 2 ) + 1e-20 )

    The diagonal stays, as in pydensecrf; Krähenbühl & Koltun 2011 leave it out.
    """
    distance = torch.cdist(features, features, compute_mode="donot_use_mm_for_euclid_dist")
    kernel = distance.square_().div_(-2).exp_()
    norm = (kernel.sum(dim=1) + 1e-20).rsqrt()
    return kernel.mul_(norm[:, None]).mul_(norm)


def image_kernel(image: UInt8[Tensor, "height width 3"], crf: Crf) -> Float[Tensor, "pixels pixels"]:
    """Sum of the two normalised kernels, of position and of position and colour, each times its weight."""
    height, width, _ = image.shape
    position = torch.cartesian_prod(torch.arange(height), torch.arange(width)).float()
    colour = image.flatten(0, 1).float()
    smoothness = normalised_kernel(position / crf.smoothness_px)
    appearance = normalised_kernel(torch.cat([position / crf.appearance_px, colour / crf.appearance_rgb], dim=1))
    return smoothness.mul_(crf.smoothness_weight).add_(appearance, alpha=crf.appearance_weight)


def potts(classes: int) -> Float[Tensor, "{classes} {classes}"]:
    """Penalty 1 for two labels that differ, none for equal ones."""
    return 1 - torch.eye(classes)


def mean_field(
    unary: Float[Tensor, "classes pixels"],
    kernel: Float[Tensor, "pixels pixels"],
    compatibility: Float[Tensor, "classes classes"],
    *,
    steps: int,
) -> Float[Tensor, "classes pixels"]:
    """Marginals of a fully connected CRF by mean-field inference, all pixels updated at once.

    Krähenbühl & Koltun 2011 (arXiv:1210.5644), algorithm 1, for label l and pixel i:

        Q_li <- softmax_l( -U_li - sum_m C_lm sum_j K_ij Q_mj ),    at first softmax_l( -U_li )

    Args:
        unary: U, the energies -log p.
        kernel: K, symmetric, the weighted sum of the normalised Gaussians; its diagonal counts.
        compatibility: C_lm, the penalty of label l beside m.
        steps: number of updates.
    """
    q = (-unary).softmax(dim=0)
    for _ in range(steps):
        messages = torch.einsum("ij,mj->mi", kernel, q)
        pairwise = torch.einsum("lm,mi->li", compatibility, messages)
        q = (-unary - pairwise).softmax(dim=0)
    return q


def marginals(
    unary: Float32[np.ndarray, "classes height width"], image: UInt8[np.ndarray, "height width 3"], crf: Crf
) -> Float32[np.ndarray, "classes height width"]:
    """The engine "exact" of `refine`.

    Raises:
        WsssError: more than MOST_PIXELS pixels.
    """
    classes, height, width = unary.shape
    if height * width > MOST_PIXELS:
        raise WsssError(
            f"the exact CRF holds all pairs of pixels, {height} x {width} are more than its {MOST_PIXELS} pixels:"
            " take engine lattice, or a smaller image"
        )
    kernel = image_kernel(torch.from_numpy(image), crf)
    energies = torch.from_numpy(unary).flatten(1)
    return mean_field(energies, kernel, potts(classes), steps=crf.steps).reshape(unary.shape).numpy()
