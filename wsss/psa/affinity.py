"""Do two nearby pixels show the same class? Pixel pairs, the labels, the affinities and the loss of AffinityNet.

Ahn & Kwak, CVPR 2018 (PSA, arXiv:1803.10464). A pair is a pixel p and p + (dy, dx), for every offset of `offsets`; its
value is stored at p, so that maps over pairs are "pairs height width", in the order of `offsets`.

Where this differs from the authors' code: they crop the grid, so that pairs near the border are never formed. Here a
pair counts wherever both of its pixels lie inside the grid.
"""

from collections.abc import Callable, Iterator

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Integer, Shaped, UInt8
from torch import Tensor
from torch.autograd.function import once_differentiable

from wsss.labels import BACKGROUND, VOID
from wsss.runtime.errors import WsssError


def offsets(radius: int) -> list[tuple[int, int]]:
    """Displacements (dy, dx) to the pixels nearer than `radius`, one of each two that are opposite: 34 for radius 5.

    dy^2 + dx^2 < radius^2, sorted, from (0, 1) on: the order of PSA.

    Raises:
        WsssError: the radius is below 2, where there are no pairs.
    """
    if radius < 2:
        raise WsssError(f"the radius of the affinity pairs is {radius}: give 2 or more, nearer than 1 pixel is none")
    span = range(1 - radius, radius)
    return [(dy, dx) for dy in range(radius) for dx in span if (dy, dx) > (0, 0) and dy**2 + dx**2 < radius**2]


def pairs(
    values: Shaped[Tensor, "*batch height width"], offset: tuple[int, int]
) -> tuple[Shaped[Tensor, "*batch rows columns"], Shaped[Tensor, "*batch rows columns"]]:
    """Views of the values at p and at p + offset, for all p for which both lie inside; dy may not be negative."""
    height, width = values.shape[-2:]
    dy, dx = offset
    rows, columns = max(height - dy, 0), max(width - abs(dx), 0)
    left, right = max(-dx, 0), max(dx, 0)
    return values[..., :rows, left : left + columns], values[..., dy : dy + rows, right : right + columns]


def at_first_end(
    values: Shaped[Tensor, "*batch rows columns"], offset: tuple[int, int], *, size: tuple[int, int], fill: int
) -> Shaped[Tensor, "*batch height width"]:
    """Put values of `pairs` back at their p in a grid of `size` (height, width), with `fill` where there is no pair."""
    height, width = size
    rows, columns = values.shape[-2:]
    left = min(max(-offset[1], 0), width - columns)
    return F.pad(values, (left, width - columns - left, 0, height - rows), value=fill)


def merge_labels(
    confident_foreground: Integer[Tensor, "*batch height width"],
    confident_background: Integer[Tensor, "*batch height width"],
) -> UInt8[Tensor, "*batch height width"]:
    """The labels that are confident for either extreme of the background score; VOID elsewhere.

    Args:
        confident_foreground: argmax of the pooled scores with the low alpha, where background is rated high: a class
            that wins here is believed, background is not.
        confident_background: the same with the high alpha, where background is rated low: background that wins here
            is believed, and nothing else.

    Where both are confident, background overrides foreground, as in PSA (in IRN it is the other way round).
    """
    sure_foreground = confident_foreground.masked_fill(confident_foreground == BACKGROUND, VOID)
    return sure_foreground.masked_fill(confident_background == BACKGROUND, BACKGROUND).to(torch.uint8)


class _PairAffinities(torch.autograd.Function):
    """exp(-mean|f_i - f_j|) of each offset's pairs; the differences are formed anew for the gradient, never stored.

    The pixels of all images stand in one list, each with its channels side by side: the second pixels of all pairs of
    an offset are then the same list from another start on, and every step runs over memory as it lies. Pairs that
    reach beyond an image are computed, too, and put to 0.
    """

    @staticmethod
    def forward(ctx, features: Tensor, disc: list[tuple[int, int]]) -> Tensor:
        batch, channels, height, width = features.shape
        pixels = features.permute(0, 2, 3, 1).reshape(-1, channels)
        distances = pixels.new_zeros(len(disc), len(pixels))
        for distance, (dy, dx) in zip(distances, disc, strict=True):
            for first, second, where in _chunks(pixels, dy * width + dx):
                torch.sum((first - second).abs_(), dim=1, out=distance[where])
        inside = _inside((height, width), disc, features.device)
        maps = (distances.view(-1, batch, height, width) / -channels).exp_().mul_(inside[:, None])
        ctx.disc = disc
        ctx.save_for_backward(pixels, maps)
        return maps.transpose(0, 1).contiguous()

    @staticmethod
    @once_differentiable
    def backward(ctx, gradient: Tensor) -> tuple[Tensor, None]:
        pixels, maps = ctx.saved_tensors
        batch, height, width = maps.shape[1:]
        slopes = (gradient.transpose(0, 1) * maps).flatten(1).mul_(-1 / pixels.shape[1])
        total = torch.zeros_like(pixels)
        for slope, (dy, dx) in zip(slopes, ctx.disc, strict=True):
            shift = dy * width + dx
            for first, second, where in _chunks(pixels, shift):
                sign, by = (first - second).sign_(), slope[where, None]
                total[where].addcmul_(sign, by)
                total[where.start + shift : where.stop + shift].addcmul_(sign, by, value=-1)
        return total.view(batch, height, width, -1).permute(0, 3, 1, 2), None


