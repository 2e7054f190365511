"""What labels the latent CRF's bound asks for: its maximum over all q, which a network can only come near to.

    PYTHONPATH=. python benchmarks/lcrf_labels.py --results results

It reads a finished run, and prints a table of the training images that have masks: for the numbers of the command
line, and for one change at a time, the mIoU of the labels of the best q given the tags, for the likelihood
local_evidence, and their share of background, which a network takes over: it should be near the truth's. So the numbers
of evidence and prior can be chosen in minutes, without a training; what is lost between this table and the trained
network is lost in training, which may collapse with numbers that are good here (docs/experiments.md). Labels are judged
at the images' size, without the CRF that follows a training.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean
from typing import Literal

import numpy as np
import torch
import tyro
from jaxtyping import Bool, Float, UInt8
from torch import Tensor

from wsss.datasets import manifest, pictures
from wsss.datasets.manifest import Row
from wsss.labels import BACKGROUND, VOID
from wsss.lcrf.bound import messages, ruled_by_tags
from wsss.lcrf.likelihoods import evidence_of_labels
from wsss.lcrf.prior import kernels
from wsss.maths import grid
from wsss.maths.photographs import at_cells, to_tensor
from wsss.networks import file
from wsss.networks.classifier import Classifier
from wsss.options.lcrf import Prior
from wsss.results import evaluation
from wsss.stores.shared import Shared
from wsss.training.lcrf_evidence import Evidence, evidence, features_of, stored_maps

Kind = tuple[str, float]
"""Where activation maps come from, and the resize factor of the photographs that the classifier sees."""

ROUNDS = 30
"""Of messages, each mixed with the labels before it, so that they settle."""


@dataclass(frozen=True)
class Numbers:
    """Those of the latent CRF that a row of the table has (docs/configuration.md), as docs/experiments.md has them.

    Args:
        evidence_from: the classifier, asked about the warped photographs; or cams, the run's store of activation maps.
        evidence_scale: resize factor of the photographs that the classifier sees.
        alpha: exponent of the background's score.
        absent: evidence of a class that is not in the tags.
        prior_weight: weight of the prior.
        appearance_cells: width of its kernel of appearance in space, cells.
        appearance_rgb: width of that kernel in colours, levels.
        appearance_features: width of that kernel in features of the classifier; 0: none.
    """

    evidence_from: Literal["classifier", "cams"] = "cams"
    evidence_scale: float = 1.5
    alpha: float = 4
    absent: float = 0.001
    prior_weight: float = 1
    appearance_cells: float = 10
    appearance_rgb: float = 40
    appearance_features: float = 0.4

    @property
    def kind_of_evidence(self) -> Kind:
        return self.evidence_from, self.evidence_scale

    @property
    def prior(self) -> Prior:
        return Prior(3, 0.25, 10, self.appearance_cells, self.appearance_rgb, self.appearance_features)


def main(
    numbers: tyro.conf.OmitArgPrefixes[Numbers] = Numbers(),
    results: Path = Path("results"),
    input_px: int = 256,
    cells: int = 16,
    every: int = 1,
) -> None:
    """Print the table.

    Args:
        numbers: of the first row.
        results: folder of the run.
        input_px: side of the square to which images are warped.
        cells: side of the grid.
        every: of the training images that have masks each so many.
    """
    rows = [row for row in manifest.read(results / "images.csv", "train") if row.mask][::every]
    maps = Shared(results / "cams.h5", "cams")
    judge, about = file.load(results / "classifier.safetensors", Classifier)
    changes = changed(numbers)
    counts = {name: evaluation.Counts(about.classes) for name in changes}
    background: dict[str, list[float]] = {name: [] for name in (*changes, "the truth")}
    with torch.inference_mode():
        for row in rows:
            square = to_tensor(pictures.warped(pictures.photograph_of(row), input_px)[None])
            tags = torch.tensor([[name in row.tags for name in about.classes.foreground]])
            kinds = {each.kind_of_evidence for each in changes.values()}
            found = {kind: evidence_of(row, judge, square, kind, cells=cells, cams=maps) for kind in kinds}
            colours = at_cells(square, (cells, cells))
            for name, each in changes.items():
                q = best(found[each.kind_of_evidence], colours, tags, numbers=each)
                labels = labels_of(row, q, input_px=input_px)
                counts[name].add(row, {"q": labels})
                background[name].append((labels == BACKGROUND).mean())
            truth = evaluation.truth(row, about.classes)
            background["the truth"].append((truth[truth != VOID] == BACKGROUND).mean())
    print(f"| of {len(rows)} train images | mIoU | share of background |\n|---|--:|--:|")
    for name, shares in background.items():
        miou = counts[name].table()["q"]["miou"] if name in counts else 1
        print(f"| {name} | {100 * miou:.1f} | {fmean(shares):.2f} |", flush=True)


def evidence_of(
    row: Row, judge: Classifier, square: Float[Tensor, "1 3 side side"], kind: Kind, *, cells: int, cams: Shared
) -> Evidence:
    """The evidence for an image warped to a square: the classifier's, or the stored maps with its features."""
    source, scale = kind
    if source == "classifier":
        return evidence(judge, square, cells, scale=scale)
    size, stride = pictures.photograph_size(row.image), int(cams.attributes["setting.stride"])
    stored, foreground = cams.fitting(row.id, size), len(cams.classes.foreground)
    maps = stored_maps(stored["cam"], stored["classes"], size, stride=stride, foreground=foreground, side=cells)[None]
    return Evidence(maps, maps.amax((-2, -1)), features_of(judge, square, cells, scale=scale))


