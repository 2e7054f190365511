"""Dense CRFs behind one interface, which takes energies and photographs and returns each pixel's marginals: `refine`
for one image in numpy, `marginals` for a batch in torch, as a loss needs it.

Krähenbühl & Koltun 2011 (arXiv:1210.5644). The energy of a labelling z of all pixels, U the unary energies:

    E(z) = sum_i U(z_i) + sum_(i<j) [z_i != z_j] ( w_s k_s(i, j) + w_a k_a(i, j) )
    k_s = exp( -|x_i - x_j|^2 / 2 smoothness_px^2 )
    k_a = exp( -|x_i - x_j|^2 / 2 appearance_px^2 - |c_i - c_j|^2 / 2 appearance_rgb^2 )

with x positions and c colours. Each kernel is normalised symmetrically (unless `normalisation` is none) and keeps
its diagonal, as in pydensecrf, so that the engines agree. They differ in what they leave out:

- exact: nothing. All pairs of pixels, so for small images, and what the others are held to.
- cells: all pairs of coarse cells, brought to the pixels along edges. Torch, on CPU and GPU; the default.
- convcrf: the same with messages within a window alone, as in ConvCRF (Teichmann & Cipolla 2019, arXiv:1805.04777).
- lattice: pydensecrf's permutohedral lattice, in C++ on one core, imported only when it is asked for.
"""

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Float32, Shaped
from torch import Tensor

from wsss.crf import cells, coarse, convcrf, exact, lattice
from wsss.crf.potentials import Potentials
from wsss.options.crf import TRAINABLE, Crf
from wsss.runtime.errors import WsssError

ABSENT = 1e4
"""Energy of a label that an image of a batch does not have: far above that of any score, so its probability is 0."""

Size = tuple[int, int]


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


def _one_by_one(engine: Callable[[Tensor, Tensor, Crf], Tensor]) -> Callable[..., Tensor]:
    """An engine for images of one size, for those of several."""

    def marginals(unary: Tensor, images: Tensor, sizes: Sequence[Size], parameters: Crf, _: None) -> Tensor:
        height, width = unary.shape[2:]
        if set(sizes) == {(height, width)}:
            return engine(unary, images, parameters)
        alone = (engine(unary[[i], :, :h, :w], images[[i], :h, :w], parameters) for i, (h, w) in enumerate(sizes))
        return torch.cat([F.pad(q, (0, width - q.shape[3], 0, height - q.shape[2])) for q in alone])

    return marginals


ENGINES = {
    "none": _one_by_one(_softmax),
    "cells": partial(coarse.marginals, messages=cells.messages),
    "convcrf": partial(coarse.marginals, messages=convcrf.messages),
    "lattice": _one_by_one(lattice.marginals),
    "exact": _one_by_one(exact.marginals),
}
"""Functions of (unary, images, sizes, parameters, potentials), which may take for granted what `marginals` has checked:
float32 or float64, on one device."""


def _check(unary: Tensor, images: Tensor, sizes: Sequence[Size]) -> None:
    if 0 in unary.shape:
        raise WsssError(
            f"the CRF's energies are {tuple(unary.shape)} (images, classes, height, width): give at least one image,"
            " one pixel, and a class for the background and each class of the image"
        )
    if images.dtype != torch.uint8 or images.shape[3] != 3:
        found = f"{str(images.dtype).removeprefix('torch.')} {tuple(images.shape[1:])}"
        raise WsssError(f"the CRF's image is {found}: give RGB, uint8, of (height, width, 3)")
    if len(unary) != len(images):
        raise WsssError(f"the CRF has the energies of {len(unary)} images and {len(images)} photographs: give one each")
    height, width = unary.shape[2:]
    if (height, width) != images.shape[1:3]:
        raise WsssError(
            f"the CRF's energies are {height} x {width}, its image is {images.shape[1]} x {images.shape[2]} (height x"
            " width): resize the one to the other"
        )
    if len(sizes) != len(unary) or any(not (0 < h <= height and 0 < w <= width) for h, w in sizes):
        raise WsssError(
            f"the CRF's batch is {len(unary)} images of up to {height} x {width} (height x width), its sizes are"
            f" {list(sizes)}: give one for each image"
        )


def _check_values(unary: Tensor) -> None:
    if unary.sum().isfinite():  # one pass over the energies; finite ones whose sum overflows are counted below
        return
    if bad := int((~unary.isfinite()).sum()):
        raise WsssError(
            f"{bad} of the CRF's {unary.numel()} energies are NaN or infinite: look at the scores they are of"
        )


