"""The file of a network: its weights, and all that is needed to use it."""

from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Literal, get_args

import torch

from wsss.labels import Classes
from wsss.networks.network import Built, Network
from wsss.options.network import Features
from wsss.runtime import sealed
from wsss.runtime.errors import WsssError

Supervision = Literal["tags", "tags and cues"]
"""What a network was trained on: image tags alone, or also cues that were made of them beforehand."""


MOST_CLASSES = 255
"""A label is a byte, and 255 is void."""

LARGEST = 10_000
"""No number that says how a network is built, such as a dilation, is larger than this."""


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
    """

    classes: Classes
    supervision: Supervision
    warped_px: int = 0
    longest_px: int = 0
    settings: dict[str, object] = field(default_factory=dict)


def save(path: Path, network: Network, about: About) -> None:
    """Keep a finished network: nothing but its file is needed to use it. The file is whole or absent."""
    head = {name: value for name, value in network.state_dict().items() if not name.startswith("backbone.")}
    content = {
        "kind": network.kind,
        "features": asdict(network.features),
        "shape": network.shape,
        "backbone": network.features.backbone,
        "backbone_state": network.backbone.state_dict(),
        "head_state": head,
        "mean": list(network.backbone.mean),
        "std": list(network.backbone.std),
        "classes": list(about.classes.names),
        "mask_values": list(about.classes.mask_values),
        "colours": [list(colour) for colour in about.classes.colours],
        "supervision": about.supervision,
        "warped_px": about.warped_px,
        "longest_px": about.longest_px,
        "settings": {name: str(value) for name, value in about.settings.items()},
    }
    sealed.save(path, content)


def load(path: Path, builder: type[Built]) -> tuple[Built, About]:
    """A network of the given class, ready for use (on the CPU, evaluating), and what its file says of it.

    Raises:
        WsssError: the file is missing, damaged, or holds a network of another kind.
    """
    content = read(path)
    if content["kind"] != builder.kind:
        raise WsssError(
            f"{path} holds a network of kind {content['kind']!r}, expected {builder.kind!r}: is it the right file?"
        )
    try:
        network = builder.build(replace(Features(**content["features"]), weights="none"), **content["shape"])
        backbone_state = {f"backbone.{name}": value for name, value in content["backbone_state"].items()}
        network.load_state_dict({**content["head_state"], **backbone_state})
    except WsssError:
        raise
    except (RuntimeError, TypeError, ValueError, AttributeError, LookupError) as error:  # made by nothing of ours
        raise WsssError(
            f"{path} does not fit the network {content['backbone']} that it names: remove it and train again"
        ) from error
    network.backbone.set_normalisation(mean=tuple(content["mean"]), std=tuple(content["std"]))
    return network.eval().to(memory_format=torch.channels_last), about(content)


def about(content: dict) -> About:
    """What the content of a network's file says of the network."""
    classes = Classes(tuple(content["classes"]), tuple(content["mask_values"]))
    return About(
        classes, content["supervision"], content["warped_px"], content.get("longest_px", 0), content["settings"]
    )


def read(path: Path) -> dict:
    """The content of a network's file, read without executing anything in it.

    Raises:
        WsssError: the file is missing, damaged, no network of ours, or one of another version.
    """
    try:
        content, whole = sealed.load(path)
    except FileNotFoundError as error:
        raise WsssError(f"{path} does not exist: run the stage that trains it first") from error
    except sealed.Damaged as error:
        raise WsssError(f"{path} is not the file of a network ({error}): remove it and train again") from error
    if not isinstance(content, dict) or "kind" not in content:
        raise WsssError(f"{path} is not a network of wsss: weights alone are given by the option `weights`")
    if not whole or not _fits(content):
        raise WsssError(f"{path} was written by another version of wsss, or is damaged: remove it and train again")
    return content


def _fits(content: dict) -> bool:
    """Whether the content has the form that `save` gives it, and no layer is larger than its classes ask for."""

    def is_list(name: str, kind: type, length: int) -> bool:
        found = content.get(name)
        return isinstance(found, list) and len(found) == length and all(isinstance(item, kind) for item in found)

    def is_table(name: str, kinds: type | tuple[type, ...]) -> bool:
        found = content.get(name)
        return isinstance(found, dict) and all(isinstance(item, kinds) for item in found.values())

    classes = content.get("classes")
    count = len(classes) if isinstance(classes, list) else 0
    return (
        0 < count <= MOST_CLASSES
        and is_list("classes", str, count)
        and is_list("mask_values", int, count)
        and is_list("mean", float, 3)
        and is_list("std", float, 3)
        and is_table("features", (str, int, bool))
        and is_table("shape", int)
        and content["shape"].get("classes", count) == count
        and all(0 <= value <= LARGEST for value in content["shape"].values())
        and is_table("settings", str)
        and is_table("backbone_state", torch.Tensor)
        and is_table("head_state", torch.Tensor)
        and content.get("supervision") in get_args(Supervision)
        and all(isinstance(content.get(name, 0), int) for name in ("warped_px", "longest_px"))
    )
