"""The parameters of a dense CRF as tensors, so that they can be learned."""

from dataclasses import dataclass, fields, replace

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt8
from torch import Tensor

from wsss.options.crf import Crf

NUMBERS = ("smoothness_weight", "smoothness_px", "appearance_weight", "appearance_px", "appearance_rgb")


@dataclass(frozen=True)
class Potentials:
    """What the pairwise terms are made of. All are tensors, and a gradient reaches each.

    Args:
        smoothness_weight: w_s, in nats.
        smoothness_px: standard deviation of the smoothness kernel, in pixels.
        appearance_weight: w_a, in nats.
        appearance_px: standard deviation of the appearance kernel in space, in pixels.
        appearance_rgb: standard deviation of the appearance kernel in colour, in levels of 0 to 255.
        compatibility: C (labels, labels, k, k), k odd, a convolution: the penalty of label l for label m at each place
            around it; None is Potts, 1 - I. (The convolution, +C, of Teichmann & Cipolla 2019, arXiv:1805.04777.)
        colour_map: A (features, 3): the appearance kernel compares A c instead of the colours c; None is I. (Their
            learned Gaussian features, +T, kept linear.)
    """

    smoothness_weight: Float[Tensor, ""]
    smoothness_px: Float[Tensor, ""]
    appearance_weight: Float[Tensor, ""]
    appearance_px: Float[Tensor, ""]
    appearance_rgb: Float[Tensor, ""]
    compatibility: Float[Tensor, "labels labels k k"] | None = None
    colour_map: Float[Tensor, "features 3"] | None = None

    def to(self, like: Tensor) -> "Potentials":
        """The same in the precision and on the device of a tensor."""
        tensors = {field.name: getattr(self, field.name) for field in fields(self)}
        return Potentials(**{name: None if tensor is None else tensor.to(like) for name, tensor in tensors.items()})

    def of(self, labels: UInt8[np.ndarray, " labels"]) -> "Potentials":
        """The same between some of the labels, by their indices."""
        if self.compatibility is None:
            return self
        chosen = torch.from_numpy(labels.astype(int)).to(self.compatibility.device)
        return replace(self, compatibility=self.compatibility[chosen][:, chosen])

    def features(self, colours: Float[Tensor, "batch 3 height width"]) -> Float[Tensor, "batch _ height width"]:
        """What the appearance kernel compares, in levels."""
        return colours if self.colour_map is None else torch.einsum("fc,bchw->bfhw", self.colour_map, colours)

    def rewards(
        self, messages: Float[Tensor, "batch labels height width"]
    ) -> Float[Tensor, "batch labels height width"]:
        """Minus the penalties of each label, up to a constant that all labels share; for Potts, the messages."""
        if self.compatibility is None:
            return messages
        return -F.conv2d(messages, self.compatibility, padding=self.compatibility.shape[-1] // 2)


def potentials_of(crf: Crf, *, like: Tensor) -> Potentials:
    """The numbers of settings, in the precision and on the device of a tensor."""
    return Potentials(
        **{name: torch.tensor(float(getattr(crf, name)), dtype=like.dtype, device=like.device) for name in NUMBERS}
    )
