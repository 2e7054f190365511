"""Dense CRFs behind one interface, which takes energies and photographs and returns each pixel's marginals: `refine`
for one image in numpy, `marginals` for a batch in torch, as a loss needs it.

Krähenbühl & Koltun 2011 (arXiv:1210.5644). The energy of a labelling z of all pixels, U the unary energies:

    E(z) = sum_i U(z_i) + sum_(i<j) [z_i != z_j] ( w_s k_s(i, j) + w_a k_a(i, j) )
    k_s = exp( -|x_i - x_j|^2 / 2 smoothness_px^2 )
    k_a = exp( -|x_i - x_j|^2 / 2 appearance_px^2 - |c_i - c_j|^2 / 2 appearance_rgb^2 )

with x positions and c colours. Each kernel is normalised symmetrically and keeps its diagonal, as in pydensecrf, so
that the engines agree.
"""

import numpy as np
import torch
from jaxtyping import Float, Float32, Shaped
from torch import Tensor

from wsss.crf import exact, lattice
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


def _softmax(unary: Tensor, images: Tensor, parameters: Crf) -> Tensor:
    return (-unary).softmax(dim=1)


ENGINES = {"none": _softmax, "lattice": lattice.marginals, "exact": exact.marginals}
"""Functions of (unary, images, parameters), which may take for granted what `marginals` has checked: float32 or
float64, on one device."""


def _check(unary: Tensor, images: Tensor) -> None:
    if unary.shape[1] == 0:
        raise WsssError("the CRF's energies have no class: give the background's and one for each class of the image")
    if images.dtype != torch.uint8 or images.shape[3] != 3:
        found = f"{str(images.dtype).removeprefix('torch.')} {tuple(images.shape[1:])}"
        raise WsssError(f"the CRF's image is {found}: give RGB, uint8, of (height, width, 3)")
    if len(unary) != len(images):
        raise WsssError(f"the CRF has the energies of {len(unary)} images and {len(images)} photographs: give one each")
    if unary.shape[2:] != images.shape[1:3]:
        raise WsssError(
            f"the CRF's energies are {unary.shape[2]} x {unary.shape[3]}, its image is {images.shape[1]} x"
            f" {images.shape[2]} (height x width): resize the one to the other"
        )
    if bad := int((~unary.isfinite()).sum()):
        raise WsssError(
            f"{bad} of the CRF's {unary.numel()} energies are NaN or infinite: look at the scores they are of"
        )


def marginals(
    unary: Float[Tensor, "batch classes height width"],
    images: Shaped[Tensor, "images image_height image_width channels"],
    parameters: Crf,
) -> Float[Tensor, "batch classes height width"]:
    """Marginals of the CRFs of a batch of images; over the classes they sum to 1.

    Engine exact works on the energies' device and passes gradients on to them, lattice on the CPU and without; none is
    the softmax. Half precision is that of the result alone.

    Args:
        unary: energies -log p, lower is likelier; minus a network's logits will do, since a constant of a pixel's
            own changes nothing.
        images: RGB, uint8, of the same height and width: a network's input at the size of its output.
        parameters: engine and numbers; its lengths are in pixels of these images.

    Raises:
        WsssError: no classes, NaN or infinite energies, images of another number, size or type, and what the engine
            refuses.
    """
    _check(unary, images)
    coupled = parameters.steps and (parameters.smoothness_weight or parameters.appearance_weight)
    engine = parameters.engine if coupled and unary.shape[1] > 1 else "none"
    energies = unary.to(torch.promote_types(unary.dtype, torch.float32))
    return ENGINES[engine](energies, images.to(unary.device), parameters).to(unary.dtype)


def refine(
    unary: Float32[np.ndarray, "classes height width"],
    image: Shaped[np.ndarray, "image_height image_width channels"],
    crf: Crf,
) -> Float32[np.ndarray, "classes height width"]:
    """`marginals` of one image, in numpy.

    Args:
        unary: energies -log p (`unary_of`) of the classes to choose from, lower is likelier.
        image: RGB, uint8, of the same height and width.
        crf: engine and numbers.

    Raises:
        WsssError: as `marginals`.
    """
    # copies: torch takes no negative strides, and warns of arrays that cannot be written to
    energies, images = (torch.from_numpy(np.array(array, order="C"))[None] for array in (unary, image))
    return marginals(energies, images, crf)[0].numpy()
