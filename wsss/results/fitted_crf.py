"""The file of a fitted CRF: JSON, so that people can read it and other programs can use it."""

from dataclasses import asdict, fields
from pathlib import Path

import torch

from wsss.crf.potentials import NUMBERS, Potentials
from wsss.labels import Classes
from wsss.options.crf import Crf
from wsss.runtime.errors import WsssError
from wsss.runtime.files import read_json, write_json

KIND = "wsss fitted CRF"


def write(path: Path, start: Crf, potentials: Potentials, *, classes: Classes, about: dict[str, str | float]) -> None:
    """Write a fitted CRF: the settings of the engine, the potentials, the classes, and what it was fitted to."""
    numbers = {
        field.name: tensor.tolist()
        for field in fields(potentials)
        if (tensor := getattr(potentials, field.name)) is not None
    }
    content = {"kind": KIND, "classes": classes.names, "about": about, "crf": asdict(start), "potentials": numbers}
    write_json(path, content)


def read(path: Path, classes: Classes) -> tuple[Crf, Potentials, dict[str, str | float]]:
    """A fitted CRF for these classes, and what it was fitted to.

    Raises:
        WsssError: the file was not written by `write`, or is for other classes.
    """
    content = read_json(path)
    try:
        if content["kind"] != KIND:
            raise WsssError(f"{path} is not a fitted CRF: is it the right file?")
        names = tuple(content["classes"])
        numbers = {name: torch.tensor(value) for name, value in content["potentials"].items()}
        fitted = {name: float(numbers[name]) for name in NUMBERS}
        parameters, potentials = Crf(**(content["crf"] | fitted)), Potentials(**numbers)
        about = content["about"]
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise WsssError(
            f"{path} cannot be read as a fitted CRF ({error!r}): remove it and rerun the stage crf"
        ) from error
    if names != classes.names:
        raise WsssError(f"{path} was fitted for {list(names)}, but the scores are for {list(classes.names)}")
    if not all(number.isfinite().all() for number in numbers.values()):
        raise WsssError(f"{path} holds values that are NaN or infinite: remove it and rerun the stage crf")
    return parameters, potentials, about
