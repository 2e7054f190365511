"""Levels: images in cells of some pixels, on which a mean field is cheaper, and the way back to the pixels.

The padding of a batch of images of different sizes, and the part of a cell beyond the border of its image, neither send
messages nor count in a mean: `inside` is 1 at the pixels of an image and 0 beyond, `areas` a cell's number of pixels.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import pairwise

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
        centres: (y, x) of each cell, in pixels. Where given, Gaussians of places are between these; where not, means
            over the pixels of both cells.
        padded: whether places may lie beyond the border of their image. False where none does, so that none is weighed;
            the areas would say so, too, but a GPU would be waited for.
    """

    side: int
    unary: Float[Tensor, "batch labels rows columns"]
    colours: Float[Tensor, "batch 3 rows columns"]
    areas: Float[Tensor, "batch 1 rows columns"]
    centres: Float[Tensor, "batch 2 rows columns"] | None = None
    padded: bool = True

    def in_cells(self, side: int) -> "Level":
        """The same in cells of `side` x `side` of these."""
        if side == 1:
            return self
        mean = self.means(side)
        energies = -mean((-self.unary).softmax(dim=1)).clamp(min=LEAST_PROBABILITY).log()
        areas = _sums(self.areas, side)
        return Level(self.side * side, energies, mean(self.colours), areas, padded=self.padded)

    def means(self, side: int) -> Callable[[Tensor], Tensor]:
        """The function that averages maps (batch, channels, rows, columns) over cells of `side` x `side` of these."""
        areas = _sums(self.areas, side)
        whole = self.side == 1 and not self.padded
        return lambda maps: _sums(maps if whole else maps * self.areas, side) / areas.clamp(min=1)

    def blurred(self, side: int) -> "Level":
        """`in_cells` of pixels, as ConvCRF's published code has it: between centres, and with cells that weigh alike.

        The cells of which a part is beyond the border of its image weigh as much as the others, and their centre is
        that of what they have.
        """
        level = self.in_cells(side)
        rows, columns = (torch.arange(count).to(self.areas) for count in self.areas.shape[-2:])
        places = torch.stack(torch.meshgrid(rows, columns, indexing="ij")).expand(len(self.areas), -1, -1, -1)
        return replace(level, areas=side**2 * (level.areas > 0).to(places), centres=self.means(side)(places))

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


