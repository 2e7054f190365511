"""Networks: a backbone handed in, plus a head; and the one file format in which they are kept."""

from collections.abc import Callable
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor, nn

from wsss import backbones
from wsss.errors import WsssError
from wsss.labels import Classes


class Network(nn.Module):
    """A backbone and a head.

    Where it is frozen, the backbone's early layers and all its BatchNorm layers keep their pretrained weights, as the
    papers have it.
    """

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

    def parameter_groups(self, *, new_layers_factor: float, weight_decay: float) -> list[dict]:
        """Four groups: weights and biases, of the backbone and of the head; biases learn twice as fast, undecayed."""
        groups = []
        for module, factor in ((self.backbone, 1), (self.new_layers(), new_layers_factor)):
            weights = [p for p in module.parameters() if p.requires_grad and p.ndim > 1]
            biases = [p for p in module.parameters() if p.requires_grad and p.ndim <= 1]
            groups.append({"params": weights, "factor": factor, "weight_decay": weight_decay})
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
        return self.head(self.backbone(images)[-1]).relu()


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
        grid = [-(-side // self.stride) for side in images.shape[-2:]]
        branches = [
            nn.functional.interpolate(nn.functional.elu(reduce(tap)), grid, mode="bilinear", align_corners=False)
            for reduce, tap in zip(self.reduce, self.backbone(images), strict=True)
        ]
        return nn.functional.elu(self.mix(torch.cat(branches, dim=1)))


class Segmenter(Network):
    """A score for each class at each cell.

    VGG-16 carries its atrous layer (LargeFOV's fc6) in the backbone; elsewhere a 3x3 convolution with that dilation
    stands before the linear map.
    """

    def __init__(self, backbone: nn.Module, *, classes: int, atrous: bool, dilation: int, frozen: bool) -> None:
        super().__init__(backbone, frozen=frozen)
        channels = backbone.channels[-1]
        self.atrous = nn.Identity()
        if atrous:
            width = min(512, channels)
            self.atrous = nn.Sequential(
                nn.Conv2d(channels, width, 3, padding=dilation, dilation=dilation), nn.ReLU(), nn.Dropout2d(0.1)
            )
            nn.init.kaiming_normal_(self.atrous[0].weight, nonlinearity="relu")
            channels = width
        self.head = nn.Conv2d(channels, classes, 1)
        nn.init.normal_(self.head.weight, std=0.01)
        nn.init.zeros_(self.head.bias)

    def forward(self, images: Float[Tensor, "batch 3 height width"]) -> Float[Tensor, "batch classes rows columns"]:
        return self.head(self.atrous(self.backbone(images)[-1]))


def classifier(*, backbone: str, stride: int, weights: str, classes: int, frozen: bool) -> Classifier:
    """A classifier; VGG-16's fc6 is not dilated in it (methods of PSA)."""
    return Classifier(
        backbones.build(backbone, stride=stride, weights=weights, field_dilation=1), classes=classes, frozen=frozen
    )


def affinity_net(*, backbone: str, stride: int, weights: str, grid_stride: int, frozen: bool) -> AffinityNet:
    """An AffinityNet with features on the grid of `grid_stride`; VGG-16's fc6 has dilation 4 in it."""
    features = backbones.build(backbone, stride=stride, weights=weights, field_dilation=4)
    return AffinityNet(features, grouped=backbone == "vgg16", stride=grid_stride, frozen=frozen)


def segmenter(*, backbone: str, stride: int, weights: str, classes: int, dilation: int, frozen: bool) -> Segmenter:
    """A segmenter whose atrous layer has the given dilation, in cells."""
    features = backbones.build(backbone, stride=stride, weights=weights, field_dilation=dilation)
    return Segmenter(features, classes=classes, atrous=backbone != "vgg16", dilation=dilation, frozen=frozen)


BUILDERS: dict[str, Callable[..., Network]] = {
    "classifier": classifier,
    "affinity_net": affinity_net,
    "segmenter": segmenter,
}


def save(path: Path, network: Network, kind: str, *, shape: dict, classes: Classes, settings: dict) -> None:
    """Keep a finished network: nothing but its file is needed to use it.

    Args:
        path: file to write; whole or absent.
        network: what to keep.
        kind: one of BUILDERS.
        shape: the arguments of its builder, but for the weights.
        classes: the classes, background first.
        settings: the options that it was trained with.
    """
    head = {name: value for name, value in network.state_dict().items() if not name.startswith("backbone.")}
    content = {
        "kind": kind,
        "shape": shape,
        "backbone": shape["backbone"],
        "backbone_state": network.backbone.state_dict(),
        "head_state": head,
        "mean": list(network.backbone.mean),
        "std": list(network.backbone.std),
        "classes": list(classes.names),
        "mask_values": list(classes.mask_values),
        "colours": [list(colour) for colour in classes.colours],
        "settings": {name: str(value) for name, value in settings.items()},
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    torch.save(content, partial)
    partial.replace(path)


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
    network = BUILDERS[kind](**content["shape"], weights="none")
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
