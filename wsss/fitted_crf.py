"""The file of a fitted CRF: JSON, so that people can read it and other programs can use it."""

import json
from dataclasses import asdict, fields
from pathlib import Path

import torch

from wsss.crf.potentials import NUMBERS, Potentials
from wsss.errors import WsssError, refuse
from wsss.files import whole_or_absent
from wsss.labels import Classes
from wsss.options import Crf

KIND = "wsss fitted CRF"


def write(path: Path, crf: Crf, potentials: Potentials, *, classes: Classes, about: dict[str, str | float]) -> None:
    """Write a fitted CRF: the settings of the engine, the potentials, the classes, and what it was fitted to."""
    numbers = {
        field.name: tensor.tolist()
        for field in fields(potentials)
        if (tensor := getattr(potentials, field.name)) is not None
    }
    content = {"kind": KIND, "classes": classes.names, "about": about, "crf": {**asdict(crf)}, "potentials": numbers}
    with whole_or_absent(path) as partial:
        partial.write_text(json.dumps(content, indent=2) + "\n")


def read(path: Path, classes: Classes) -> tuple[Crf, Potentials, dict[str, str | float]]:
    """A fitted CRF for these classes, and what it was fitted to.

    Raises:
        WsssError: the file is none of `write`'s, or is of other classes.
    """
    try:
        content = json.loads(path.read_text())
        found = content["kind"] == KIND
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise WsssError(f"{path} cannot be read as a fitted CRF ({error}): rerun the stage crf") from error
    if not found:
        raise WsssError(f"{path} is no fitted CRF: is it the right file?")
    if tuple(content["classes"]) != tuple(classes.names):
        raise WsssError(f"{path} was fitted for {content['classes']}, the scores are of {list(classes.names)}")
    numbers = {name: torch.tensor(value) for name, value in content["potentials"].items()}
    off = {name for name in NUMBERS if numbers[name] == 0 and name.endswith("weight")}
    wrong = [name for name in NUMBERS if name not in off and not 0 < numbers[name] < torch.inf]
    refuse([f"{name} is {numbers[name]}: give a positive number" for name in wrong], f"{path} cannot be used")
    return Crf(**content["crf"]), Potentials(**numbers), content["about"]
