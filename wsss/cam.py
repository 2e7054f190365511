"""Class activation maps."""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor


def normalised(maps: Float[Tensor, "foreground height width"]) -> Float[Tensor, "foreground height width"]:
    """Each class's map over its own largest value, so that it lies in [0, 1]; a map of zeros stays zero (PSA)."""
    return maps / (maps.amax((-2, -1), keepdim=True) + 1e-5)


def multi_scale(
    activations: Callable[[Float[Tensor, "2 3 _ _"]], Float[Tensor, "2 classes _ _"]],
    image: Float[Tensor, "3 height width"],
    *,
    scales: tuple[float, ...],
    grid: tuple[int, int],
) -> Float[Tensor, "classes rows columns"]:
    """Mean of a network's maps over resized copies of an image and their mirror images, on one grid.

    An image and its mirror image go through the network together, and nothing else with them, so the result of an
    image does not depend on its neighbours.

    Args:
        activations: the network: maps for a pair of images.
        image: RGB in [0, 1].
        scales: resize factors (bicubic).
        grid: (rows, columns) of the result (bilinear).
    """
    total = torch.zeros(())
    for scale in scales:
        resized = image[None]
        if scale != 1:
            size = [max(1, round(side * scale)) for side in image.shape[-2:]]
            resized = torch.nn.functional.interpolate(resized, size, mode="bicubic", antialias=True).clamp(0, 1)
        maps = activations(torch.cat([resized, resized.flip(-1)]))
        maps = torch.nn.functional.interpolate(maps, grid, mode="bilinear", align_corners=False)
        total = total.to(maps) + maps[0] + maps[1].flip(-1)
    return total / (2 * len(scales))
