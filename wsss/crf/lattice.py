"""Dense CRF by pydensecrf: filters on the permutohedral lattice, on the CPU, in time linear in the pixels."""

import numpy as np
from jaxtyping import Float32, UInt8

from wsss.errors import WsssError
from wsss.options import Crf


def marginals(
    unary: Float32[np.ndarray, "classes height width"], image: UInt8[np.ndarray, "height width 3"], crf: Crf
) -> Float32[np.ndarray, "classes height width"]:
    """The engine "lattice" of `refine`: Krähenbühl & Koltun 2011 with symmetric normalisation, a pixel's own message
    included. The lattice approximates the Gaussians, least well the narrow ones.

    Raises:
        WsssError: pydensecrf is not installed.
    """
    try:
        from pydensecrf import densecrf
    except ImportError as error:
        raise WsssError(
            "the CRF engine lattice needs pydensecrf, which is not installed: pip install pydensecrf2 (a build of it"
            " that compiles today), or take engine exact or none"
        ) from error
    classes, height, width = unary.shape
    field = densecrf.DenseCRF2D(width, height, classes)
    field.setUnaryEnergy(unary.reshape(classes, -1))
    kernel = {"kernel": densecrf.DIAG_KERNEL, "normalization": densecrf.NORMALIZE_SYMMETRIC}
    field.addPairwiseGaussian(sxy=crf.smoothness_px, compat=crf.smoothness_weight, **kernel)
    field.addPairwiseBilateral(
        sxy=crf.appearance_px,
        srgb=crf.appearance_rgb,
        rgbim=image,
        compat=crf.appearance_weight,
        **kernel,
    )
    return np.array(field.inference(crf.steps), dtype=np.float32).reshape(unary.shape)