CHUNK = 512
"""Pixels whose differences are formed at once on a CPU: with some 450 channels they stay in its cache."""


def _chunks(pixels: Float[Tensor, "pixels channels"], shift: int) -> Iterator[tuple[Tensor, Tensor, slice]]:
    """Views of first and second pixels, `shift` apart, with the places of the first; in one piece on a GPU."""
    length = max(len(pixels) - shift, 0) if shift > 0 else 0  # else images are too narrow for such a pair
    size = CHUNK if pixels.device.type == "cpu" else max(length, 1)
    for start in range(0, length, size):
        stop = min(start + size, length)
        yield pixels[start:stop], pixels[start + shift : stop + shift], slice(start, stop)


def _inside(
    size: tuple[int, int], disc: list[tuple[int, int]], device: torch.device
) -> Bool[Tensor, "pairs height width"]:
    """Whether the second pixel lies in the image, too."""
    here = torch.ones(size, dtype=torch.uint8, device=device)
    return torch.stack([at_first_end(pairs(here, offset)[1], offset, size=size, fill=0) for offset in disc]).bool()


def affinities(
    features: Float[Tensor, "batch channels height width"], *, radius: int
) -> Float[Tensor, "batch pairs height width"]:
    """How alike the features of the pixels of each pair are, in (0, 1]; 0 where the second pixel lies outside.

    Ahn & Kwak 2018, with f the features and |.| taken channel by channel:

        a_ij = exp( -mean_channels |f_i - f_j| )

    One offset is computed at a time, and once more for its gradient: differences of channels x pairs are never stored.
    """
    return _PairAffinities.apply(features, offsets(radius))


def pair_kinds(
    labels: Integer[Tensor, "batch height width"], *, radius: int
) -> Bool[Tensor, "3 batch pairs height width"]:
    """Which pairs are both background, both the same foreground class, of different classes: one mask for each.

    A pair with a VOID pixel, or with one outside the grid, is in none of them.
    """
    size = tuple(labels.shape[-2:])
    seen = [at_first_end(pairs(labels, offset)[1], offset, size=size, fill=VOID) for offset in offsets(radius)]
    first, second = labels[:, None], torch.stack(seen, dim=1)
    valid = (first != VOID) & (second != VOID)
    same = valid & (first == second)
    return torch.stack([same & (first == BACKGROUND), same & (first != BACKGROUND), valid & ~same])


def loss_sums(
    affinities: Float[Tensor, "batch pairs height width"],
    labels: Integer[Tensor, "batch height width"],
    *,
    radius: int,
    eps: float = 1e-5,
) -> Float[Tensor, "kinds=3 sum_and_count=2"]:
    """Sum of the cross-entropies and number of pairs for background, foreground and different pairs, a row each.

    Sums of parts of a batch add up to those of the batch: `affinity_loss_of` takes them, added over processes too.
    """
    alike, different = -(affinities + eps).log(), -(1 + eps - affinities).log()
    kinds = pair_kinds(labels, radius=radius).to(affinities.dtype)
    sums = torch.stack([(kinds[0] * alike).sum(), (kinds[1] * alike).sum(), (kinds[2] * different).sum()])
    return torch.stack([sums, kinds.sum(dim=(1, 2, 3, 4))], dim=1)


def affinity_loss_of(sums: Float[Tensor, "kinds=3 sum_and_count=2"], *, eps: float = 1e-5) -> Float[Tensor, ""]:
    """The loss from the sums and counts of `loss_sums`: a quarter background, a quarter foreground, half different."""
    background, foreground, different = sums[:, 0] / (sums[:, 1] + eps)
    return background / 4 + foreground / 4 + different / 2


def affinity_loss(
    affinities: Float[Tensor, "batch pairs height width"],
    labels: Integer[Tensor, "batch height width"],
    *,
    radius: int,
    total: Callable[[Tensor], Tensor] = lambda sums: sums,
) -> Float[Tensor, ""]:
    """Cross-entropy of the affinities with the labels, each kind of pair weighing the same however many there are.

    Ahn & Kwak 2018, with B, F, N the pairs of the whole batch that are both background, both of one foreground class,
    of different classes:

        L = -1/4 mean_B log a_ij - 1/4 mean_F log a_ij - 1/2 mean_N log(1 - a_ij)

    As in the authors' code 1e-5 is added inside each logarithm and to each number of pairs, so that a = 1 gives
    slightly less than 0 and a kind without pairs gives 0; and means are over the batch, not over each image.

    Where several processes share the batch, `total` adds up their sums and counts, as distributed.total does.
    """
    return affinity_loss_of(total(loss_sums(affinities, labels, radius=radius)))
