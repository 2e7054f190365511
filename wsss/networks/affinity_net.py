"""AffinityNet (PSA): features whose distance says whether two cells share a class."""

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn

from wsss.maths import grid
from wsss.networks.network import Network
from wsss.options.network import Features


class AffinityNet(Network):
    """Features whose distance says whether two cells share a class (PSA, Ahn & Kwak 2018, arXiv:1803.10464).

    The last three stages of the backbone are each reduced by a 1x1 convolution (to 64, 128 and 256 channels), brought
    to one grid, joined and mixed. VGG-16 normalises the three by groups, since its stages differ in scale.
    """

    kind = "affinity_net"
    WIDTHS = (64, 128, 256)

    def __init__(self, backbone: nn.Module, *, grouped: bool, stride: int, frozen: bool) -> None:
        super().__init__(backbone, frozen=frozen)
        self.stride = stride
        self.reduce = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(channels, width, 1, bias=False), nn.GroupNorm(width // 8, width) if grouped else nn.Identity()
            )
            for channels, width in zip(backbone.channels, self.WIDTHS, strict=True)
        )
        self.mix = nn.Conv2d(sum(self.WIDTHS), sum(self.WIDTHS), 1, bias=False)
        for branch in self.reduce:
            nn.init.kaiming_normal_(branch[0].weight)
        nn.init.xavier_uniform_(self.mix.weight, gain=4)

    def forward(self, images: Float[Tensor, "batch 3 height width"]) -> Float[Tensor, "batch channels rows columns"]:
        """Features on the grid of `stride`, whatever the backbone's own: its taps are interpolated.

        The papers' networks join the interpolated branches and mix them. Here each branch is mixed on its own grid
        first, which is the same, since both are linear, and up to four times cheaper each time a grid is doubled.
        """
        whole = math.lcm(self.stride, self.backbone.stride)
        rows, columns = (side * whole // self.stride for side in grid.cells(tuple(images.shape[-2:]), whole))
        by_grid: dict[torch.Size, Tensor] = {}
        weights = self.mix.weight.split(self.WIDTHS, dim=1)
        for reduce, tap, weight in zip(self.reduce, self.taps(images, whole), weights, strict=True):
            mixed = nn.functional.conv2d(nn.functional.elu(reduce(tap)), weight)
            size = mixed.shape[-2:]
            by_grid[size] = by_grid[size] + mixed if size in by_grid else mixed
        features = sum(
            nn.functional.interpolate(mixed, (rows, columns), mode="bilinear", align_corners=False)
            for mixed in by_grid.values()
        )
        return nn.functional.elu(grid.cropped(features, grid.cells(tuple(images.shape[-2:]), self.stride)))

    @classmethod
    def build(cls, features: Features, *, grid_stride: int) -> "AffinityNet":
        """An AffinityNet with features on the grid of `grid_stride`; VGG-16's fc6 has dilation 4 in it."""
        grouped = features.backbone == "vgg16"
        return cls.built(
            features, field_dilation=4, shape={"grid_stride": grid_stride}, grouped=grouped, stride=grid_stride
        )
