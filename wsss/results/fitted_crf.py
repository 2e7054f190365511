"""The file of a fitted CRF: JSON, so that people can read it and other programs can use it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields, replace
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


@dataclass(frozen=True)
class Fitted:
    """What is in the file.

    Attributes:
        classes: names of the classes, background first.
        about: what it was fitted to.
        start: the settings before fitting.
        potentials: the numbers that were learned.
    """

    classes: tuple[str, ...]
    about: dict[str, str | float]
    start: Crf
    potentials: Potentials


def read(path: Path, classes: Classes) -> tuple[Crf, Potentials, dict[str, str | float]]:
    """A fitted CRF for these classes, and what it was fitted to.

    Raises:
        WsssError: the file was not written by `write`, or is for other classes.
    """
    found = load(path)
    if found.classes != classes.names:
        raise WsssError(f"{path} was fitted for {list(found.classes)}, but the scores are for {list(classes.names)}")
    numbers = {name: float(getattr(found.potentials, name)) for name in NUMBERS}
    with _named(path):
        return replace(found.start, **numbers), found.potentials, found.about


def load(path: Path) -> Fitted:
    """A fitted CRF, whatever its classes.

    Raises:
        WsssError: the file was not written by `write`.
    """
    content = read_json(path)
    if content.get("kind") != KIND:
        raise WsssError(f"{path} is not a fitted CRF: is it the right file?")
    with _named(path):
        names, about = tuple(content["classes"]), content["about"]
        numbers = {name: torch.tensor(value) for name, value in content["potentials"].items()}
        _check(names, about, content["crf"], numbers)
        found = Fitted(names, about, Crf(**content["crf"]), Potentials(**numbers))
    if not all(number.isfinite().all() for number in numbers.values()):
        raise WsssError(f"{path} holds values that are NaN or infinite: remove it and rerun the stage crf")
    return found


def _check(names: tuple, about: dict, crf: dict, numbers: dict[str, torch.Tensor]) -> None:
    """Refuse what is of another type or shape than `write` writes.

    Raises:
        ValueError: something is.
    """
    if not all(isinstance(name, str) for name in names):
        raise ValueError("classes that are no names")
    if not {"images", "split", "masks"} <= about.keys():
        raise ValueError("not said what it was fitted to")
    whole = [field.name for field in fields(Crf) if field.type is int]
    if wrong := [name for name in whole if not isinstance(crf[name], int)]:
        raise ValueError(f"{wrong[0]} is no whole number")
    shapes = dict.fromkeys(NUMBERS, ())
    if "compatibility" in numbers:
        side = numbers["compatibility"].shape[-1] // 2 * 2 + 1
        shapes["compatibility"] = (len(names), len(names), side, side)
    if "colour_map" in numbers:
        shapes["colour_map"] = (len(numbers["colour_map"]), 3)
    if wrong := [name for name, shape in shapes.items() if numbers[name].shape != shape]:
        raise ValueError(f"{wrong[0]} has the shape {tuple(numbers[wrong[0]].shape)}")


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """Name the file in what is wrong with its content."""
    try:
        yield
    except WsssError as error:
        raise WsssError(f"{path}: {error}; or remove it and rerun the stage crf") from error
    except (ValueError, LookupError, TypeError, AttributeError, RuntimeError) as error:
        raise WsssError(
            f"{path} cannot be read as a fitted CRF ({error!r}): remove it and rerun the stage crf"
        ) from error
