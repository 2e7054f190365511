"""Dense CRF over all pairs of pixels, in torch: quadratic in their number, and the reference for every other engine."""

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from wsss.options.crf import Crf
from wsss.runtime.errors import WsssError

MOST_PIXELS = 20_000
"""Of one image: its matrix of all pairs takes 1.6 GB then, and three of them are held while it is formed."""

LEAST_EXPONENT = -60
"""Where Gaussians are cut off: exp(-60) beside a diagonal of 1 is lost in every sum. Much smaller ones are subnormal
numbers, with which a CPU multiplies matrices some 20 times more slowly."""


def weighted(
    exponent: Float[Tensor, "*batch pixels pixels"], *, weight: float, symmetric: bool = True
) -> Float[Tensor, "*batch pixels pixels"]:
    """A Gaussian kernel, normalised symmetrically, times its weight; written over the exponents, to save memory.

        K_ij = w n_i exp(E_ij) n_j,    n_i = 1 / sqrt( sum_j exp(E_ij) ), or 1

    The diagonal stays, as in pydensecrf; Krähenbühl & Koltun 2011 leave it out.

    Args:
        exponent: E, symmetric, 0 on the diagonal and at most 0 elsewhere.
        weight: w.
    """
    kernel = exponent.clamp_(min=LEAST_EXPONENT).exp_()
    if not symmetric:
        return kernel.mul_(weight)
    norm = (weight / kernel.sum(dim=-1)).sqrt()
    return kernel.mul_(norm[..., :, None]).mul_(norm[..., None, :])


def _apart_px(colour: Float[Tensor, "batch height width 3"]) -> Float[Tensor, "height*width height*width"]:
    """|x_i - x_j|^2 of the positions, the same for all images of a batch."""
    _, height, width, _ = colour.shape
    y, x = (torch.arange(side, dtype=colour.dtype, device=colour.device) for side in (height, width))
    dy, dx = (y[:, None] - y).square(), (x[:, None] - x).square()
    return (dy[:, None, :, None] + dx[None, :, None, :]).reshape(height * width, height * width)


def _apart_rgb(colour: Float[Tensor, "batch height width 3"]) -> Float[Tensor, "batch height*width height*width"]:
    """|c_i - c_j|^2 of the colours, in levels.

    By |c_i|^2 + |c_j|^2 - 2 c_i c_j, which is fast and, of levels, exact: whole numbers below 2^24 are float32, and
    those of a product's factors have 8 bits, which TF32 keeps. Once divided by appearance_rgb they would be neither.
    """
    colour = colour.flatten(1, 2)
    square = colour.square().sum(dim=-1)
    with torch.autocast(colour.device.type, enabled=False):  # bfloat16 has 8 bits of the product itself
        product = colour @ colour.mT
    return product.mul_(-2).add_(square[:, :, None]).add_(square[:, None, :])


def kernels(
    images: UInt8[Tensor, "batch height width 3"],
    parameters: Crf,
    *,
    further: Float[Tensor, "batch height*width height*width"] | None = None,
    dtype: torch.dtype = torch.float32,
) -> Float[Tensor, "batch height*width height*width"]:
    """Sums of the two normalised kernels, of position and of position and colour, each times its weight.

    11 MB an image of 41 x 41 in float32, formed on the images' device; a kernel of weight 0 is not formed.

    Args:
        images: their pixels' colours.
        parameters: weights and widths.
        further: exponents of what else than position and colour the second kernel is of; 0 on the diagonal, at most 0
            elsewhere.
        dtype: of the kernels.

    Raises:
        WsssError: more than MOST_PIXELS pixels.
    """
    batch, height, width, _ = images.shape
    if height * width > MOST_PIXELS:
        raise WsssError(
            f"the exact CRF holds all pairs of pixels, {height} x {width} are more than its {MOST_PIXELS} pixels:"
            " choose engine cells, or a smaller image"
        )
    symmetric = parameters.normalisation == "symmetric"
    colour = images.to(dtype)
    apart_px = _apart_px(colour)
    total = torch.zeros_like(apart_px)
    if parameters.smoothness_weight:
        exponent = apart_px / (-2 * parameters.smoothness_px**2)
        total = weighted(exponent, weight=parameters.smoothness_weight, symmetric=symmetric)
    if not parameters.appearance_weight:
        return total.expand(batch, -1, -1)
    apart_px /= -2 * parameters.appearance_px**2
    exponent = _apart_rgb(colour)
    torch.add(apart_px, exponent, alpha=-1 / (2 * parameters.appearance_rgb**2), out=exponent)
    if further is not None:
        exponent += further
    return weighted(exponent, weight=parameters.appearance_weight, symmetric=symmetric).add_(total)


def potts(classes: int) -> Float[Tensor, "{classes} {classes}"]:
    """Penalty 1 for two labels that differ, none for equal ones."""
    return 1 - torch.eye(classes)


def mean_field(
    unary: Float[Tensor, "*batch classes pixels"],
    kernel: Float[Tensor, "*batch pixels pixels"],
    compatibility: Float[Tensor, "classes classes"],
    *,
    steps: int,
) -> Float[Tensor, "*batch classes pixels"]:
    """Marginals of fully connected CRFs by mean-field inference, all pixels updated at once.

    Krähenbühl & Koltun 2011 (arXiv:1210.5644), algorithm 1, for label l and pixel i:

        Q_li <- softmax_l( -U_li - sum_m C_lm sum_j K_ij Q_mj ),    at first softmax_l( -U_li )

    Differentiable; a step keeps Q for that, and no copy of K.

    Args:
        unary: U, the energies -log p.
        kernel: K, symmetric, the weighted sum of the normalised Gaussians; its diagonal counts.
        compatibility: C_lm, the penalty of label l beside m.
        steps: number of updates.
    """
    logits = -unary.mT.contiguous()  # pixels before classes: the product with K is twice as fast on a CPU
    q = logits.softmax(dim=-1)
    for _ in range(steps):
        messages = torch.einsum("...ij,...jm->...im", kernel, q)
        pairwise = torch.einsum("lm,...im->...il", compatibility, messages)
        q = (logits - pairwise).softmax(dim=-1)
    return q.mT.contiguous()


def marginals(
    unary: Float[Tensor, "batch classes height width"],
    images: UInt8[Tensor, "batch height width 3"],
    parameters: Crf,
) -> Float[Tensor, "batch classes height width"]:
    """The engine "exact", differentiable with respect to the energies, in their precision.

    Raises:
        WsssError: more than MOST_PIXELS pixels.
    """
    kernel = kernels(images, parameters, dtype=unary.dtype)
    compatibility = potts(unary.shape[1]).to(unary)
    return mean_field(unary.flatten(2), kernel, compatibility, steps=parameters.steps).reshape(unary.shape)
