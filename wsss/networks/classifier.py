"""The multi-label classifier whose class activation maps are the first cue of every method."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from wsss.maths import grid
from wsss.networks.network import Network
from wsss.options.network import Features


class Classifier(Network):
    """Which foreground classes an image shows: features, a linear map without bias, the mean over the image.

    Without a bias the mean of the class maps is the class score, so the maps (CAM, Zhou et al. 2016, arXiv:1512.04150)
    explain it. A class that few images show can have a fixed offset, which the maps leave out (`set_offsets`).
    """

    kind = "classifier"

    def __init__(self, backbone: nn.Module, *, classes: int, frozen: bool) -> None:
        super().__init__(backbone, frozen=frozen)
        self.head = nn.Conv2d(backbone.channels[-1], classes - 1, 1, bias=False)
        self.dropout = nn.Dropout2d(0.5)
        nn.init.xavier_uniform_(self.head.weight)
        self.register_buffer("offsets", torch.zeros(classes - 1))

    def forward(self, images: Float[Tensor, "batch 3 height width"]) -> Float[Tensor, "batch foreground"]:
        return self.head(self.dropout(self.taps_of_whole(images)[-1])).mean((-2, -1)) + self.offsets

    def set_offsets(self, offsets: Float[Tensor, " foreground"]) -> None:
        """Give each class's score an offset that is not trained.

        A class that few images show needs a low score for most images. Without an offset its map has to be below zero
        nearly everywhere, and its objects are found by their most telling parts alone.
        """
        self.offsets.copy_(offsets)

    def maps(self, images: Float[Tensor, "batch 3 height width"]) -> Float[Tensor, "batch foreground rows columns"]:
        """Activation maps, not yet normalised: ReLU of each cell's class score."""
        return self.head(self.taps(images, self.backbone.stride)[-1]).relu()

    def features_at(
        self, images: Float[Tensor, "batch 3 height width"], cells: tuple[int, int]
    ) -> Float[Tensor, "batch channels rows columns"]:
        """Features at the cells of a grid over the images, of the finest layer that the backbone gives."""
        fine, *_ = self.taps_of_whole(grid.whole(images, self.backbone.stride))
        return F.adaptive_avg_pool2d(fine.float(), cells)

    @classmethod
    def build(cls, features: Features, *, classes: int) -> "Classifier":
        """A classifier of `classes` classes, background included; VGG-16's fc6 is not dilated in it (as in PSA)."""
        return cls.built(features, field_dilation=1, shape={"classes": classes}, classes=classes)
