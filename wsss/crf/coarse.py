"""What the engines "cells" and "convcrf" share: a mean field on few cells, brought to the pixels along edges.

All pairs of pixels are too many, and a window alone, as in ConvCRF (Teichmann & Cipolla 2019, arXiv:1805.04777), loses
what far messages bring. So the field is found on a coarser level, where messages go between all pairs of cells, or
within a window if one is asked for. Then each pixel takes its last update, with its own energies, from its cell's
neighbourhood. In torch, on CPU and GPU, for a batch; a gradient reaches the energies and every number. Where cells are
pixels nothing is approximated: then all pairs, or a window as large as the image, are the engine "exact".
"""

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt8
from torch import Tensor

from wsss.crf.levels import Level, bilinear_upsample, guided_bands, margin_of, side_of
from wsss.crf.potentials import Potentials, potentials_of
from wsss.options.crf import Crf
from wsss.runtime.errors import WsssError

Linear = Callable[[Tensor], Tensor]
Messages = Callable[[Level, Potentials, Crf], Linear]
"""From cells, the numbers of the kernels and the settings to the messages that maps (batch, labels, rows, columns) send
over both kernels."""


def marginals(
    unary: Float[Tensor, "batch labels height width"],
    images: UInt8[Tensor, "batch height width 3"],
    sizes: Sequence[tuple[int, int]],
    parameters: Crf,
    potentials: Potentials | None,
    messages: Messages,
) -> Float[Tensor, "batch labels height width"]:
    """Marginals at each pixel, in the energies' precision; differentiable in the energies and the potentials.

    Images whose cells have the same side go together, so that an image's result does not depend on the rest of its
    batch; upright ones by themselves, so that little of a batch is padding.

    Raises:
        WsssError: a compatibility of another number of labels, and what `messages` refuses.
    """
    potentials = potentials.to(unary) if potentials else potentials_of(parameters, like=unary)
    if potentials.compatibility is not None and potentials.compatibility.shape[1] != unary.shape[1]:
        raise WsssError(
            f"the CRF was fitted for {len(potentials.compatibility)} classes, these energies are of {unary.shape[1]}"
        )
    infer = _blurred if parameters.coarsening == "blur" else _on_cells
    groups: dict[tuple[int, tuple[int, int], bool], list[int]] = {}
    for rank, (height, width) in enumerate(sizes):
        side = side_of((height, width), max_cells=parameters.max_cells)
        margin = margin_of((height, width), side=side) if parameters.coarsening == "blur" else (0, 0)
        groups.setdefault((side, margin, height < width), []).append(rank)
    side, margin, _ = next(iter(groups))
    if len(groups) == 1 and margin == (0, 0) and set(sizes) == {tuple(unary.shape[2:])}:
        inside = torch.ones_like(unary[:, :1])
        pixels = Level(1, unary, images.movedim(3, 1).to(unary), inside, padded=False)
        return infer(pixels, potentials, parameters, messages, side=side)
    found = torch.zeros_like(unary)
    for (side, (above, left), _), ranks in groups.items():
        high, wide = (max(sizes[rank][axis] for rank in ranks) for axis in (0, 1))
        inside = unary.new_zeros(len(ranks), 1, above + high, left + wide)
        for one, rank in zip(inside, ranks, strict=True):
            one[:, above : above + sizes[rank][0], left : left + sizes[rank][1]] = 1
        energies = F.pad(unary[ranks, :, :high, :wide], (left, 0, above, 0))
        colours = F.pad(images[ranks, :high, :wide].movedim(3, 1).to(unary), (left, 0, above, 0))
        padded = (above, left) != (0, 0) or {sizes[rank] for rank in ranks} != {(high, wide)}
        pixels = Level(1, energies, colours, inside, padded=padded)
        q = infer(pixels, potentials, parameters, messages, side=side) * inside
        found[ranks, :, :high, :wide] = q[:, :, above:, left:]
    return found


def _on_cells(
    pixels: Level, potentials: Potentials, parameters: Crf, messages: Messages, *, side: int
) -> Float[Tensor, "batch labels height width"]:
    """Marginals at each pixel, by mean-field inference, all places updated at once.

    Krähenbühl & Koltun 2011 (arXiv:1210.5644), algorithm 1; U are the energies:

        Q <- softmax( -u U + rewards(messages(Q)) ),    at first softmax( -U ), or its logarithm

    with u the weight of the energies, 1 as published there; ConvCRF's code has others.
    The last update is that of the pixels, the others are of cells of `side` pixels.
    """
    level = pixels.in_cells(side)
    send = messages(level, potentials, parameters)
    inside = level.areas > 0  # a compatibility that is a convolution must not bring in what lies beyond

    def rewards(q: Tensor) -> Tensor:
        return potentials.rewards(send(q) * inside)

    q = _first(level.unary, parameters)
    energies, pixel_energies = _weighed(level.unary, parameters), _weighed(pixels.unary, parameters)
    for _ in range(parameters.steps - 1):
        q = (rewards(q) - energies).softmax(dim=1)
    bands = guided_bands(rewards(q), level, pixels)  # each is done while it is in the cache
    return torch.cat([(band - pixel_energies[:, :, rows]).softmax(dim=1) for rows, band in bands], dim=2)


def _blurred(
    pixels: Level, potentials: Potentials, parameters: Crf, messages: Messages, *, side: int
) -> Float[Tensor, "batch labels height width"]:
    """Marginals at each pixel, as ConvCRF's published code finds them with its `blur`.

        Q <- softmax( -u U + upsampled(rewards(messages(mean(Q)))) )

    All updates are of the pixels; only messages are those of cells, to which the pixels' means are sent.
    """
    level, mean = pixels.blurred(side), pixels.means(side)
    send = messages(level, potentials, parameters)
    inside = level.areas > 0
    energies = _weighed(pixels.unary, parameters)
    q = _first(pixels.unary, parameters)
    for _ in range(parameters.steps):
        rewards = potentials.rewards(send(mean(q)) * inside)
        q = (bilinear_upsample(rewards, level, pixels) - energies).softmax(dim=1)
    return q


def _first(
    unary: Float[Tensor, "batch labels height width"], parameters: Crf
) -> Float[Tensor, "batch labels height width"]:
    """What the first step sends."""
    return (-unary).log_softmax(dim=1) if parameters.first_message == "logarithms" else (-unary).softmax(dim=1)


def _weighed(
    unary: Float[Tensor, "batch labels height width"], parameters: Crf
) -> Float[Tensor, "batch labels height width"]:
    return unary if parameters.unary_weight == 1 else parameters.unary_weight * unary
