"""What every backbone has in common: its normalisation, and the reading and strict loading of weights."""

import math
import pickle
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from wsss.runtime import sealed, tensors
from wsss.runtime.errors import WsssError, pass_on

Rgb = tuple[float, float, float]
"""Three numbers for red, green and blue, where colours lie in [0, 1]."""

IMAGENET_MEAN: Rgb = (0.485, 0.456, 0.406)
IMAGENET_STD: Rgb = (0.229, 0.224, 0.225)


class Backbone(nn.Module):
    """Features of a network without its classifier: images in, three taps out (conv4-, conv5- and final-like).

    Attributes:
        channels: of the three taps.
        stride: input pixels per pixel of the last tap.
        first_stride: the same of the first tap.
        mean, std: of the images the weights were trained on; `forward` takes images in [0, 1] and applies them.
    """

    def __init__(
        self, *, channels: tuple[int, int, int], stride: int, mean: Rgb, std: Rgb, first_stride: int | None = None
    ) -> None:
        super().__init__()
        self.channels = channels
        self.stride = stride
        self.first_stride = first_stride or stride
        self.register_buffer("_mean", torch.zeros(3, 1, 1), persistent=False)
        self.register_buffer("_std", torch.ones(3, 1, 1), persistent=False)
        self.set_normalisation(mean=mean, std=std)

    def set_normalisation(self, *, mean: Rgb, std: Rgb) -> None:
        """Colours are shifted by `mean` and divided by `std` before the first layer."""
        self.mean, self.std = mean, std
        self._mean.copy_(torch.tensor(mean).view(3, 1, 1))
        self._std.copy_(torch.tensor(std).view(3, 1, 1))

    def normalise(self, images: Float[Tensor, "batch 3 height width"]) -> Float[Tensor, "batch 3 height width"]:
        """Images in [0, 1] as the first layer expects them."""
        return (images - self._mean) / self._std

    @property
    def early(self) -> list[nn.Module]:
        """Layers that the papers keep at their pretrained weights."""
        return []


class Weights(NamedTuple):
    """Tensors of a weights file by name, and the normalisation where the file says it."""

    state: dict[str, Tensor]
    normalisation: tuple[Rgb, Rgb] | None


def check_stride(name: str, stride: int, *, known: int) -> None:
    """Refuse another stride than the one a network is built for."""
    if stride != known:
        raise WsssError(f"{name} has stride {known}, not {stride}: set the stride to {known}, or take a timm/ backbone")


@contextmanager
def downloading(what: str) -> Iterator[None]:
    """Turn whatever goes wrong with a download into one line that names the way out."""
    try:
        yield
    except WsssError:
        raise
    except Exception as error:  # each library, and each version of it, raises something else
        reason = (str(error).splitlines() or [""])[0][:120]
        raise WsssError(
            f"cannot download {what} ({type(error).__name__}: {reason}): "
            "without a network, give the path of a local file as weights"
        ) from error


def read_weights(path: Path, *, name: str) -> Weights:
    """Tensors of a .pth, .pt or .safetensors file: a state dict, one under 'state_dict', or a network file of wsss.

    Args:
        path: the file; it is never unpickled beyond tensors and plain values.
        name: of the backbone that is to take the weights; a wsss file that names another is refused.
    """
    content, header = _read_file(path)
    if header is not None:
        return _network_file(content, header, path, name=name)
    if not isinstance(content, dict):
        raise WsssError(f"{path} holds a {type(content).__name__}, no state dict: save network.state_dict() instead")
    return Weights(_only_tensors(content.get("state_dict", content), path), None)


def load_weights(module: nn.Module, state: dict[str, Tensor], *, name: str, source: str, ignored: str = "$^") -> None:
    """Load a state dict whose every tensor must fit, and that must hold them all.

    Args:
        module: takes the weights.
        state: tensors by name.
        name: of the backbone, for the error.
        source: of the weights, for the error.
        ignored: regular expression for the start of names, a classifier's as a rule, that the module may lack.
    """
    own = module.state_dict()
    # Counters of batches are of no use with a fixed momentum, and files older than them lack them.
    missing = [key for key in own if key not in state and not key.endswith("num_batches_tracked")]
    unknown = [key for key in state if key not in own and not re.match(ignored, key)]
    misshapen = [key for key in own if key in state and state[key].shape != own[key].shape]
    problems = []
    if missing:
        problems.append(f"{len(missing)} of {len(own)} tensors are missing, e.g. '{missing[0]}'")
    if misshapen:
        key = misshapen[0]
        shapes = f"{tuple(state[key].shape)}, not {tuple(own[key].shape)}"
        problems.append(f"{len(misshapen)} have another shape, e.g. '{key}' is {shapes}")
    if unknown:
        problems.append(f"{len(unknown)} are not of this network, e.g. '{unknown[0]}'")
    if problems:
        raise WsssError(f"{source} holds no weights of {name}: {'; '.join(problems)}")
    module.load_state_dict(own | {key: state[key] for key in own if key in state})


def _read_file(path: Path) -> tuple[object, dict[str, object] | None]:
    """Content of a weights file, on the CPU, and the header if it is the file of a network of wsss."""
    if not path.is_file():
        raise WsssError(f"there is no weights file {path}: give the path of a file, or another word as weights")
    try:
        if path.suffix == tensors.SUFFIX:
            return tensors.load(path)
        return torch.load(path, map_location="cpu", weights_only=True), None
    except sealed.Damaged as error:
        raise WsssError(f"the weights file {path} is damaged ({error}): copy it, or make it, again") from error
    except pickle.UnpicklingError as error:
        raise WsssError(
            f"{path} holds more than tensors, or is no file of torch: save only network.state_dict() to it"
        ) from error
    except Exception as error:  # a truncated file: RuntimeError, EOFError and others
        pass_on(error)
        raise WsssError(f"cannot read the weights file {path} ({type(error).__name__}): is it complete?") from error


def _network_file(state: dict[str, Tensor], header: dict, path: Path, *, name: str) -> Weights:
    """Backbone of a network that wsss has trained."""
    if header.get("backbone") != name:
        raise WsssError(f"{path} holds weights of the backbone {header.get('backbone')!r}, not of {name!r}")
    try:
        mean, std = ((float(r), float(g), float(b)) for r, g, b in (header["mean"], header["std"]))
        if not all(map(math.isfinite, mean)) or not all(0 < value < math.inf for value in std):
            raise ValueError(f"mean {mean}, standard deviation {std}")
    except (LookupError, TypeError, ValueError) as error:
        raise WsssError(
            f"{path} was written by another version of wsss, or is damaged: remove it and train again"
        ) from error
    start = "backbone."
    backbone = {key.removeprefix(start): value for key, value in state.items() if key.startswith(start)}
    return Weights(backbone, (mean, std))


def _only_tensors(state: object, path: Path) -> dict[str, Tensor]:
    """The state dict itself, if it is one."""
    if not isinstance(state, dict) or not state or not all(isinstance(value, Tensor) for value in state.values()):
        raise WsssError(f"{path} holds no state dict (names with tensors): save network.state_dict() to it")
    return dict(state)
