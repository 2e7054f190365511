"""The file of a network: its weights by name, and a header with all that is needed to use it, as safetensors."""

import math
import re
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Literal, get_args

import torch
from torch import Tensor

from wsss.labels import Classes
from wsss.networks.network import Built, Network
from wsss.options.network import Features
from wsss.runtime import sealed, tensors
from wsss.runtime.errors import WsssError

Supervision = Literal["tags", "tags and cues"]
"""What a network was trained on: image tags alone, or also cues that were made of them beforehand."""


MOST_CLASSES = 255
"""A label is a byte, and 255 is void."""

LARGEST = 10_000
"""No number that says how a network is built, such as a dilation, or the side of its input, is larger than this."""

FORM = {
    "kind": str,
    "backbone": str,
    "features": dict,
    "shape": dict,
    "mean": list,
    "std": list,
    "classes": list,
    "mask_values": list,
    "colours": list,
    "supervision": str,
    "warped_px": int,
    "longest_px": int,
    "settings": dict,
    "inputs": dict,
    "code": str,
}
"""What the header of a network's file holds."""


@dataclass(frozen=True)
class About:
    """What a network's file says of it beside its weights.

    Args:
        classes: the classes, background first.
        supervision: what it was trained on.
        warped_px: side of the square to which its images are warped, in training and in use; 0: it takes them as
            they are.
        longest_px: longer side to which larger images are reduced, in training and in use; 0: none are.
        settings: the options that it was trained with; a file has them as words.
        inputs: the digest of each file that it was trained on, by name.
        code: the digest of the code that trained it.
    """

    classes: Classes
    supervision: Supervision
    warped_px: int = 0
    longest_px: int = 0
    settings: dict[str, object] = field(default_factory=dict)
    inputs: dict[str, str] = field(default_factory=dict)
    code: str = ""


def save(path: Path, network: Network, about: About) -> None:
    """Keep a finished network: nothing but its file is needed to use it. The file is whole or absent."""
    header = {
        "kind": network.kind,
        "backbone": network.features.backbone,
        "features": asdict(network.features),
        "shape": network.shape,
        "mean": list(network.backbone.mean),
        "std": list(network.backbone.std),
        "classes": list(about.classes.names),
        "mask_values": list(about.classes.mask_values),
        "colours": [list(colour) for colour in about.classes.colours],
        "supervision": about.supervision,
        "warped_px": about.warped_px,
        "longest_px": about.longest_px,
        "settings": {name: str(value) for name, value in about.settings.items()},
        "inputs": about.inputs,
        "code": about.code,
    }
    tensors.save(path, network.state_dict(), header)


def load(path: Path, builder: type[Built]) -> tuple[Built, About]:
    """A network of the given class, ready for use (on the CPU, evaluating), and what its file says of it.

    Raises:
        WsssError: the file is missing, damaged, or holds a network of another kind.
    """
    state, header = read(path)
    if header["kind"] != builder.kind:
        raise WsssError(
            f"{path} holds a network of kind {header['kind']!r}, expected {builder.kind!r}: is it the right file?"
        )
    try:
        network = builder.build(replace(Features(**header["features"]), weights="none"), **header["shape"])
        _check_numbers(state, network.state_dict())
        network.load_state_dict(state)
    except WsssError as error:  # of the backbone, which knows no file
        raise WsssError(f"{path} cannot be used ({error}): remove it and train again") from error
    except (RuntimeError, TypeError, ValueError, AttributeError, LookupError) as error:  # made by nothing of ours
        raise WsssError(
            f"{path} does not fit the network {header['backbone']} that it names: remove it and train again"
        ) from error
    network.backbone.set_normalisation(mean=tuple(header["mean"]), std=tuple(header["std"]))
    return network.eval().to(memory_format=torch.channels_last), about(header)


def about(header: dict) -> About:
    """What the header of a network's file says of the network."""
    classes = Classes(tuple(header["classes"]), tuple(header["mask_values"]))
    said = ("supervision", "warped_px", "longest_px", "settings", "inputs", "code")
    return About(classes, **{name: header[name] for name in said})


def whole_setting(path: Path, about: About, name: str) -> int:
    """A whole number above 0 with which a network was trained, from what its file says.

    Raises:
        WsssError: the file does not say it.
    """
    value = str(about.settings.get(name))
    if not re.fullmatch("[0-9]{1,5}", value) or not 0 < int(value) <= LARGEST:
        raise WsssError(f"{path} does not say with which {name} it was trained: remove it and train again")
    return int(value)


def read(path: Path) -> tuple[dict[str, Tensor], dict]:
    """The weights in a network's file by name, and its header; nothing in the file is executed.

    Raises:
        WsssError: the file is missing, damaged, no network of ours, or one of another version.
    """
    try:
        state, header = tensors.load(path)
    except FileNotFoundError as error:
        raise WsssError(f"{path} does not exist: run the stage that trains it first") from error
    except sealed.Damaged as error:
        raise WsssError(f"{path} is not the file of a network ({error}): remove it and train again") from error
    if header is None or "kind" not in header:
        raise WsssError(f"{path} is not a network of wsss: weights alone are given by the option `weights`")
    if not _fits(header):
        raise WsssError(f"{path} was written by another version of wsss, or is damaged: remove it and train again")
    return state, header


def _check_numbers(state: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    """Refuse weights that torch would take, but that no training leaves.

    Raises:
        ValueError: integers stand for fractions or the reverse, or a number is not finite.
    """
    for name, value in state.items():
        if value.is_floating_point() != expected[name].is_floating_point() or not value.isfinite().all():
            raise ValueError(name)


def _fits(header: dict) -> bool:
    """Whether the header has the form that `save` gives it, and no layer is larger than its classes ask for."""
    if header.keys() != FORM.keys() or not all(type(header[name]) is kind for name, kind in FORM.items()):
        return False
    options = {field.name: field.type for field in fields(Features)}
    features, shape = header["features"], header["shape"]
    count = len(header["classes"])
    return (
        0 < count <= MOST_CLASSES
        and _are(header["classes"], str, count)
        and _are(header["mask_values"], int, count)
        and _are(header["mean"], float, 3)
        and all(map(math.isfinite, header["mean"]))
        and _are(header["std"], float, 3)
        and all(0 < value < math.inf for value in header["std"])
        and features.keys() == options.keys()
        and all(type(features[name]) is kind for name, kind in options.items())
        and features["backbone"] == header["backbone"]
        and 0 < features["stride"] <= LARGEST
        and all(_is_a_size(value) for value in shape.values())
        and shape.get("classes", count) == count
        and all(_are(list(header[name].values()), str) for name in ("settings", "inputs"))
        and header["supervision"] in get_args(Supervision)
        and 0 <= header["warped_px"] <= LARGEST
        and header["longest_px"] >= 0
        and _colours_fit(header)
    )


def _is_a_size(value: object) -> bool:
    """Whether a value of the shape is a share, or a whole number that a layer may have."""
    return 0 <= value <= 1 if isinstance(value, float) else isinstance(value, int) and 0 < value <= LARGEST


def _are(items: list, kind: type, length: int | None = None) -> bool:
    """Whether all items of a list, of the length if one is given, are of one type."""
    return len(items) == (len(items) if length is None else length) and all(type(item) is kind for item in items)


def _colours_fit(header: dict) -> bool:
    """Whether the classes may be called so, and have the colours that their mask values have."""
    try:
        classes = Classes(tuple(header["classes"]), tuple(header["mask_values"]))
    except WsssError:
        return False
    return header["colours"] == [list(colour) for colour in classes.colours]
