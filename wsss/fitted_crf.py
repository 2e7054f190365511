"""A CRF that is fitted to scores: what it learns from, and its file, JSON for people and other programs."""

import json
from dataclasses import asdict, fields
from pathlib import Path

import numpy as np
import torch

from wsss import crf, metrics
from wsss.crf.fit import Example
from wsss.crf.potentials import NUMBERS, Potentials
from wsss.errors import WsssError
from wsss.evaluation import truth
from wsss.files import whole_or_absent
from wsss.labels import Classes
from wsss.manifest import Row
from wsss.options import Crf
from wsss.pictures import read_photograph
from wsss.refinement import scored
from wsss.store import Reader

KIND = "wsss fitted CRF"


def write(path: Path, start: Crf, potentials: Potentials, *, classes: Classes, about: dict[str, str | float]) -> None:
    """Write a fitted CRF: the settings of the engine, the potentials, the classes, and what it was fitted to."""
    numbers = {
        field.name: tensor.tolist()
        for field in fields(potentials)
        if (tensor := getattr(potentials, field.name)) is not None
    }
    content = {"kind": KIND, "classes": classes.names, "about": about, "crf": asdict(start), "potentials": numbers}
    with whole_or_absent(path) as partial:
        partial.write_text(json.dumps(content, indent=2) + "\n")


def read(path: Path, classes: Classes) -> tuple[Crf, Potentials, dict[str, str | float]]:
    """A fitted CRF for these classes, and what it was fitted to.

    Raises:
        WsssError: the file is none of `write`'s, or is of other classes.
    """
    try:
        content = json.loads(path.read_text())
        if content["kind"] != KIND:
            raise WsssError(f"{path} is no fitted CRF: is it the right file?")
        names = tuple(content["classes"])
        numbers = {name: torch.tensor(value) for name, value in content["potentials"].items()}
        fitted = {name: float(numbers[name]) for name in NUMBERS}
        parameters, potentials = Crf(**(content["crf"] | fitted)), Potentials(**numbers)
        about = content["about"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise WsssError(f"{path} cannot be read as a fitted CRF ({error!r}): rerun the stage crf") from error
    if names != classes.names:
        raise WsssError(f"{path} was fitted for {list(names)}, the scores are of {list(classes.names)}")
    if not all(number.isfinite().all() for number in numbers.values()):
        raise WsssError(f"{path} holds numbers that are NaN or infinite: rerun the stage crf")
    return parameters, potentials, about


class Teacher:
    """The images to which a CRF is fitted, and the word on how good it is.

    Args:
        rows: the images.
        scores: their scores.
        pseudo_masks: label maps to learn from; without them it is the true masks.
        start: the settings of the engine.
    """

    def __init__(self, rows: list[Row], scores: Reader, pseudo_masks: Reader | None, start: Crf) -> None:
        self.rows, self._scores, self._pseudo_masks, self._start = rows, scores, pseudo_masks, start

    def example(self, rank: int) -> Example:
        """Energies, photograph and labels of an image."""
        row = self.rows[rank]
        unary = crf.unary_of(scored(row, self._scores).at_pixels().numpy())
        if self._pseudo_masks:
            maps = self._pseudo_masks[row.id]
            labels = maps.get("refined", maps["plain"])  # what segmenters learn from
        else:
            labels = truth(row, self._scores.classes)
        return torch.from_numpy(unary), torch.from_numpy(read_photograph(row.image)), torch.from_numpy(labels)

    def miou(self, potentials: Potentials) -> float:
        """Of every second image, beginning with the second."""
        classes = len(self._scores.classes.names)
        counts = np.zeros((classes, classes + 1), np.int64)
        for rank in range(1, len(self.rows), 2):
            unary, photograph, labels = self.example(rank)
            q = crf.refine(unary.numpy(), photograph.numpy(), self._start, potentials=potentials)
            counts += metrics.confusion(labels.numpy(), q.argmax(0).astype(np.uint8), classes=classes)
        if not counts.any():
            raise WsssError("no pixel of the images that judge the CRF has a label: give more images")
        return metrics.mean_iou(counts)
