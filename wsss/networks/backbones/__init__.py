"""Backbones: features only, no heads. Each takes RGB images in [0, 1] and gives three taps."""

from wsss.networks.backbones import resnet38, vgg
from wsss.networks.backbones.backbone import Backbone
from wsss.runtime.errors import WsssError

BACKBONES = {"vgg16": vgg.build, "resnet38": resnet38.build}
TIMM = "timm/"


def build(name: str, *, stride: int, weights: str, field_dilation: int) -> Backbone:
    """A backbone with its weights.

    Args:
        name: 'vgg16', 'resnet38', or 'timm/NAME' for a network of timm.
        stride: input pixels per pixel of the last tap: 8 for vgg16 and resnet38; 8, 16 or 32 for timm's, where the
            network can.
        weights: 'none' (random); 'imagenet' (torchvision's or timm's default, downloaded); a tag of theirs, such as
            'IMAGENET1K_FEATURES'; 'offline' (timm/tf_efficientnet_lite0, 1 and 2: from an installed package);
            or the path of a local file, .pth, .pt, .safetensors, or MXNet's .params for resnet38.
        field_dilation: dilation of vgg16's fc6: 1 for PSA's classifier, 4 for AffinityNet, 12 for SEC; the other
            networks do not have it.

    Raises:
        WsssError: the name, the stride or the weights do not exist or do not fit.
    """
    if name.startswith(TIMM):
        from wsss.networks.backbones import timm

        return timm.build(name.removeprefix(TIMM), stride=stride, weights=weights)
    if name not in BACKBONES:
        raise WsssError(f"there is no backbone {name!r}: there are {', '.join(BACKBONES)} and timm/NAME")
    return BACKBONES[name](stride=stride, weights=weights, field_dilation=field_dilation)
