"""Augmentations of training, and the way from a photograph on disk to a tensor.

Randomness comes from torch's global generator, which the caller seeds for each item (see `loop.Items`).
"""

import math
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int64, UInt8
from PIL import Image

from wsss.labels import VOID
from wsss.options.training import Augment, WarpedInput

Window = tuple[slice, slice]
"""Rows and columns."""

GREY = (0.299, 0.587, 0.114)
"""Weights of red, green and blue in the luma of ITU-R BT.601, as in Pillow."""

YIQ = ((0.299, 0.587, 0.114), (0.5959, -0.2746, -0.3213), (0.2115, -0.5227, 0.3112))
"""Red, green and blue to luma and the two axes of chroma, of NTSC."""


def augmented(
    photograph: UInt8[np.ndarray, "height width 3"],
    labels: UInt8[np.ndarray, "grid_height grid_width"],
    *,
    augment: Augment,
    cell_px: int,
    fill: tuple[float, float, float],
) -> tuple[Float[torch.Tensor, "3 crop crop"], Int64[torch.Tensor, "cells cells"]]:
    """A training image and its labels, changed together.

    Args:
        photograph: RGB.
        labels: one label for each cell of cell_px by cell_px pixels; the last cells may reach beyond the image.
        augment: what to do.
        cell_px: side of a label's cell; 1 for labels at the photograph's size. Resizing needs 1, since cells of
            another size would not fit; crops keep to the cells.
        fill: RGB in [0, 1] of what lies outside of the image (the mean colour: zero after normalisation).

    Returns:
        The crop in [0, 1] and its labels; VOID outside of the image.
    """
    return _augmented(photograph, labels, augment=augment, cell_px=cell_px, fill=fill)[:2]


def _augmented(
    photograph: UInt8[np.ndarray, "height width 3"],
    labels: UInt8[np.ndarray, "grid_height grid_width"],
    *,
    augment: Augment,
    cell_px: int,
    fill: tuple[float, float, float],
) -> tuple[Float[torch.Tensor, "3 crop crop"], Int64[torch.Tensor, "cells cells"], bool]:
    """As `augmented`, and whether both are mirrored."""
    picture, target = Image.fromarray(photograph), Image.fromarray(labels)
    if augment.resize_px[1]:
        if cell_px != 1:
            raise ValueError("labels on a grid cannot be resized with the image")
        picture, target = _resized(picture, target, augment.resize_px)
    if augment.jitter and augment.jitter_by == "hsv":
        picture = _jittered_picture(picture, augment.jitter)
    pixels, grid = np.asarray(picture), np.asarray(target)
    mirrored = bool(augment.flip and _draw(2))
    if mirrored:
        pixels, grid = pixels[:, ::-1], grid[:, ::-1]
    cells = augment.crop_px // cell_px
    corner = [_corner(length, cells) for length in grid.shape]
    # mirrored, cells that reach beyond the image do so on its left
    beyond = (0, grid.shape[1] * cell_px - pixels.shape[1] if mirrored else 0)
    image = _cropped_image(
        pixels, [c * cell_px + b for c, b in zip(corner, beyond, strict=True)], augment, cells * cell_px, fill
    )
    return image, _cropped_labels(grid, corner, cells), mirrored


def augmented_photograph(
    photograph: UInt8[np.ndarray, "height width 3"], *, augment: Augment, fill: tuple[float, float, float]
) -> Float[torch.Tensor, "3 crop crop"]:
    """A training image without labels; see augmented."""
    labels = np.zeros(photograph.shape[:2], np.uint8)
    return augmented(photograph, labels, augment=augment, cell_px=1, fill=fill)[0]


class Square(NamedTuple):
    """A training image warped to a square, or a random window of it.

    Args:
        image: RGB in [0, 1].
        labels: one for each cell.
        window: left, top, right and bottom of what it shows, as shares of the image's width and height; mirrored, the
            right is less than the left.
    """

    image: Float[torch.Tensor, "3 side side"]
    labels: Int64[torch.Tensor, "cells cells"]
    window: Float[torch.Tensor, "4"]


def augmented_square(
    photograph: UInt8[np.ndarray, "height width 3"],
    labels: UInt8[np.ndarray, "cells cells"],
    *,
    warped: WarpedInput,
    fill: tuple[float, float, float],
) -> Square:
    """A training image warped to a square, or a random window of it, and its labels, changed together.

    Args:
        photograph: RGB, of any shape.
        labels: one label for each cell of the square's grid, when all of the image is warped to it.
        warped: what to do.
        fill: as for `augmented`.
    """
    kept = warped.crop_share + (1 - warped.crop_share) * float(torch.rand(())) if warped.crop_share < 1 else 1.0
    left, top = ((1 - kept) * torch.rand(2)).tolist() if kept < 1 else (0.0, 0.0)

    right, bottom = min(1.0, left + kept), min(1.0, top + kept)

    def window(picture: Image.Image) -> tuple[float, float, float, float]:
        width, height = picture.size
        return left * width, top * height, right * width, bottom * height

    picture, target = Image.fromarray(photograph), Image.fromarray(labels)
    side = (warped.input_px, warped.input_px)
    square = np.array(picture.resize(side, Image.Resampling.BILINEAR, box=window(picture)))
    seen = np.array(target.resize(target.size, Image.Resampling.NEAREST, box=window(target))) if kept < 1 else labels
    cell_px = warped.input_px // target.width
    image, cells, mirrored = _augmented(square, seen, augment=warped.augment, cell_px=cell_px, fill=fill)
    shown = (right, top, left, bottom) if mirrored else (left, top, right, bottom)
    return Square(image, cells, torch.tensor(shown))


