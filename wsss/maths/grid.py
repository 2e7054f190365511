"""Where the cells of a grid lie: those of a network's maps and of most stores.

A grid of stride s has ceil(side / s) cells along each side of an image, and its cell (r, c) covers the s x s pixels
from (r s, c s) on; the last cells may reach beyond the image. So a grid is brought to pixels by its stride, never by
the image's size, which would shift its cells wherever a side is no multiple of the stride.

What a network sees best at a cell need not be the middle of those pixels: with padded convolutions of stride 2 it is
their upper left corner, s / 2 away. A segmenter learns to compensate for this shift; activation maps keep it.
A warped image, a square whatever its shape was, has cells of the square (SEC's seeds, and scores of its segmenter).
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float, Shaped
from torch import Tensor


def cells(size: tuple[int, int], stride: int) -> tuple[int, int]:
    """(rows, columns) of the grid of an image of size (height, width)."""
    return -(-size[0] // stride), -(-size[1] // stride)


def padded(
    images: Float[Tensor, "batch 3 _ _"], multiple: int, *, fill: tuple[float, float, float]
) -> Float[Tensor, "batch 3 height width"]:
    """Images whose sides are whole multiples of a number: to the right and below they are filled up with one colour."""
    height, width = images.shape[-2:]
    rows, columns = cells((height, width), multiple)
    if (rows * multiple, columns * multiple) == (height, width):
        return images
    whole = torch.tensor(fill).to(images).view(1, 3, 1, 1).repeat(len(images), 1, rows * multiple, columns * multiple)
    whole[..., :height, :width] = images
    return whole


def whole(
    images: Float[Tensor, "batch 3 _ _"], multiple: int, *, scale: float = 1
) -> Float[Tensor, "batch 3 height width"]:
    """Images resized by a factor, to the nearest sides that are whole multiples of a number (bilinear).

    Cells of that number of pixels then cover each image and nothing else, whichever way it is mirrored.
    """
    size = [max(1, round(side * scale / multiple)) * multiple for side in images.shape[-2:]]
    if size == list(images.shape[-2:]):
        return images
    return F.interpolate(images, size, mode="bilinear", antialias=size[0] < images.shape[-2])


def cropped(maps: Shaped[Tensor, "*batch _ _"], size: tuple[int, int]) -> Shaped[Tensor, "*batch height width"]:
    """The first (height, width) cells or pixels of maps."""
    return maps[..., : size[0], : size[1]]


def to_pixels(
    maps: Float[Tensor, "batch channels _ _"], size: tuple[int, int], *, stride: int
) -> Float[Tensor, "batch channels height width"]:
    """Maps of a grid at each pixel of images of `size` (height, width), bilinear."""
    if stride > 1:
        maps = F.interpolate(maps, scale_factor=stride, mode="bilinear", align_corners=False)
    return cropped(maps, size)


def unwarped(
    maps: Float[Tensor, "batch channels _ _"], size: tuple[int, int], *, side: int, stride: int
) -> Float[Tensor, "batch channels height width"]:
    """Maps of images of `size` (height, width) that were warped to a square of `side` pixels, at each pixel."""
    return F.interpolate(to_pixels(maps, (side, side), stride=stride), size, mode="bilinear", align_corners=False)


def pooled(
    scores: Float[Tensor, "classes height width"], *, stride: int
) -> Float[Tensor, "classes grid_height grid_width"]:
    """Score maps on a grid of ceil(height / stride) x ceil(width / stride) cells: means over stride x stride pixels.

    A cell that reaches beyond the right or lower border is the mean over those of its pixels that exist. (PSA pads with
    zeros, which count: its border cells are darker, background included.)
    """
    return F.avg_pool2d(scores, stride, ceil_mode=True, count_include_pad=False)
