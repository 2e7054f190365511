"""What the engines "cells" and "convcrf" share: a mean field on few cells, brought to the pixels along edges.

All pairs of pixels are too many, and a window alone, as in ConvCRF (Teichmann & Cipolla 2019, arXiv:1805.04777), loses
what far messages bring. So the field is found on a coarser level, where messages go between all pairs of cells, or
within a window if one is asked for. Then each pixel takes its last update, with its own energies, from its cell's
neighbourhood. In torch, on CPU and GPU, for a batch; a gradient reaches the energies and every number. Where cells are
pixels nothing is approximated: then all pairs, or a window as large as the image, are the engine "exact".
"""

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from wsss.crf.levels import Level, guided_bands, side_of
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
    groups: dict[tuple[int, bool], list[int]] = {}
    for rank, (height, width) in enumerate(sizes):
        groups.setdefault((side_of((height, width), max_cells=parameters.max_cells), height < width), []).append(rank)
    if len(groups) == 1 and set(sizes) == {tuple(unary.shape[2:])}:
        inside = torch.ones_like(unary[:, :1])
        pixels = Level(1, unary, images.movedim(3, 1).to(unary), inside)
        return _on_cells(pixels, potentials, parameters, messages, side=next(iter(groups))[0])
    found = torch.zeros_like(unary)
    for (side, _), ranks in groups.items():
        high, wide = (max(sizes[rank][axis] for rank in ranks) for axis in (0, 1))
        inside = unary.new_zeros(len(ranks), 1, high, wide)
        for one, rank in zip(inside, ranks, strict=True):
            one[:, : sizes[rank][0], : sizes[rank][1]] = 1
        colours = images[ranks, :high, :wide].movedim(3, 1).to(unary)
        pixels = Level(1, unary[ranks, :, :high, :wide], colours, inside)
        found[ranks, :, :high, :wide] = _on_cells(pixels, potentials, parameters, messages, side=side) * inside
    return found


def _on_cells(
    pixels: Level, potentials: Potentials, parameters: Crf, messages: Messages, *, side: int
) -> Float[Tensor, "batch labels height width"]:
    """Marginals at each pixel, by mean-field inference, all places updated at once.

    Krähenbühl & Koltun 2011 (arXiv:1210.5644), algorithm 1; U are the energies:

        Q <- softmax( -U + rewards(messages(Q)) ),    at first softmax( -U )

    The last update is that of the pixels, the others are of cells of `side` pixels.
    """
    level = pixels.in_cells(side)
    send = messages(level, potentials, parameters)
    inside = level.areas > 0  # a compatibility that is a convolution must not bring in what lies beyond

    def rewards(q: Tensor) -> Tensor:
        return potentials.rewards(send(q) * inside)

    q = (-level.unary).softmax(dim=1)
    for _ in range(parameters.steps - 1):
        q = (rewards(q) - level.unary).softmax(dim=1)
    bands = guided_bands(rewards(q), level, pixels)  # each is done while it is in the cache
    return torch.cat([(band - pixels.unary[:, :, rows]).softmax(dim=1) for rows, band in bands], dim=2)
