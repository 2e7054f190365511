"""From a segmenter and a photograph to class probabilities on the network's grid, as a store of scores holds them."""

from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from jaxtyping import Float16, UInt8

from wsss.maths import cam
from wsss.maths.photographs import to_tensor
from wsss.networks.segmenter import Segmenter
from wsss.runtime import machine

Photograph = UInt8[np.ndarray, "height width 3"]
Photographs = UInt8[np.ndarray, "batch height width 3"]


def maps_of(
    network: Segmenter, *, scales: tuple[float, ...]
) -> Callable[[Photographs], Float16[torch.Tensor, "batch classes rows columns"]]:
    """A function from photographs to the network's class probabilities on its grid, as a store holds them.

    Args:
        network: evaluating, on machine.device(); if it was trained on warped images, it is to be given such.
        scales: resize factors whose probabilities are averaged, each with its mirror image.
    """
    averaged = partial(
        cam.multi_scale,
        lambda copies: network(copies).softmax(1),
        scales=scales,
        network_stride=network.backbone.stride,
        stride=network.stride,
        fill=network.backbone.mean,
    )

    def maps(photographs: Photographs) -> torch.Tensor:
        with torch.inference_mode():
            return averaged(to_tensor(photographs, machine.device())).half().cpu()

    return maps
