"""Levels: images in cells of some pixels, on which a mean field is cheaper, and the way back to the pixels.

The padding of a batch of images of different sizes, and the part of a cell beyond the border of its image, neither send
messages nor count in a mean: `inside` is 1 at the pixels of an image and 0 beyond, `areas` a cell's number of pixels.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

from wsss.crf.exact import LEAST_EXPONENT

RADIUS_CELLS = 2
"""Radius of the guided filter's window, in cells."""  # ASSUME: 1 to 4 score alike

NOISE_LEVELS2 = 50
"""The guide's regularisation, in squared levels of 0 to 255: what is flatter than its root is taken to be noise."""
# ASSUME: 10 to 100 score alike

LEAST_PROBABILITY = 1e-30
"""Of a label in a cell, for a finite energy."""


@dataclass(frozen=True)
class Level:
    """A batch of images in cells.

    Args:
        side: of a cell, in pixels.
        unary: energies; a cell's are -log of the mean probability of each label, before any message, over its pixels.
        colours: RGB in levels of 0 to 255, means over each cell's pixels.
        areas: pixels of each cell.
    """

    side: int
    unary: Float[Tensor, "batch labels rows columns"]
    colours: Float[Tensor, "batch 3 rows columns"]
    areas: Float[Tensor, "batch 1 rows columns"]

    def in_cells(self, side: int) -> "Level":
        """The same in cells of `side` x `side` of these."""
        if side == 1:
            return self
        areas = _sums(self.areas, side)
        maps = torch.cat([(-self.unary).softmax(dim=1), self.colours], dim=1)
        means = _sums(maps * self.areas, side) / areas.clamp(min=1)
        energies = -means[:, :-3].clamp(min=LEAST_PROBABILITY).log()
        return Level(self.side * side, energies, means[:, -3:], areas)

    def gaussian(self, spread_px: Tensor, *, count: int) -> Float[Tensor, "{count}"]:
        """Gaussian of places along one axis, between a cell and the one as many cells away as the entry's rank.

        Of two cells it is the mean over their pixels, of which side - |t| pairs are side * rank + t pixels apart. (That
        of the cells' centres would be too narrow: with 3 px, cells of 9 px would hardly hear their neighbours.)
        """
        t = torch.arange(1 - self.side, self.side).to(self.areas)
        apart_px = self.side * torch.arange(count).to(self.areas)[:, None] + t
        pairs = (apart_px.square() / (-2 * spread_px**2)).clamp(min=LEAST_EXPONENT).exp()
        return pairs @ (self.side - t.abs()) / self.side**2


def _sums(maps: Float[Tensor, "batch channels _ _"], side: int) -> Float[Tensor, "batch channels _ _"]:
    height, width = maps.shape[-2:]
    return F.avg_pool2d(F.pad(maps, (0, -width % side, 0, -height % side)), side, divisor_override=1)


def side_of(size: tuple[int, int], *, max_cells: int) -> int:
    """The smallest side of cells, in pixels, with which an image of `size` (height, width) has at most `max_cells`."""
    height, width = size
    side = max(1, int((height * width / max_cells) ** 0.5))
    while -(-height // side) * -(-width // side) > max_cells:
        side += 1
    return side


def guided_upsample(
    maps: Float[Tensor, "batch labels rows columns"], coarse: Level, fine: Level
) -> Float[Tensor, "batch labels height width"]:
    """Maps of a coarse level's cells at the cells of a finer one, along the edges of the images.

    Around each cell the maps are taken to be a linear function of the colours, as in the guided filter (He, Sun & Tang
    2013; its fast form is arXiv:1505.00996). Its coefficients are upsampled bilinearly, and the function is then
    applied to the fine level's colours. Only differences of labels are upsampled: the first label's map is 0.
    """
    differences = maps[:, 1:] - maps[:, :1]
    side = coarse.side // fine.side
    if side > 1:
        slopes, offsets = _fitted(differences, coarse)
        batch, _, labels, *_ = slopes.shape
        height, width = fine.areas.shape[-2:]
        both = _interpolated(torch.cat([slopes.flatten(1, 2), offsets], dim=1), coarse.areas > 0, side=side)
        both = both[..., :height, :width]
        slopes, differences = both[:, :-labels].unflatten(1, (3, labels)), both[:, -labels:]
        for channel in range(3):
            differences = differences.addcmul(slopes[:, channel], fine.colours[:, [channel]])
    return F.pad(differences, (0, 0, 0, 0, 1, 0))


def _interpolated(
    maps: Float[Tensor, "batch channels rows columns"], inside: Bool[Tensor, "batch 1 rows columns"], *, side: int
) -> Float[Tensor, "batch channels _ _"]:
    """Bilinear, from the cells that are inside an image: beyond its last cell a map goes on as it is there."""
    if inside.all():
        return F.interpolate(maps, scale_factor=side, mode="bilinear", align_corners=False)
    both = torch.cat([maps * inside, inside.to(maps)], dim=1)
    both = F.interpolate(both, scale_factor=side, mode="bilinear", align_corners=False)
    return both[:, :-1] / both[:, -1:].clamp(min=1e-6)


def _fitted(
    maps: Float[Tensor, "batch labels rows columns"], level: Level
) -> tuple[Float[Tensor, "batch 3 labels rows columns"], Float[Tensor, "batch labels rows columns"]]:
    """Slopes and offsets of the linear functions of the colours that fit the maps best around each cell."""
    weights = _windowed(level.areas).clamp(min=1e-6)

    def mean(values: Tensor) -> Tensor:
        shape = values.shape
        return (_windowed(values.flatten(1, -3) * level.areas) / weights).reshape(shape)

    colours = level.colours
    colour, value = mean(colours), mean(maps)
    of_colours = mean(colours[:, :, None] * colours[:, None]) - colour[:, :, None] * colour[:, None]
    with_maps = mean(colours[:, :, None] * maps[:, None]) - colour[:, :, None] * value[:, None]
    noise = NOISE_LEVELS2 * torch.eye(3).to(colours)
    slopes = torch.linalg.solve(of_colours.permute(0, 3, 4, 1, 2) + noise, with_maps.permute(0, 3, 4, 1, 2))
    slopes = slopes.permute(0, 3, 4, 1, 2)
    offsets = value - (slopes * colour[:, :, None]).sum(dim=1)
    return mean(slopes), mean(offsets)


def _windowed(maps: Float[Tensor, "batch channels rows columns"]) -> Float[Tensor, "batch channels rows columns"]:
    """Means over windows; those places of a window that are not on the grid count as 0."""
    return F.avg_pool2d(maps, 2 * RADIUS_CELLS + 1, stride=1, padding=RADIUS_CELLS)
