"""From a segmenter and a photograph to class probabilities on the network's grid, as a store of scores holds them."""

from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from jaxtyping import Float16, UInt8

from wsss.datasets import pictures
from wsss.maths import cam
from wsss.maths.photographs import to_tensor
from wsss.networks.file import About
from wsss.networks.segmenter import Segmenter
from wsss.runtime import machine

Photograph = UInt8[np.ndarray, "height width 3"]


def maps_of(
    network: Segmenter, about: About, *, scales: tuple[float, ...]
) -> Callable[[Photograph], Float16[torch.Tensor, "classes rows columns"]]:
    """A function from a photograph to the network's class probabilities on its grid, as a store holds them.

    Args:
        network: evaluating, on the device where it is to run.
        about: what its file says of it; a network that was trained on warped images gets warped ones.
        scales: resize factors whose probabilities are averaged, each with its mirror image.
    """

    def probabilities(pair: torch.Tensor) -> torch.Tensor:
        return network(pair.to(machine.device())).softmax(1)

    averaged = partial(
        cam.multi_scale,
        probabilities,
        scales=scales,
        network_stride=network.backbone.stride,
        stride=network.stride,
        fill=network.backbone.mean,
    )

    def maps(photograph: Photograph) -> torch.Tensor:
        given = pictures.warped(photograph, about.warped_px) if about.warped_px else photograph
        with torch.inference_mode():
            return averaged(to_tensor(given)).half().cpu()

    return maps
