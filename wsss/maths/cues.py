"""What is made of activation maps: a background score, label maps."""

import numpy as np
import torch
from jaxtyping import Float, Float16, Int64, UInt8
from torch import Tensor

from wsss.maths import grid


def background_score(cam: Float[Tensor, "foreground height width"], *, alpha: float) -> Float[Tensor, "height width"]:
    """(1 - max_c cam_c)^alpha: high where no class is active; a larger alpha means less background (PSA)."""
    return (1 - cam.amax(0)).clamp(min=0) ** alpha  # interpolation may leave a map a rounding above 1


def with_background(
    cam: Float[Tensor, "foreground height width"], *, alpha: float
) -> Float[Tensor, "foreground+1 height width"]:
    """The maps with the background's score put first. The scores of a pixel need not sum to 1."""
    return torch.cat([background_score(cam, alpha=alpha)[None], cam])


def label_map(
    scores: Float[Tensor, "ranks height width"], classes: Int64[Tensor, " ranks"]
) -> UInt8[Tensor, "height width"]:
    """The class of the highest score; `classes` says which class each map belongs to."""
    return classes[scores.argmax(0)].to(torch.uint8)


def cam_labels(
    cam: Float16[np.ndarray, "foreground rows columns"],
    classes: UInt8[np.ndarray, " foreground"],
    *,
    size: tuple[int, int],
    stride: int,
    backgrounds: tuple[float, ...],
) -> dict[float, UInt8[np.ndarray, "height width"]]:
    """Label maps of activation maps alone: the most active class, or background where none exceeds a constant.

    Args:
        cam: maps in [0, 1], on a grid.
        classes: the class of each.
        size: (height, width) of the label maps, which are the image's.
        stride: pixels for each cell of the grid.
        backgrounds: the constants; a label map for each.
    """
    maps = grid.to_pixels(torch.from_numpy(cam).float()[None], size, stride=stride)[0]
    score, rank = maps.max(0)
    label = torch.from_numpy(classes)[rank]
    return {value: (label * (score > value)).numpy() for value in backgrounds}
