"""Augmentations of training, and the way from a photograph on disk to a tensor.

Randomness comes from torch's global generator, which the caller seeds for each item (see training.Items).
"""

import numpy as np
import torch
from jaxtyping import Float, Int64, UInt8
from PIL import Image
from torchvision.transforms import v2

from wsss.labels import VOID
from wsss.options.training import Augment


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
    picture, target = Image.fromarray(photograph), Image.fromarray(labels)
    if augment.resize_px[1]:
        if cell_px != 1:
            raise ValueError("labels on a grid cannot be resized with the image")
        picture, target = _resized(picture, target, augment.resize_px)
    if augment.jitter:
        picture = v2.ColorJitter(augment.jitter, augment.jitter, augment.jitter, augment.jitter / 3)(picture)
    image = _padded_to_cells(v2.functional.pil_to_tensor(picture).float() / 255, target.size, cell_px, fill)
    grid = v2.functional.pil_to_tensor(target)[0].long()
    if augment.flip and _draw(2):
        image, grid = image.flip(-1), grid.flip(-1)
    return _crop(image, grid, augment.crop_px // cell_px, cell_px, fill)


def augmented_photograph(
    photograph: UInt8[np.ndarray, "height width 3"], *, augment: Augment, fill: tuple[float, float, float]
) -> Float[torch.Tensor, "3 crop crop"]:
    """A training image without labels; see augmented."""
    labels = np.zeros(photograph.shape[:2], np.uint8)
    return augmented(photograph, labels, augment=augment, cell_px=1, fill=fill)[0]


def _resized(picture: Image.Image, target: Image.Image, bounds: tuple[int, int]) -> tuple[Image.Image, Image.Image]:
    side = bounds[0] + _draw(bounds[1] - bounds[0] + 1)
    scale = side / max(picture.size)
    size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    return picture.resize(size, Image.Resampling.BICUBIC), target.resize(size, Image.Resampling.NEAREST)


def _padded_to_cells(
    image: torch.Tensor, cells: tuple[int, int], cell_px: int, fill: tuple[float, float, float]
) -> torch.Tensor:
    """The image, its right and bottom filled up to whole cells: mirrored, cells and image then stay together."""
    if cell_px == 1:
        return image
    whole = torch.tensor(fill)[:, None, None].repeat(1, cells[1] * cell_px, cells[0] * cell_px)
    whole[:, : image.shape[1], : image.shape[2]] = image
    return whole


def _crop(
    image: torch.Tensor, grid: torch.Tensor, cells: int, cell_px: int, fill: tuple[float, float, float]
) -> tuple[torch.Tensor, torch.Tensor]:
    target = torch.full((cells, cells), VOID)
    crop = torch.tensor(fill)[:, None, None].repeat(1, cells * cell_px, cells * cell_px)
    from_cells, to_cells, from_px, to_px = [], [], [], []
    for length in grid.shape:
        slack = length - cells
        start, place = (_draw(slack + 1), 0) if slack > 0 else (0, _draw(1 - slack))
        kept = min(length, cells)
        from_cells.append(slice(start, start + kept))
        to_cells.append(slice(place, place + kept))
        from_px.append(slice(start * cell_px, (start + kept) * cell_px))
        to_px.append(slice(place * cell_px, (place + kept) * cell_px))
    target[tuple(to_cells)] = grid[tuple(from_cells)]
    crop[:, *to_px] = image[:, *from_px]
    return crop, target


def _draw(bound: int) -> int:
    return int(torch.randint(bound, ()))
