"""Networks: a backbone handed in, plus a head; and the one file format in which they are kept."""

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor, nn

from wsss import backbones, grid
from wsss.errors import WsssError
from wsss.files import whole_or_absent
from wsss.labels import Classes
from wsss.options import Features


@dataclass(frozen=True)
class Plan:
    """What a network is built from, all but its weights."""

    kind: str
    features: Features
    shape: dict[str, int]

    def build(self) -> "Network":
        """The network, with random weights."""
        return BUILDERS[self.kind](replace(self.features, weights="none"), **self.shape)


class Network(nn.Module):
    """A backbone and a head.

    Where it is frozen, the backbone's early layers and all its BatchNorm layers keep their pretrained weights, as the
    papers have it.
    """

    plan: Plan

    def __init__(self, backbone: nn.Module, *, frozen: bool) -> None:
        super().__init__()
        self.backbone = backbone
        self.frozen = frozen

    def train(self, mode: bool = True) -> "Network":
        super().train(mode)
        if self.frozen:
            for module in self.backbone.early:
                module.requires_grad_(False)
            for module in self.backbone.modules():
                if isinstance(module, nn.modules.batchnorm._BatchNorm):
                    module.eval().requires_grad_(False)
        return self

    def taps(self, images: Float[Tensor, "batch 3 height width"], multiple: int) -> tuple[Tensor, ...]:
        """The backbone's taps of images that are filled up to whole multiples of a number of pixels."""
        return self.backbone(grid.padded(images, multiple, fill=self.backbone.mean))

    def parameter_groups(self, *, new_layers_factor: float, weight_decay: float) -> list[dict]:
        """Weights, biases and the scales of norms, of the backbone and of the head, each a group.

        Biases learn twice as fast; neither they nor the scales of norms are decayed.
        """
        groups = []
        for module, factor in ((self.backbone, 1), (self.new_layers(), new_layers_factor)):
            named = [(name, p) for name, p in module.named_parameters() if p.requires_grad]
            biases = [p for name, p in named if name.endswith("bias")]
            scales = [p for name, p in named if not name.endswith("bias") and p.ndim <= 1]
            weights = [p for name, p in named if not name.endswith("bias") and p.ndim > 1]
            groups.append({"params": weights, "factor": factor, "weight_decay": weight_decay})
            groups.append({"params": scales, "factor": factor, "weight_decay": 0.0})
            groups.append({"params": biases, "factor": 2 * factor, "weight_decay": 0.0})
        return [group for group in groups if group["params"]]

    def new_layers(self) -> nn.ModuleList:
        """Everything but the backbone."""
        return nn.ModuleList(module for name, module in self.named_children() if name != "backbone")


class Classifier(Network):
    """Which foreground classes an image shows: features, a linear map without bias, the mean over the image.

    Without a bias the mean of the class maps is the class score, so the maps (CAM, Zhou et al. 2016) explain it.
    """

    def __init__(self, backbone: nn.Module, *, classes: int, frozen: bool) -> None:
        super().__init__(backbone, frozen=frozen)
        self.head = nn.Conv2d(backbone.channels[-1], classes - 1, 1, bias=False)
        self.dropout = nn.Dropout2d(0.5)
        nn.init.xavier_uniform_(self.head.weight)

    def forward(self, images: Float[Tensor, "batch 3 height width"]) -> Float[Tensor, "batch foreground"]:
        return self.head(self.dropout(self.backbone(images)[-1])).mean((-2, -1))

    def maps(self, images: Float[Tensor, "batch 3 height width"]) -> Float[Tensor, "batch foreground rows columns"]:
        """Activation maps, not yet normalised: ReLU of each cell's class score."""
        return self.head(self.taps(images, self.backbone.stride)[-1]).relu()


