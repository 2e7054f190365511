"""The segmentation network: a score for each class at each cell (DeepLab-LargeFOV)."""

from jaxtyping import Float
from torch import Tensor, nn

from wsss.networks.network import Network
from wsss.options.network import Features


class Segmenter(Network):
    """A score for each class at each cell.

    VGG-16 carries its atrous layer (LargeFOV's fc6) in the backbone, and a dropout of one half follows fc7 as it does
    fc6; elsewhere a 3x3 convolution with that dilation stands before the linear map.
    """

    kind = "segmenter"

    def __init__(self, backbone: nn.Module, *, classes: int, atrous: bool, dilation: int, frozen: bool) -> None:
        super().__init__(backbone, frozen=frozen)
        channels = backbone.channels[-1]
        self.atrous = nn.Identity()
        if atrous:
            width = min(512, channels)
            self.atrous = nn.Sequential(nn.Conv2d(channels, width, 3, padding=dilation, dilation=dilation), nn.ReLU())
            nn.init.kaiming_normal_(self.atrous[0].weight, nonlinearity="relu")
            channels = width
        self.dropout = nn.Dropout2d(0.1 if atrous else 0.5)
        self.head = nn.Conv2d(channels, classes, 1)
        nn.init.normal_(self.head.weight, std=0.01)
        nn.init.zeros_(self.head.bias)

    def forward(self, images: Float[Tensor, "batch 3 height width"]) -> Float[Tensor, "batch classes rows columns"]:
        return self.head(self.dropout(self.atrous(self.taps(images, self.backbone.stride)[-1])))

    @classmethod
    def build(cls, features: Features, *, classes: int, dilation: int) -> "Segmenter":
        """A segmenter of `classes` classes, background included; `dilation` is that of its atrous layer, in cells."""
        shape = {"classes": classes, "dilation": dilation}
        return cls.built(features, field_dilation=dilation, shape=shape, atrous=features.backbone != "vgg16", **shape)
