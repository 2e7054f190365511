"""The multi-label classifier whose class activation maps are the first cue of every method."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from wsss.maths import grid
from wsss.maths.pooling import decay_of_share, rank_pool
from wsss.networks.network import Network
from wsss.options.network import Features


class Classifier(Network):
    """Which foreground classes an image shows: features, a linear map without bias, the mean over the image.

    Without a bias the mean of the class maps is the class score, so the maps (CAM, Zhou et al. 2016, arXiv:1512.04150)
    explain it. A class that few images show can have a fixed offset, which the maps leave out (`set_offsets`).

    The mean can weigh the cells of a class by their rank, so that the highest ones, of the share `pool_share`, have
    half of the weight: 0.5 is the mean, as in CAM, 0 the maximum. In a mean all cells weigh alike, and what is often
    around an object, such as the grass around a dog, can say as much as the object does, since there is more of it:
    maps then answer beside the object. Kolesnikov & Lampert 2016 (SEC) pool a segmenter's probabilities so; here it is
    scores.
    """

    kind = "classifier"

    def __init__(self, backbone: nn.Module, *, classes: int, pool_share: float = 0.5, frozen: bool) -> None:
        super().__init__(backbone, frozen=frozen)
        self.head = nn.Conv2d(backbone.channels[-1], classes - 1, 1, bias=False)
        self.dropout = nn.Dropout2d(0.5)
        nn.init.xavier_uniform_(self.head.weight)
        self.register_buffer("offsets", torch.zeros(classes - 1))
        decay_of_share(pool_share, cells=1)  # refuses what is no share before there is an image
        self.pool_share = pool_share

    def forward(self, images: Float[Tensor, "batch 3 height width"]) -> Float[Tensor, "batch foreground"]:
        scores = self.head(self.dropout(self.taps_of_whole(images)[-1])).float().flatten(2)
        decay = decay_of_share(self.pool_share, cells=scores.shape[-1])
        pooled = scores.mean(-1) if decay == 1 else rank_pool(scores, decay=decay)
        return pooled + self.offsets

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
    def build(cls, features: Features, *, classes: int, pool_share: float = 0.5) -> "Classifier":
        """A classifier of `classes` classes, background included; VGG-16's fc6 is not dilated in it (as in PSA).

        Raises:
            WsssError: the share is not in [0, 0.5].
        """
        shape = {"classes": classes, "pool_share": float(pool_share)}
        return cls.built(features, field_dilation=1, shape=shape, **shape)
