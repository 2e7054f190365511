"""Dense CRFs behind one interface: `refine` takes energies and a photograph, and returns each pixel's marginals.

Krähenbühl & Koltun 2011 (arXiv:1210.5644). The energy of a labelling z of all pixels, U the unary energies:

    E(z) = sum_i U(z_i) + sum_(i<j) [z_i != z_j] ( w_s k_s(i, j) + w_a k_a(i, j) )
    k_s = exp( -|x_i - x_j|^2 / 2 smoothness_px^2 )
    k_a = exp( -|x_i - x_j|^2 / 2 appearance_px^2 - |c_i - c_j|^2 / 2 appearance_rgb^2 )

with x positions and c colours. Each kernel is normalised symmetrically and keeps its diagonal, as in pydensecrf, so
that the engines agree.
"""

import numpy as np
from jaxtyping import Float, Float32, Shaped

from wsss.errors import WsssError
from wsss.options import Crf


def unary_of(
    scores: Float[np.ndarray, "classes height width"], *, eps: float = 1e-5
) -> Float32[np.ndarray, "classes height width"]:
    """Energies -log p of scores clipped to [eps, 1].

    They are not normalised over the classes, neither before nor after: PSA feeds its CRF with CAMs and a background
    score that need not sum to 1, and pydensecrf's unary_from_softmax takes them as they are. Mean field sees the ratios
    of the scores alone, but for what the clipping does to them.
    """
    return -np.log(np.clip(scores, eps, 1)).astype(np.float32)


def _softmax(unary: np.ndarray, image: np.ndarray, crf: Crf) -> np.ndarray:
    likelihood = np.exp(unary.min(axis=0) - unary)
    return likelihood / likelihood.sum(axis=0)


def _lattice(unary: np.ndarray, image: np.ndarray, crf: Crf) -> np.ndarray:
    from wsss.crf import lattice

    return lattice.marginals(unary, image, crf)


def _exact(unary: np.ndarray, image: np.ndarray, crf: Crf) -> np.ndarray:
    from wsss.crf import exact

    return exact.marginals(unary, image, crf)


ENGINES = {"none": _softmax, "lattice": _lattice, "exact": _exact}
"""Functions of (unary, image, crf), which may take for granted what `refine` has checked, and contiguous arrays."""


def _check(unary: np.ndarray, image: np.ndarray) -> None:
    if unary.shape[0] == 0:
        raise WsssError("the CRF's energies have no class: give the background's and one for each class of the image")
    if image.dtype != np.uint8 or image.shape[2] != 3:
        raise WsssError(f"the CRF's image is {image.dtype} {image.shape}: give RGB, uint8, of (height, width, 3)")
    if unary.shape[1:] != image.shape[:2]:
        raise WsssError(
            f"the CRF's energies are {unary.shape[1]} x {unary.shape[2]}, its image is {image.shape[0]} x"
            f" {image.shape[1]} (height x width): resize the scores to the image"
        )
    if bad := int((~np.isfinite(unary)).sum()):
        raise WsssError(f"{bad} of the CRF's {unary.size} energies are NaN or infinite: look at the scores they are of")


def refine(
    unary: Float32[np.ndarray, "classes height width"],
    image: Shaped[np.ndarray, "image_height image_width channels"],
    crf: Crf,
) -> Float32[np.ndarray, "classes height width"]:
    """Marginals of the CRF of these energies (`unary_of`) over this photograph; over the classes they sum to 1.

    Args:
        unary: energies -log p of the classes to choose from, lower is likelier.
        image: RGB, uint8, of the same height and width.
        crf: engine and numbers.

    Raises:
        WsssError: no classes, NaN or infinite energies, an image of another size or type, and what the engine refuses.
    """
    _check(unary, image)
    if len(unary) == 1:
        return np.ones_like(unary)
    return ENGINES[crf.engine](np.ascontiguousarray(unary), np.ascontiguousarray(image), crf).astype(np.float32)