class AffinityNet(Network):
    """Features whose distance says whether two cells share a class (PSA, Ahn & Kwak 2018, arXiv:1803.10464).

    The last three stages of the backbone are each reduced by a 1x1 convolution (to 64, 128 and 256 channels), brought
    to one grid, joined and mixed. VGG-16 normalises the three by groups, since its stages differ in scale.
    """

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
        """Features on the grid of `stride`, whatever the backbone's own: its taps are interpolated."""
        whole = math.lcm(self.stride, self.backbone.stride)
        rows, columns = (side * whole // self.stride for side in grid.cells(tuple(images.shape[-2:]), whole))
        branches = [
            nn.functional.interpolate(
                nn.functional.elu(reduce(tap)), (rows, columns), mode="bilinear", align_corners=False
            )
            for reduce, tap in zip(self.reduce, self.taps(images, whole), strict=True)
        ]
        joined = grid.cropped(torch.cat(branches, dim=1), grid.cells(tuple(images.shape[-2:]), self.stride))
        return nn.functional.elu(self.mix(joined))


class Segmenter(Network):
    """A score for each class at each cell.

    VGG-16 carries its atrous layer (LargeFOV's fc6) in the backbone, and a dropout of one half follows fc7 as it does
    fc6; elsewhere a 3x3 convolution with that dilation stands before the linear map.
    """

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


def classifier(features: Features, *, classes: int) -> Classifier:
    """A classifier; VGG-16's fc6 is not dilated in it (methods of PSA)."""
    network = Classifier(_backbone(features, field_dilation=1), classes=classes, frozen=features.freeze)
    network.plan = Plan("classifier", features, {"classes": classes})
    return network


def affinity_net(features: Features, *, grid_stride: int) -> AffinityNet:
    """An AffinityNet with features on the grid of `grid_stride`; VGG-16's fc6 has dilation 4 in it."""
    grouped = features.backbone == "vgg16"
    backbone = _backbone(features, field_dilation=4)
    network = AffinityNet(backbone, grouped=grouped, stride=grid_stride, frozen=features.freeze)
    network.plan = Plan("affinity_net", features, {"grid_stride": grid_stride})
    return network


def segmenter(features: Features, *, classes: int, dilation: int) -> Segmenter:
    """A segmenter whose atrous layer has the given dilation, in cells."""
    atrous = features.backbone != "vgg16"
    backbone = _backbone(features, field_dilation=dilation)
    network = Segmenter(backbone, classes=classes, atrous=atrous, dilation=dilation, frozen=features.freeze)
    network.plan = Plan("segmenter", features, {"classes": classes, "dilation": dilation})
    return network


def _backbone(features: Features, *, field_dilation: int) -> nn.Module:
    return backbones.build(
        features.backbone, stride=features.stride, weights=features.weights, field_dilation=field_dilation
    )


BUILDERS: dict[str, Callable[..., Network]] = {
    "classifier": classifier,
    "affinity_net": affinity_net,
    "segmenter": segmenter,
}


def save(path: Path, network: Network, *, classes: Classes, settings: dict) -> None:
    """Keep a finished network: nothing but its file is needed to use it.

    Args:
        path: file to write; whole or absent.
        network: what to keep.
        classes: the classes, background first.
        settings: the options that it was trained with.
    """
    head = {name: value for name, value in network.state_dict().items() if not name.startswith("backbone.")}
    content = {
        **asdict(network.plan),
        "backbone": network.plan.features.backbone,
        "backbone_state": network.backbone.state_dict(),
        "head_state": head,
        "mean": list(network.backbone.mean),
        "std": list(network.backbone.std),
        "classes": list(classes.names),
        "mask_values": list(classes.mask_values),
        "colours": [list(colour) for colour in classes.colours],
        "settings": {name: str(value) for name, value in settings.items()},
    }
    with whole_or_absent(path) as partial:
        torch.save(content, partial)


def load(path: Path, kind: str) -> tuple[Network, dict]:
    """A network ready for use (on the CPU, evaluating), and the content of its file.

    Raises:
        WsssError: where the file is missing, damaged, or holds a network of another kind.
    """
    content = read_file(path)
    if content.get("kind") != kind:
        raise WsssError(
            f"{path} holds a network of kind {content.get('kind')!r}, expected {kind!r}: is it the right file?"
        )
    if "features" not in content:
        raise WsssError(f"{path} was written by another version of wsss: train it again")
    network = Plan(kind, Features(**content["features"]), content["shape"]).build()
    try:
        backbone_state = {f"backbone.{name}": value for name, value in content["backbone_state"].items()}
        network.load_state_dict({**content["head_state"], **backbone_state})
    except RuntimeError as error:
        raise WsssError(
            f"{path} does not fit the network {content['backbone']} that it names: train it again"
        ) from error
    network.backbone.set_normalisation(mean=tuple(content["mean"]), std=tuple(content["std"]))
    return network.eval().to(memory_format=torch.channels_last), content


def classes_of(content: dict) -> Classes:
    """The classes that a network's file names."""
    return Classes(tuple(content["classes"]), tuple(content["mask_values"]))


def read_file(path: Path) -> dict:
    """The content of a network's file, read without executing anything in it."""
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise WsssError(f"{path} does not exist: run the stage that trains it first") from error
    except Exception as error:  # torch raises many kinds for damaged files
        raise WsssError(
            f"{path} is no file of a network ({type(error).__name__}): remove it and train again"
        ) from error
    if not isinstance(content, dict) or "kind" not in content:
        raise WsssError(f"{path} is no network of wsss: weights alone are given by the option `weights`")
    return content
