"""The options of a dense CRF, and of fitting one."""

import math
from dataclasses import dataclass
from typing import Literal, get_args

from wsss.runtime.errors import refuse

Engine = Literal["none", "cells", "convcrf", "lattice", "exact"]
Window = Literal["square", "diamond"]
Normalisation = Literal["symmetric", "none"]
FirstMessage = Literal["probabilities", "logarithms"]
Coarsening = Literal["guided", "blur"]

TRAINABLE = ("cells", "convcrf")
"""Engines whose numbers can be learned by gradient descent."""

CHOICES = {
    "engine": Engine,
    "normalisation": Normalisation,
    "window": Window,
    "first_message": FirstMessage,
    "coarsening": Coarsening,
}

MEAN_FIELD = {"first_message": "probabilities", "unary_weight": 1, "coarsening": "guided"}
"""What all engines do, in which ConvCRF's published code differs."""


@dataclass(frozen=True)
class Crf:
    """Settings of a dense CRF. Those of PSA: 10 steps, smoothness 3 over 3 px, appearance 10 over 80 px and 13 levels.

    Raises:
        WsssError: a number is out of its range; all such are named.
    """

    engine: Engine
    """none: only the softmax; cells: all pairs of coarse cells, fast; convcrf: messages within a window (Teichmann &
    Cipolla 2019); lattice: pydensecrf; exact: all pairs of pixels, for small images."""
    steps: int
    """Number of mean-field updates."""
    smoothness_weight: float
    """Penalty of different labels at nearby pixels, in nats; 0 turns the kernel off."""
    smoothness_px: float
    """Standard deviation of the smoothness kernel, in pixels."""
    appearance_weight: float
    """Penalty of different labels at nearby pixels of similar colour, in nats; 0 turns the kernel off."""
    appearance_px: float
    """Standard deviation of the appearance kernel in space, in pixels."""
    appearance_rgb: float
    """Standard deviation of the appearance kernel in colour, in levels of 0 to 255."""
    normalisation: Normalisation
    """symmetric: each kernel is divided by the roots of its rows' and columns' sums; none: it is not (not lattice)."""
    max_cells: int
    """cells and convcrf: the image is divided into square cells, as small as possible with at most this many."""
    window_px: int
    """convcrf: how far messages reach, in pixels, rounded up to whole cells."""
    window: Window
    """convcrf: square: window_px is the larger of the distances along the two axes; diamond: their sum."""
    first_message: FirstMessage
    """What the first step sends: probabilities: as every other step; logarithms (convcrf): log p instead of p, as in
    ConvCRF's published code."""
    unary_weight: float
    """convcrf: weight of the energies beside the messages, whose weights are those of the kernels; 1 in mean field."""
    coarsening: Coarsening
    """guided: the field is found among the cells, and its last messages are brought to the pixels along edges; blur
    (convcrf): every step averages the pixels' probabilities over the cells and brings messages back bilinearly, with
    Gaussians between the cells' centres and cells that weigh alike, as ConvCRF's published code does."""
    least_probability: float
    """Where one image is refined, labels whose probability exceeds this at none of its pixels are left out; 0: none."""

    def __post_init__(self) -> None:
        problems = []
        for name, choices in CHOICES.items():
            if getattr(self, name) not in get_args(choices):
                problems.append(f"{name} is {getattr(self, name)!r}: choose one of {', '.join(get_args(choices))}")
        for name in ("steps", "smoothness_weight", "appearance_weight"):
            if not 0 <= getattr(self, name) < math.inf:
                problems.append(f"{name} is {getattr(self, name)}: give 0 or a positive number")
        if not 0 <= self.least_probability < 1:
            problems.append(f"least_probability is {self.least_probability}: give 0 or more, and less than 1")
        for name in ("smoothness_px", "appearance_px", "appearance_rgb", "max_cells", "window_px", "unary_weight"):
            if not 0 < getattr(self, name) < math.inf:
                problems.append(f"{name} is {getattr(self, name)}: give a positive number")
        if (self.engine, self.normalisation) == ("lattice", "none"):
            problems.append("normalisation is 'none', which engine lattice cannot do: choose engine cells")
        if self.engine not in ("none", "convcrf"):
            for name, usual in MEAN_FIELD.items():
                if (value := getattr(self, name)) != usual:
                    problems.append(
                        f"{name} is {value!r}, which engine {self.engine} cannot do: choose engine convcrf, or {usual}"
                    )
        refuse(problems, "CRF settings that cannot be used")


@dataclass(frozen=True)
class FeatureCrf:
    """Settings of a dense CRF of a network's cells, whose kernel is of positions, colours and a classifier's features.

    Args:
        steps: number of mean-field updates.
        weight: penalty of different labels of cells that are alike, in nats; 0: no CRF.
        cells: standard deviation of the kernel in space, in cells.
        rgb: standard deviation of the kernel in colour, in levels of 0 to 255.
        features: standard deviation of the kernel in the features, vectors of length 1.
    """

    steps: int
    weight: float
    cells: float
    rgb: float
    features: float


NO_FEATURE_CRF = FeatureCrf(steps=10, weight=0, cells=10, rgb=40, features=0.4)
"""No CRF by features."""


@dataclass(frozen=True)
class Fit:
    """How the parameters of a CRF are learned.

    Args:
        epochs: passes over the images.
        learning_rate: learning rate of Adam, one image per step; widths and weights move by their logarithms.
        compatibility: side, odd, of a convolution that is learned instead of Potts penalties; 1 is a matrix of
            classes x classes, 0 keeps Potts (1 - I), with which it begins.
        colours: whether a linear map of the colours is learned.
        seed: seed of the order of the images.
    """

    epochs: int
    learning_rate: float
    compatibility: int
    colours: bool
    seed: int

    def __post_init__(self) -> None:
        if self.compatibility < 0 or (self.compatibility and self.compatibility % 2 == 0):
            refuse([f"compatibility is {self.compatibility}: give an odd side, or 0"], "a fit that cannot be made")


PSA = Crf(
    engine="cells",
    steps=10,
    smoothness_weight=3,
    smoothness_px=3,
    appearance_weight=10,
    appearance_px=80,
    appearance_rgb=13,
    normalisation="symmetric",
    max_cells=1200,
    window_px=20,
    window="square",
    first_message="probabilities",
    unary_weight=1,
    coarsening="guided",
    least_probability=0,
)
"""PSA's numbers, for photographs of some 500 px."""