def marginals(
    unary: Float[Tensor, "batch classes height width"],
    images: Shaped[Tensor, "images image_height image_width channels"],
    parameters: Crf,
    *,
    sizes: Sequence[Size] | None = None,
    potentials: Potentials | None = None,
    check_values: bool = True,
) -> Float[Tensor, "batch classes height width"]:
    """Marginals of the CRFs of a batch of images; over the classes they sum to 1.

    Engines exact, cells and convcrf work on the energies' device and pass gradients on to them, and the latter two to
    their potentials. Engine lattice works on the CPU and passes none; none is the softmax. Half precision is that of
    the result alone.

    Args:
        unary: energies -log p, lower is likelier; minus a network's logits will do, since a constant of a pixel's
            own changes nothing.
        images: RGB, uint8, of the same height and width: a network's input at the size of its output.
        parameters: engine and numbers; its lengths are in pixels of these images.
        sizes: (height, width) of each image, which lies at the upper left of a batch of larger ones; all of it where
            not given. An image's marginals do not depend on the others', and are 0 beyond it.
        potentials: learned numbers instead of those of `parameters`; for engines cells and convcrf.
        check_values: whether NaN and infinite energies are refused, for which a GPU is waited for. A training, whose
            loss they make NaN, finds them by that.

    Raises:
        WsssError: no classes, NaN or infinite energies, images of another number, size or type, and what the engine
            refuses.
    """
    sizes = [tuple(unary.shape[2:])] * len(unary) if sizes is None else sizes
    _check(unary, images, sizes)
    if check_values:
        _check_values(unary)
    if potentials and parameters.engine not in TRAINABLE:
        raise WsssError(
            f"the CRF engine {parameters.engine} takes no learned potentials: choose one of {', '.join(TRAINABLE)}"
        )
    coupled = potentials or parameters.smoothness_weight or parameters.appearance_weight or parameters.unary_weight != 1
    engine = parameters.engine if parameters.steps and coupled and unary.shape[1] > 1 else "none"
    energies = unary.to(torch.promote_types(unary.dtype, torch.float32))
    with torch.autocast(unary.device.type, enabled=False):  # which would take the products in half precision
        return ENGINES[engine](energies, images.to(unary.device), sizes, parameters, potentials).to(unary.dtype)


def refine(
    unary: Float32[np.ndarray, "classes height width"],
    image: Shaped[np.ndarray, "image_height image_width channels"],
    crf: Crf,
    *,
    potentials: Potentials | None = None,
) -> Float32[np.ndarray, "classes height width"]:
    """`marginals` of one image, in numpy.

    Args:
        unary: energies -log p (`unary_of`) of the classes to choose from, lower is likelier.
        image: RGB, uint8, of the same height and width.
        crf: engine and numbers. Labels below its `least_probability` everywhere get the marginal 0, and the others
            are found as if those did not exist; a learned compatibility needs all labels, so none is left out then.
        potentials: as `marginals`.

    Raises:
        WsssError: as `marginals`.
    """
    # copies: torch takes no negative strides, and warns of arrays that cannot be written to
    energies, images = (torch.from_numpy(np.array(array, order="C"))[None] for array in (unary, image))
    with torch.no_grad():
        if not crf.least_probability or (potentials and potentials.compatibility is not None):
            return marginals(energies, images, crf, potentials=potentials)[0].numpy()
        kept = _likely(energies[0], crf.least_probability)
        found = torch.zeros_like(energies[0])
        found[kept] = marginals(energies[:, kept], images, crf, potentials=potentials)[0]
        return found.numpy()


def _likely(unary: Float[Tensor, "classes height width"], least: float) -> Bool[Tensor, " classes"]:
    """The labels whose probability exceeds `least` at some pixel; of none that does so, all."""
    kept = (-unary).softmax(dim=0).flatten(1).amax(dim=1) > least
    return kept if kept.any() else torch.ones_like(kept)


def padded(
    unaries: Sequence[Float[Tensor, "_ _ _"]], images: Sequence[Shaped[Tensor, "_ _ 3"]]
) -> tuple[Float[Tensor, "batch classes height width"], Shaped[Tensor, "batch height width 3"], list[Size]]:
    """Images of different sizes, each with classes of its own, as one batch: (unary, images, sizes) for `marginals`.

    Classes that an image lacks come last, and have probability 0. (A learned compatibility belongs to one order of
    classes, so it needs images that all have the same.)

    Raises:
        WsssError: no images, energies and photographs of other numbers or sizes.
    """
    if not images or len(unaries) != len(images):
        raise WsssError(f"{len(unaries)} images' energies and {len(images)} photographs are not a batch: give one each")
    sizes = [tuple(image.shape[:2]) for image in images]
    for unary, size in zip(unaries, sizes, strict=True):
        if tuple(unary.shape[1:]) != size:
            raise WsssError(f"the CRF's energies are {tuple(unary.shape[1:])}, their image is {size} (height, width)")
    height, width = (max(sides) for sides in zip(*sizes, strict=True))
    classes = max(len(unary) for unary in unaries)
    energies = unaries[0].new_full((len(sizes), classes, height, width), ABSENT)
    photographs = images[0].new_zeros(len(sizes), height, width, 3)
    for i, (unary, image, (h, w)) in enumerate(zip(unaries, images, sizes, strict=True)):
        energies[i, : len(unary), :h, :w] = unary
        photographs[i, :h, :w] = image
    return energies, photographs, sizes
