"""The engine "convcrf": messages within a window, by truncated Gaussians, a convolution with local weights.

ConvCRF (Teichmann & Cipolla 2019, arXiv:1805.04777) takes labels further apart than the window to be independent. The
kernel is symmetric, so one half of it is held, and the maps are shifted by views: nothing is copied k x k times.
What is done with the messages is `coarse`.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from wsss.crf.coarse import Linear
from wsss.crf.exact import LEAST_EXPONENT
from wsss.crf.levels import Level
from wsss.crf.potentials import Potentials
from wsss.options.crf import Crf

Shift = tuple[int, int]


def shifts(radius: int, *, shape: str) -> list[Shift]:
    """The displacements (dy, dx) of one half of a window, without (0, 0): below, or to the right in the same row.

    Args:
        radius: in cells.
        shape: square (max(|dy|, |dx|) at most the radius) or diamond (|dy| + |dx| at most the radius: the paper's
            Manhattan distance; its code has squares).
    """
    found = []
    for dy in range(radius + 1):
        reach = radius if shape == "square" else radius - dy
        found += [(dy, dx) for dx in range(1 if dy == 0 else -reach, reach + 1)]
    return found


def _views(height: int, width: int, shift: Shift) -> tuple[tuple, tuple]:
    """Slices of the cells that have a neighbour at a displacement, and of those neighbours."""
    dy, dx = shift
    left = slice(max(0, -dx), max(0, min(width, width - dx)))
    right = slice(max(0, dx), max(0, min(width, width + dx)))
    return (..., slice(0, max(0, height - dy)), left), (..., slice(dy, max(dy, height)), right)


def gathered_plain(
    maps: Float[Tensor, "batch labels height width"],
    kernel: Float[Tensor, "batch slots height width"],
    displacements: list[Shift],
) -> Float[Tensor, "batch labels height width"]:
    """sum_j K_ij maps_j over each window. A slot is a displacement, the first (0, 0).

    Args:
        kernel: K of each cell and itself, then of each cell and the one at each displacement, both ways alike; what
            it holds for neighbours that are not on the grid is no matter.
        displacements: those of `shifts`.
    """
    found = kernel[:, :1] * maps
    for rank, shift in enumerate(displacements, start=1):
        here, there = _views(*maps.shape[-2:], shift)
        weights = kernel[:, [rank]][here]
        found[here].addcmul_(weights, maps[there])
        found[there].addcmul_(weights, maps[here])
    return found


class _Gathered(torch.autograd.Function):
    """`gathered_plain`, whose gradient keeps the kernel and the maps and nothing else."""

    @staticmethod
    def forward(ctx, maps: Tensor, kernel: Tensor, displacements: list[Shift]) -> Tensor:
        ctx.save_for_backward(maps, kernel)
        ctx.displacements = displacements
        return gathered_plain(maps, kernel, displacements)

    @staticmethod
    def backward(ctx, grad: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        maps, kernel = ctx.saved_tensors
        of_maps = gathered_plain(grad, kernel, ctx.displacements) if ctx.needs_input_grad[0] else None
        if not ctx.needs_input_grad[1]:
            return of_maps, None, None
        of_kernel = torch.zeros_like(kernel)
        of_kernel[:, 0] = (grad * maps).sum(dim=1)
        for rank, shift in enumerate(ctx.displacements, start=1):
            here, there = _views(*maps.shape[-2:], shift)
            of_kernel[:, rank][here] = (grad[here] * maps[there] + grad[there] * maps[here]).sum(dim=1)
        return of_maps, of_kernel, None


def gathered(
    maps: Float[Tensor, "batch labels height width"],
    kernel: Float[Tensor, "batch slots height width"],
    displacements: list[Shift],
) -> Float[Tensor, "batch labels height width"]:
    """`gathered_plain`, differentiable with respect to maps and kernel, once."""
    return _Gathered.apply(maps, kernel, displacements)


def _gaussian(
    level: Level, features: Float[Tensor, "batch _ height width"], spread_px: Tensor, displacements: list[Shift]
) -> Float[Tensor, "batch slots height width"]:
    """Gaussian of places times exp( -|f_i - f_j|^2 / 2 ), in the layout of `gathered_plain`; 0 off the grid."""
    if level.centres is None:
        near = level.gaussian(spread_px, count=max(level.areas.shape[-2:])).log()
    else:
        near = torch.zeros(max(level.areas.shape[-2:])).to(features)
        features = torch.cat([features, level.centres / spread_px], dim=1)
    kernel = []
    for dy, dx in [(0, 0), *displacements]:
        here, there = _views(*features.shape[-2:], (dy, dx))
        apart = (features[here] - features[there]).square().sum(dim=1) / 2
        one = torch.zeros_like(level.areas[:, 0])
        one[here] = (near[dy] + near[abs(dx)] - apart).clamp(min=LEAST_EXPONENT).exp()
        kernel.append(one)
    return torch.stack(kernel, dim=1)


def _normalised(
    kernel: Float[Tensor, "batch slots height width"], level: Level, displacements: list[Shift]
) -> Float[Tensor, "batch slots height width"]:
    """n_i K_ij n_j, n_i = 1 / sqrt( sum_j K_ij ) over the window and the cells' pixels."""
    norm = gathered(level.areas, kernel, displacements).clamp(min=1e-20).rsqrt()
    ends = [norm[:, 0].square()]
    for shift in displacements:
        here, there = _views(*norm.shape[-2:], shift)
        both = torch.zeros_like(ends[0])
        both[here] = (norm[here] * norm[there])[:, 0]
        ends.append(both)
    return kernel * torch.stack(ends, dim=1)


def messages(level: Level, potentials: Potentials, parameters: Crf) -> Linear:
    """Messages of both kernels within a window.

    Each is normalised by itself; then they are summed, so that a step is one pass.

    Args:
        level: its cells send and receive.
        potentials: the numbers of the kernels.
        parameters: the window's reach and shape, and whether the kernels are normalised.
    """
    radius = -(-parameters.window_px // level.side)
    rows, columns = level.areas.shape[-2:]
    displacements = [(dy, dx) for dy, dx in shifts(radius, shape=parameters.window) if dy < rows and abs(dx) < columns]
    colours = potentials.features(level.colours) / potentials.appearance_rgb
    smoothness = _gaussian(level, colours[:, :0], potentials.smoothness_px, displacements)
    appearance = _gaussian(level, colours, potentials.appearance_px, displacements)
    if parameters.normalisation == "symmetric":
        smoothness, appearance = (_normalised(kernel, level, displacements) for kernel in (smoothness, appearance))
    kernel = potentials.smoothness_weight * smoothness + potentials.appearance_weight * appearance
    return lambda q: gathered(q * level.areas, kernel, displacements)
