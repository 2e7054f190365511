"""The options of a network: its backbone and the backbone's weights."""

from dataclasses import dataclass
from pathlib import Path

WEIGHTS = ("none", "imagenet", "offline")
"""Values of `weights` that are never read as the name of a file."""


def weights_file(weights: str) -> Path | None:
    """The local file that the option `weights` names: its value contains a slash, or the file exists."""
    path = Path(weights)
    return path if weights not in WEIGHTS and ("/" in weights or path.is_file()) else None


@dataclass(frozen=True)
class Features:
    """The backbone of a network.

    Args:
        backbone: vgg16, resnet38, or timm/NAME.
        stride: input pixels for each cell of the last feature map.
        weights: pretrained weights: imagenet, a tag of torchvision or timm, offline (an installed package), a
            local file, or none.
        freeze: keep BatchNorm layers and the earliest layers at their pretrained weights.
    """

    backbone: str
    stride: int
    weights: str
    freeze: bool

    @property
    def files(self) -> list[Path]:
        """The local file of the weights, if they are one."""
        file = weights_file(self.weights)
        return [file] if file else []
