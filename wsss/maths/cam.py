"""Class activation maps."""

import math
from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from wsss.maths import grid


def normalised(maps: Float[Tensor, "*batch height width"]) -> Float[Tensor, "*batch height width"]:
    """Each class's map over its own largest value, so that it lies in [0, 1]; a map of zeros stays zero (PSA)."""
    return maps / (maps.amax((-2, -1), keepdim=True) + 1e-5)


def multi_scale(
    maps: Callable[[Float[Tensor, "copies 3 _ _"]], Float[Tensor, "copies classes _ _"]],
    images: Float[Tensor, "batch 3 height width"],
    *,
    scales: tuple[float, ...],
    network_stride: int,
    stride: int,
    fill: tuple[float, float, float],
) -> Float[Tensor, "batch classes rows columns"]:
    """Mean of a network's maps over resized copies of each image and their mirror images, on the grid of `stride`.

    The images of one scale and their mirror images go through the network together; it must look at each by itself.
    Images are filled up to whole cells first and every copy has whole cells too (its factor is rounded to that), so
    that the cells of all scales lie where `grid` says.

    Args:
        maps: the network: maps for images and, after them, their mirror images.
        images: RGB in [0, 1], on the device where everything is to run.
        scales: resize factors (bicubic).
        network_stride: input pixels for each cell of the network's maps.
        stride: the images' pixels for each cell of the result (bilinear).
        fill: RGB of what lies outside of the images.
    """
    whole = grid.padded(images, math.lcm(network_stride, stride), fill=fill)
    target = grid.cells(tuple(whole.shape[-2:]), stride)
    total = 0
    for scale in scales:
        copy = whole
        if scale != 1:
            size = [max(1, round(side * scale / network_stride)) * network_stride for side in whole.shape[-2:]]
            copy = torch.nn.functional.interpolate(whole, size, mode="bicubic", antialias=True).clamp(0, 1)
        found = maps(torch.cat([copy, copy.flip(-1)]))
        found = torch.nn.functional.interpolate(found, target, mode="bilinear", align_corners=False)
        total = total + found[: len(images)] + found[len(images) :].flip(-1)
    return grid.cropped(total / (2 * len(scales)), grid.cells(tuple(images.shape[-2:]), stride))