def colour_map(
    grey: float, *, brightness: float, contrast: float, saturation: float, hue: float, order: list[int]
) -> tuple[Float[torch.Tensor, "3 3"], Float[torch.Tensor, " 3"]]:
    """Four changes of colour as one: the matrix and the offset that map RGB in [0, 1] to what they make of it.

    As torchvision's ColorJitter has them, but for two points, which make all of them affine: hue is a rotation of the
    chroma in YIQ, where that of HSV is not linear, and colours are not clamped between the changes.

    Args:
        grey: mean luma of the image, towards which contrast goes.
        brightness: factor of all colours.
        contrast: 0 leaves the mean luma alone, 1 the image as it is.
        saturation: 0 leaves each pixel's luma alone, 1 the image as it is.
        hue: share of a whole turn.
        order: of the four, by their places in this list of arguments.
    """
    eye, luma = torch.eye(3), torch.tensor(GREY).expand(3, 3)
    changes = (brightness * eye, contrast * eye, saturation * eye + (1 - saturation) * luma, _rotation(hue))
    matrix, offset = eye, torch.zeros(3)
    mean = grey
    for place in order:
        change = changes[place]
        matrix, offset = change @ matrix, change @ offset
        if place == 0:
            mean *= brightness
        if place == 1:
            offset = offset + (1 - contrast) * mean
    return matrix, offset


def _rotation(hue: float) -> Float[torch.Tensor, "3 3"]:
    """Of the chroma in YIQ by a share of a whole turn; the luma stays."""
    cos, sin = math.cos(2 * math.pi * hue), math.sin(2 * math.pi * hue)
    yiq = torch.tensor(YIQ)
    return torch.linalg.solve(yiq, torch.tensor([[1, 0, 0], [0, cos, sin], [0, -sin, cos]]) @ yiq)


def _jittered_picture(picture: Image.Image, strength: float) -> Image.Image:
    """As the papers' codes do it, and slowly: the hue goes by way of HSV."""
    from torchvision.transforms import v2  # takes long to import

    return v2.ColorJitter(strength, strength, strength, strength / 3)(picture)


def _jittered(image: Float[torch.Tensor, "3 height width"], strength: float) -> Float[torch.Tensor, "3 height width"]:
    """An image with levels 0 to 255, jittered by one affine map, in [0, 1]."""
    low = max(0.0, 1 - strength)
    brightness, contrast, saturation = torch.empty(3).uniform_(low, 1 + strength).tolist()
    hue = float(torch.empty(()).uniform_(-strength / 3, strength / 3))
    order = torch.randperm(4).tolist()
    grey = float(torch.tensor(GREY) @ image.mean((1, 2))) / 255
    matrix, offset = colour_map(
        grey, brightness=brightness, contrast=contrast, saturation=saturation, hue=hue, order=order
    )
    return torch.addmm(offset[:, None], matrix / 255, image.flatten(1)).clamp_(0, 1).view_as(image)


def _resized(picture: Image.Image, target: Image.Image, bounds: tuple[int, int]) -> tuple[Image.Image, Image.Image]:
    side = bounds[0] + _draw(bounds[1] - bounds[0] + 1)
    scale = side / max(picture.size)
    size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    return picture.resize(size, Image.Resampling.BICUBIC), target.resize(size, Image.Resampling.NEAREST)


def _corner(length: int, crop: int) -> int:
    """Where a side of an image begins in a crop: at random, but so that the crop is as full as can be."""
    slack = length - crop
    return -_draw(slack + 1) if slack > 0 else _draw(1 - slack)


def _overlap(corner: list[int], size: tuple[int, ...], crop: int) -> tuple[Window, Window]:
    """The window of a crop that an image covers, and the same window of the image."""
    ends = [(max(0, begin), min(crop, begin + length)) for begin, length in zip(corner, size, strict=True)]
    rows, columns = (slice(*end) for end in ends)
    of_rows, of_columns = (slice(low - begin, high - begin) for (low, high), begin in zip(ends, corner, strict=True))
    return (rows, columns), (of_rows, of_columns)


def _cropped_image(
    pixels: UInt8[np.ndarray, "height width 3"],
    corner: list[int],
    augment: Augment,
    side: int,
    fill: tuple[float, float, float],
) -> Float[torch.Tensor, "3 {side} {side}"]:
    """The crop alone becomes numbers, and only it is jittered by an affine map."""
    to, of = _overlap(corner, pixels.shape[:2], side)
    image = torch.from_numpy(np.array(pixels[of].transpose(2, 0, 1), order="C")).float()
    by_map = augment.jitter and augment.jitter_by == "affine"
    image = _jittered(image, augment.jitter) if by_map else image / 255
    if image.shape[1:] == (side, side):
        return image
    crop = torch.tensor(fill)[:, None, None].repeat(1, side, side)
    crop[:, *to] = image
    return crop


def _cropped_labels(
    grid: UInt8[np.ndarray, "rows columns"], corner: list[int], cells: int
) -> Int64[torch.Tensor, "{cells} {cells}"]:
    to, of = _overlap(corner, grid.shape, cells)
    target = torch.full((cells, cells), VOID)
    target[to] = torch.from_numpy(np.array(grid[of])).long()
    return target


def _draw(bound: int) -> int:
    return int(torch.randint(bound, ()))
