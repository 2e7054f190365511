"""Dense CRF by pydensecrf: filters on the permutohedral lattice, on the CPU, in time linear in the pixels."""

from types import ModuleType

import numpy as np
import torch
from jaxtyping import Float, Float32, UInt8
from torch import Tensor

from wsss.options.crf import Crf
from wsss.runtime.errors import WsssError


def _densecrf() -> ModuleType:
    try:
        from pydensecrf import densecrf
    except ImportError as error:
        raise WsssError(
            "the CRF engine lattice needs pydensecrf, which is not installed: pip install pydensecrf2 (a build of it"
            " that compiles today), or choose engine cells"
        ) from error
    return densecrf


def _of_one_image(
    unary: Float32[np.ndarray, "classes height width"], image: UInt8[np.ndarray, "height width 3"], parameters: Crf
) -> Float32[np.ndarray, "classes height width"]:
    densecrf = _densecrf()
    classes, height, width = unary.shape
    field = densecrf.DenseCRF2D(width, height, classes)
    field.setUnaryEnergy(unary.reshape(classes, -1))
    kernel = {"kernel": densecrf.DIAG_KERNEL, "normalization": densecrf.NORMALIZE_SYMMETRIC}
    if parameters.smoothness_weight:
        field.addPairwiseGaussian(sxy=parameters.smoothness_px, compat=parameters.smoothness_weight, **kernel)
    if parameters.appearance_weight:
        field.addPairwiseBilateral(
            sxy=parameters.appearance_px,
            srgb=parameters.appearance_rgb,
            rgbim=image,
            compat=parameters.appearance_weight,
            **kernel,
        )
    return np.array(field.inference(parameters.steps), dtype=np.float32).reshape(unary.shape)


def marginals(
    unary: Float[Tensor, "batch classes height width"],
    images: UInt8[Tensor, "batch height width 3"],
    parameters: Crf,
) -> Float[Tensor, "batch classes height width"]:
    """The engine "lattice": Krähenbühl & Koltun 2011 with symmetric normalisation, a pixel's own message included.

    The lattice approximates the Gaussians, least well the narrow ones. One image after another, in float32.

    Raises:
        WsssError: pydensecrf is not installed, or a gradient is asked for.
    """
    if unary.requires_grad and torch.is_grad_enabled():
        raise WsssError("the CRF engine lattice has no gradient: detach the energies, or choose engine cells")
    q = torch.empty_like(unary)
    for target, energies, image in zip(q, unary.detach().float().cpu(), images.cpu(), strict=True):
        found = _of_one_image(energies.contiguous().numpy(), image.contiguous().numpy(), parameters)
        target.copy_(torch.from_numpy(found))
    return q
