"""VGG-16 as DeepLab-LargeFOV: stride 8, its fully connected layers thinned out to convolutions.

Chen et al. 2015 (arXiv:1412.7062), in the form of PSA (Ahn & Kwak 2018, arXiv:1803.10464), whose code does not use
the fifth pool. SEC has it: a 3 x 3 max pool and a 3 x 3 average pool, both of stride 1, before fc6.
"""

from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor, nn

from wsss.networks.backbones.backbone import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    Backbone,
    check_stride,
    downloading,
    load_weights,
    read_weights,
)
from wsss.options.network import weights_file
from wsss.runtime.errors import WsssError

BLOCKS = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))
"""Output channels of the convolutions of each block."""
POOL_STRIDES = (2, 2, 2, 1)
"""Of the pools between the blocks."""
FC_CHANNELS = 1024

FEATURES_TAG = "IMAGENET1K_FEATURES"
# Its normalisation in torchvision: mean colours in 0 to 255 are subtracted, and nothing is divided.
FEATURES_MEAN = (0.48235, 0.45882, 0.40784)
FEATURES_STD = (1 / 255, 1 / 255, 1 / 255)


class Vgg16(Backbone):
    """DeepLab-LargeFOV; its taps are conv4_3 (before pool4), conv5_3 and fc7. Layers bear torchvision's numbers.

    Dropout follows fc6 here; whether it follows fc7 is up to the network on top.
    """

    def __init__(self, *, field_dilation: int) -> None:
        super().__init__(channels=(512, 512, FC_CHANNELS), stride=8, mean=IMAGENET_MEAN, std=IMAGENET_STD)
        self.features = nn.Sequential(*_layers())
        self.fc6 = nn.Conv2d(512, FC_CHANNELS, 3, padding=field_dilation, dilation=field_dilation)
        self.fc7 = nn.Conv2d(FC_CHANNELS, FC_CHANNELS, 1)
        self.dropout6 = nn.Dropout2d(0.5)
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
                nn.init.zeros_(layer.bias)

    @property
    def early(self) -> list[nn.Module]:
        """conv1_* and conv2_*."""
        return [layer for layer in self.features[:10] if isinstance(layer, nn.Conv2d)]

    def forward(
        self, images: Float[Tensor, "batch 3 height width"]
    ) -> tuple[
        Float[Tensor, "batch 512 rows columns"],
        Float[Tensor, "batch 512 rows columns"],
        Float[Tensor, "batch 1024 rows columns"],
    ]:
        """Taps of RGB images in [0, 1], on a grid of stride 8, rounded up: 448 gives 56, 321 gives 41."""
        conv4 = self.features[:23](self.normalise(images))
        conv5 = self.features[23:](conv4)
        fc6 = self.dropout6(self.fc6(conv5).relu())
        return conv4, conv5, self.fc7(fc6).relu()


def build(*, stride: int, weights: str, field_dilation: int) -> Vgg16:
    """VGG-16 with weights 'none', 'imagenet', a tag of torchvision, or those of a local file."""
    check_stride("vgg16", stride, known=8)
    if weights == "none":
        return Vgg16(field_dilation=field_dilation)
    if weights == "offline":
        raise WsssError("no package brings the weights of vgg16: set the weights to 'imagenet', a local file or 'none'")
    if weights_file(weights):
        state, normalisation = read_weights(Path(weights), name="vgg16")
    else:
        state, normalisation = _download(weights), None
    backbone = Vgg16(field_dilation=field_dilation)
    _load(backbone, state, source=weights)
    if normalisation:
        backbone.set_normalisation(mean=normalisation[0], std=normalisation[1])
    return backbone


def decimate(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """fc6 and fc7 out of torchvision's classifier.0 and classifier.3: each fourth channel, each third tap of 7 x 7."""
    fc6, fc7 = state["classifier.0.weight"], state["classifier.3.weight"]
    return {
        "fc6.weight": fc6.view(fc6.shape[0], -1, 7, 7)[::4, :, ::3, ::3],
        "fc6.bias": state["classifier.0.bias"][::4],
        "fc7.weight": fc7[::4, ::4, None, None],
        "fc7.bias": state["classifier.3.bias"][::4],
    }


def _layers() -> list[nn.Module]:
    """The convolutions of VGG-16, at torchvision's places, with pools that keep the grid from conv4 on."""
    layers: list[nn.Module] = []
    before = 3
    for block, widths in enumerate(BLOCKS):
        dilation = 2 if block == 4 else 1
        for width in widths:
            layers += [nn.Conv2d(before, width, 3, padding=dilation, dilation=dilation), nn.ReLU(inplace=True)]
            before = width
        if block < len(POOL_STRIDES):
            layers.append(nn.MaxPool2d(3, stride=POOL_STRIDES[block], padding=1))
    return layers


def _download(weights: str) -> dict[str, Tensor]:
    """State dict of torchvision's vgg16: its default weights, or those of a tag."""
    from torchvision.models import VGG16_Weights

    tags = list(VGG16_Weights.__members__)
    tag = "DEFAULT" if weights == "imagenet" else weights
    if tag != "DEFAULT" and tag not in tags:
        known = ", ".join(["none", "imagenet", *tags])
        raise WsssError(f"vgg16 has no weights {weights!r}: there are {known}, and local files (./NAME.pth)")
    with downloading(f"the weights {weights!r} of vgg16"):
        return VGG16_Weights[tag].get_state_dict(progress=False, check_hash=True)


def _load(backbone: Vgg16, state: dict[str, Tensor], *, source: str) -> None:
    """Load torchvision's names, or ours; fc6 and fc7 stay random where the file has no classifier."""
    random = {key: value for key, value in backbone.state_dict().items() if key.startswith("fc")}
    if source == FEATURES_TAG or _is_features_only(state):
        backbone.set_normalisation(mean=FEATURES_MEAN, std=FEATURES_STD)
        state = state | random
    elif "fc6.weight" not in state:
        has_classifier = any(key.startswith("classifier.") for key in state)
        # ASSUME: convolutions without any classifier were trained on torchvision's usual normalisation.
        state = state | (_decimate_checked(state, source) if has_classifier else random)
    load_weights(backbone, state, name="vgg16", source=source, ignored=r"classifier\.")


def _decimate_checked(state: dict[str, Tensor], source: str) -> dict[str, Tensor]:
    """`decimate`, which refuses another network's classifier."""
    weight = state.get("classifier.0.weight")
    if weight is None or tuple(weight.shape) != (4096, 25088) or "classifier.3.weight" not in state:
        raise WsssError(f"{source} holds no weights of vgg16: its classifier is none of (4096, 25088) and (4096, 4096)")
    return decimate(state)


def _is_features_only(state: dict[str, Tensor]) -> bool:
    """Whether the file is that of IMAGENET1K_FEATURES, which fills its classifier with NaN."""
    weight = state.get("classifier.0.weight")
    return weight is not None and bool(torch.isnan(weight.flatten()[0]))