def margin_of(size: tuple[int, int], *, side: int) -> tuple[int, int]:
    """Pixels (above, to the left) by which the cells of ConvCRF's published code begin before an image.

    What its last cells would lack is shared between both ends, an odd pixel going to the first.
    """
    return tuple((-length % side + 1) // 2 for length in size)


def bilinear_upsample(
    maps: Float[Tensor, "batch labels rows columns"], coarse: Level, fine: Level
) -> Float[Tensor, "batch labels height width"]:
    """Maps of a coarse level's cells at the cells of a finer one; beyond an image's last cells they stay as there."""
    side = coarse.side // fine.side
    height, width = fine.areas.shape[-2:]

    def upsampled(maps: Tensor) -> Tensor:
        return _across(_across(maps, width=width, side=side).mT, width=height, side=side).mT

    if not coarse.padded:
        return upsampled(maps)
    inside = coarse.areas > 0
    return upsampled(maps * inside) / upsampled(inside.to(maps)).clamp(min=1e-6)


def guided_upsample(
    maps: Float[Tensor, "batch labels rows columns"], coarse: Level, fine: Level
) -> Float[Tensor, "batch labels height width"]:
    """Maps of a coarse level's cells at the cells of a finer one, along the edges of the images.

    Around each cell the maps are taken to be a linear function of the colours, as in the guided filter (He, Sun & Tang
    2013; its fast form is arXiv:1505.00996). Its coefficients are upsampled bilinearly, and the function is then
    applied to the fine level's colours. Only differences of labels are upsampled: the first label's map is 0.
    """
    return torch.cat([band for _, band in guided_bands(maps, coarse, fine)], dim=2)


def guided_bands(
    maps: Float[Tensor, "batch labels rows columns"], coarse: Level, fine: Level
) -> Iterator[tuple[slice, Float[Tensor, "batch labels _ width"]]]:
    """`guided_upsample` by bands: the rows of each, and its maps."""
    differences = maps[:, 1:] - maps[:, :1]
    side = coarse.side // fine.side
    if side > 1:
        slopes, offsets = _fitted(differences, coarse)
        functions = torch.cat([offsets[:, None], slopes], dim=1)
        inside = coarse.areas > 0 if coarse.padded else None
        bands = _applied(functions, fine.colours, inside, side=side)
    else:
        bands = [(slice(None), differences)]
    for rows, band in bands:
        yield rows, F.pad(band, (0, 0, 0, 0, 1, 0))


def _applied(
    functions: Float[Tensor, "batch offset_and_slopes=4 labels rows columns"],
    colours: Float[Tensor, "batch 3 height width"],
    inside: Bool[Tensor, "batch 1 rows columns"] | None,
    *,
    side: int,
) -> Iterator[tuple[slice, Float[Tensor, "batch labels _ width"]]]:
    """Linear functions of the colours, interpolated bilinearly to the pixels and applied, by bands of rows.

    The pixels of a band lie between the same two rows of cells, so that it is one step from the one to the other, and
    what is interpolated for a band stays in a CPU's cache.

    Args:
        functions: of each cell.
        colours: of each pixel.
        inside: the cells that are inside their image: beyond its last cell a function stays what it is there. None:
            all are.
        side: of a cell, in pixels.
    """
    height, width = colours.shape[-2:]
    rows, columns = functions.shape[-2:]
    weights = None
    if inside is not None:
        functions = functions * inside[:, None]
        weights = _across(inside.to(functions), width=width, side=side)
    maps = _across(functions, width=width, side=side)
    places = (torch.arange(height).to(functions) + 0.5) / side - 0.5
    middle = side // 2  # the first row of pixels that lies beyond the middle of the first cells
    tops = [0, *range(middle, height, side), height] if middle < height else [0, height]
    for above, (top, bottom) in enumerate(pairwise(tops), -1):
        between = (max(above, 0), min(above + 1, rows - 1))
        share = (places[top:bottom] - above).clamp(0, 1)[:, None]

        def band(lines: Tensor, between: tuple[int, int] = between, share: Tensor = share) -> Tensor:
            upper, lower = (lines[..., row, None, :] for row in between)
            return torch.lerp(upper, lower, share)

        here = colours[:, :, None, top:bottom]
        values = band(maps[:, 0])
        for channel in range(3):
            values = values.addcmul(band(maps[:, channel + 1]), here[:, channel])
        if weights is not None:
            values = values / band(weights).clamp(min=1e-6)
        yield slice(top, bottom), values


def _across(maps: Float[Tensor, "*batch rows columns"], *, width: int, side: int) -> Float[Tensor, "*batch rows width"]:
    """Bilinear along the rows alone, as a product: each pixel's two weights, which sum to 1, stand in a column."""
    columns = maps.shape[-1]
    places = ((torch.arange(width).to(maps) + 0.5) / side - 0.5).clamp(0, columns - 1)
    weights = (1 - (places - torch.arange(columns).to(maps)[:, None]).abs()).clamp(min=0)
    return maps @ weights


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
    slopes, _ = torch.linalg.solve_ex(of_colours.permute(0, 3, 4, 1, 2) + noise, with_maps.permute(0, 3, 4, 1, 2))
    slopes = slopes.permute(0, 3, 4, 1, 2)
    offsets = value - (slopes * colour[:, :, None]).sum(dim=1)
    return mean(slopes), mean(offsets)


def _windowed(maps: Float[Tensor, "batch channels rows columns"]) -> Float[Tensor, "batch channels rows columns"]:
    """Means over windows; those places of a window that are not on the grid count as 0."""
    side = 2 * RADIUS_CELLS + 1  # along one axis after the other: 2 x side terms instead of side^2
    across = F.avg_pool2d(maps, (1, side), stride=1, padding=(0, RADIUS_CELLS))
    return F.avg_pool2d(across, (side, 1), stride=1, padding=(RADIUS_CELLS, 0))
