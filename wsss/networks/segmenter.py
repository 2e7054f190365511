"""The segmentation network: a score for each class at each cell (DeepLab-LargeFOV, and a decoder on request)."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from wsss.networks.network import Network
from wsss.options.network import Features


class Segmenter(Network):
    """A score for each class at each cell.

    VGG-16 carries its atrous layer (LargeFOV's fc6) in the backbone, and a dropout of one half follows fc7 as it does
    fc6; elsewhere a 3x3 convolution with that dilation stands before the linear map. With a decoder the cells are those
    of the backbone's first tap.

    Attributes:
        stride: input pixels for each cell of the scores.
    """

    kind = "segmenter"

    def __init__(
        self, backbone: nn.Module, *, classes: int, atrous: bool, dilation: int, decoder: bool, frozen: bool
    ) -> None:
        super().__init__(backbone, frozen=frozen)
        channels = backbone.channels[-1]
        self.stride = backbone.first_stride if decoder else backbone.stride
        self.atrous = nn.Identity()
        if atrous:
            width = min(512, channels)
            self.atrous = nn.Sequential(nn.Conv2d(channels, width, 3, padding=dilation, dilation=dilation), nn.ReLU())
            nn.init.kaiming_normal_(self.atrous[0].weight, nonlinearity="relu")
            channels = width
        self.dropout = nn.Dropout2d(0.1 if atrous else 0.5)
        self.decoder = Decoder(channels, backbone.channels[0]) if decoder else None
        self.head = nn.Conv2d(Decoder.WIDTH if decoder else channels, classes, 1)
        nn.init.normal_(self.head.weight, std=0.01)
        nn.init.zeros_(self.head.bias)

    def forward(self, images: Float[Tensor, "batch 3 height width"]) -> Float[Tensor, "batch classes rows columns"]:
        first, _, last = self.taps(images, self.backbone.stride)
        features = self.dropout(self.atrous(last))
        return self.head(self.decoder(features, first) if self.decoder else features)

    @torch.no_grad()
    def lower_background(self, offset: float) -> None:
        """Take an offset from the logit of the background, by the head's bias."""
        self.head.bias[0] -= offset

    @classmethod
    def build(cls, features: Features, *, classes: int, dilation: int, decoder: bool = False) -> "Segmenter":
        """A segmenter of `classes` classes, background included.

        Args:
            features: the backbone.
            classes: number of classes.
            dilation: of the atrous layer, in cells of the backbone's stride.
            decoder: whether a `Decoder` joins the first tap.
        """
        shape = {"classes": classes, "dilation": dilation} | ({"decoder": True} if decoder else {})
        more = {"atrous": features.backbone != "vgg16", "decoder": decoder}
        return cls.built(features, field_dilation=dilation, shape=shape, **(shape | more))


class Decoder(nn.Module):
    """Features on a finer grid, from coarse ones and from an earlier layer that shows edges.

    That of DeepLabv3+ (Chen et al. 2018, arXiv:1802.02611, section 3.1) with one 3x3 convolution in place of two, which
    is separable: both inputs are narrowed, brought to the finer grid, joined and convolved.
    """

    WIDTH = 128
    NARROW = 48
    """Channels of the earlier layer, few, so that they do not outweigh the coarse ones; the paper's number."""

    def __init__(self, coarse: int, fine: int) -> None:
        super().__init__()
        joined = self.WIDTH + self.NARROW
        self.coarse = nn.Sequential(nn.Conv2d(coarse, self.WIDTH, 1), nn.ReLU())
        self.fine = nn.Sequential(nn.Conv2d(fine, self.NARROW, 1), nn.ReLU())
        self.mix = nn.Sequential(
            nn.Conv2d(joined, joined, 3, padding=1, groups=joined, bias=False),
            nn.Conv2d(joined, self.WIDTH, 1),
            nn.ReLU(),
        )
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, nonlinearity="linear" if layer.groups > 1 else "relu")

    def forward(
        self, coarse: Float[Tensor, "batch _ _ _"], fine: Float[Tensor, "batch _ rows columns"]
    ) -> Float[Tensor, "batch {self.WIDTH} rows columns"]:
        narrowed = nn.functional.interpolate(self.coarse(coarse), fine.shape[-2:], mode="bilinear", align_corners=False)
        return self.mix(torch.cat([narrowed, self.fine(fine)], dim=1))