def changed(numbers: Numbers) -> dict[str, Numbers]:
    """The rows of the table: the numbers, and one change at a time."""
    changes = {
        "evidence_from": ("classifier", "cams"),
        "evidence_scale": (1.0, 1.5),
        "alpha": (numbers.alpha / 2, 2 * numbers.alpha),
        "prior_weight": (0.0, numbers.prior_weight / 2, 2 * numbers.prior_weight),
        "appearance_cells": (numbers.appearance_cells / 2, 2.5 * numbers.appearance_cells),
        "appearance_rgb": (numbers.appearance_rgb / 2, 2 * numbers.appearance_rgb),
        "appearance_features": (0.0, numbers.appearance_features / 2, 2 * numbers.appearance_features),
    }
    singly = {
        f"… {name} {value if isinstance(value, str) else f'{value:g}'}": replace(numbers, **{name: value})
        for name, values in changes.items()
        for value in values
    }
    return {"these numbers": numbers} | {name: each for name, each in singly.items() if each != numbers}


def best(
    found: Evidence,
    colours: UInt8[Tensor, "1 cells cells 3"],
    tags: Bool[Tensor, "1 foreground"],
    *,
    numbers: Numbers,
) -> Float[Tensor, "1 classes cells cells"]:
    """The q that maximises the bound of an image, among those that the tags allow: log q = log e - w_p m + constant."""
    energies = evidence_of_labels(found.cams, tags, alpha=numbers.alpha, absent=numbers.absent).log()
    kernel = kernels(colours, numbers.prior, found.features)
    q = ruled_by_tags(energies, tags).softmax(1)
    for _ in range(ROUNDS if numbers.prior_weight else 0):
        q = (q + ruled_by_tags(energies - numbers.prior_weight * messages(q, kernel), tags).softmax(1)) / 2
    return q


def labels_of(row: Row, q: Float[Tensor, "1 classes _ _"], *, input_px: int) -> np.ndarray:
    """The label of each pixel (height, width) of an image, from those of its square's cells."""
    size = pictures.photograph_size(row.image)
    return grid.unwarped(q, size, side=input_px, stride=input_px // q.shape[-1])[0].argmax(0).byte().numpy()


if __name__ == "__main__":
    tyro.cli(main)
