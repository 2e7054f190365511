"""Options that several stages take. Light to import: the command line is built from them."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from wsss.errors import refuse

WEIGHTS = ("none", "imagenet", "offline")
"""Values of `weights` that are never the name of a file."""


def weights_file(weights: str) -> Path | None:
    """The local file that an option `weights` names: it has a slash in it, or is there."""
    path = Path(weights)
    return path if weights not in WEIGHTS and ("/" in weights or path.is_file()) else None


@dataclass(frozen=True)
class Features:
    """The backbone of a network.

    Args:
        backbone: vgg16, resnet38, or timm/NAME.
        stride: input pixels for each cell of its last stage.
        weights: imagenet, a tag of torchvision or timm, offline (an installed package), a local file, or none.
        freeze: keep BatchNorm layers and the earliest layers at their pretrained weights.
    """

    backbone: str
    stride: int
    weights: str
    freeze: bool

    @property
    def files(self) -> list[Path]:
        """The local file of the weights, where they are one."""
        file = weights_file(self.weights)
        return [file] if file else []


@dataclass(frozen=True)
class Schedule:
    """How long and how fast to train.

    Args:
        epochs: passes over the images; need not be whole.
        batch: images a step; an epoch's last, smaller batch is dropped.
        optimizer: sgd, as the papers have it, or adamw, which learns a network from random weights faster.
        learning_rate: of the backbone.
        drops: 0 lets it fall to 0 as (1 - t/T)^power; a number n divides it by 10 n times instead, evenly spaced.
        new_layers_factor: learning rate of the head over the backbone's; 10 in the papers, 1 where both are new.
        power: exponent of the first schedule.
        momentum: of SGD; AdamW's first beta. (PSA's published code passes its weight decay in the place of the
            momentum, so that its learning rate 0.1 belongs to a momentum near 0; a tenth of it belongs to 0.9.)
        weight_decay: L2 penalty of the weights, not of the biases.
        precision: of Lightning Fabric: 32-true, bf16-mixed or 64-true.
        seed: of everything that is drawn.
    """

    epochs: float
    batch: int
    optimizer: Literal["sgd", "adamw"]
    learning_rate: float
    drops: int
    new_layers_factor: float
    power: float
    momentum: float
    weight_decay: float
    precision: str
    seed: int

    def steps(self, images: int) -> int:
        """T, the number of steps for so many images; an epoch's last, smaller batch is dropped."""
        return max(1, round(self.epochs * (images // min(self.batch, images))))

    def rate(self, step: int, steps: int) -> float:
        """The learning rate of step t of T."""
        if self.drops:
            return self.learning_rate / 10 ** (step * (self.drops + 1) // steps)
        return self.learning_rate * (1 - step / steps) ** self.power


@dataclass(frozen=True)
class Job:
    """On what a training runs, and where it is recorded: it decides rounding and dropped units, no more of the result.

    Args:
        gpus: processes that share each batch, a GPU for each where there are any; as many on each node.
        nodes: machines that they are spread over. One process of several GPUs on one node starts the others by
            itself; those of several nodes are started by srun or torchrun.
        checkpoint: file from which a run that was cut off goes on; removed once the run is done.
        checkpoint_steps: steps between two checkpoints.
        curve: CSV of step, learning rate and loss.
    """

    gpus: int
    nodes: int
    checkpoint: Path
    checkpoint_steps: int
    curve: Path

    def __post_init__(self) -> None:
        if self.nodes < 1 or self.gpus % self.nodes:
            refuse([f"{self.gpus} GPUs cannot be spread evenly over {self.nodes} nodes"], "a training cannot start")

    @property
    def processes_a_node(self) -> int:
        """How many processes train on each node; one where no GPU is asked for."""
        return max(1, self.gpus // self.nodes)


@dataclass(frozen=True)
class Augment:
    """What is done to a training image, in this order.

    Args:
        resize_px: bounds of the long side, drawn evenly; 0 0 keeps the size.
        flip: mirror half of the images.
        jitter: strength of the change of brightness, contrast and saturation; a third of it is for the hue.
        crop_px: side of the square crop; smaller images are put at a random place of it.
    """

    resize_px: tuple[int, int]
    flip: bool
    jitter: float
    crop_px: int

    def __post_init__(self) -> None:
        low, high = self.resize_px
        if (low, high) != (0, 0) and not 0 < low <= high:
            refuse(
                [f"resize_px is {low} {high}: give the smaller bound first, or 0 0"], "an augmentation cannot be used"
            )


Engine = Literal["none", "conv", "lattice", "exact"]
Window = Literal["square", "diamond"]
Normalisation = Literal["symmetric", "none"]


@dataclass(frozen=True)
class Crf:
    """Settings of a dense CRF. Those of PSA: 10 steps, smoothness 3 over 3 px, appearance 10 over 80 px and 13 levels.

    Raises:
        WsssError: a number is out of its range; all such are named.
    """

    engine: Engine
    """none: no CRF, only the softmax; conv: all pairs of cells, fast; lattice: pydensecrf; exact: all pairs of pixels,
    for small images."""
    steps: int
    """Number of mean-field updates."""
    smoothness_weight: float
    """Penalty of different labels at near pixels, in nats; 0 turns the kernel off."""
    smoothness_px: float
    """Standard deviation of the smoothness kernel, in pixels."""
    appearance_weight: float
    """Penalty of different labels at near pixels of like colour, in nats; 0 turns the kernel off."""
    appearance_px: float
    """Standard deviation of the appearance kernel in space, in pixels."""
    appearance_rgb: float
    """Standard deviation of the appearance kernel in colour, in levels of 0 to 255."""
    normalisation: Normalisation
    """symmetric: each kernel is divided by the roots of its rows' and columns' sums; none: it is not (not lattice)."""
    cells: int
    """conv: the image is divided into square cells, as small as can be with at most so many of them."""
    window_px: int
    """conv: messages reach so far, rounded up to cells, as ConvCRF's do; 0: all pairs of cells."""
    window: Window
    """conv: square: window_px is the larger of the distances along the two axes; diamond: their sum."""

    def __post_init__(self) -> None:
        problems = []
        for name, choices in (("engine", Engine), ("normalisation", Normalisation), ("window", Window)):
            if getattr(self, name) not in get_args(choices):
                problems.append(f"{name} is {getattr(self, name)!r}: choose one of {', '.join(get_args(choices))}")
        for name in ("steps", "smoothness_weight", "appearance_weight", "window_px"):
            if not 0 <= getattr(self, name) < math.inf:
                problems.append(f"{name} is {getattr(self, name)}: give 0 or a positive number")
        for name in ("smoothness_px", "appearance_px", "appearance_rgb", "cells"):
            if not 0 < getattr(self, name) < math.inf:
                problems.append(f"{name} is {getattr(self, name)}: give a positive number")
        if (self.engine, self.normalisation) == ("lattice", "none"):
            problems.append("normalisation is 'none', which engine lattice cannot do: take engine conv")
        refuse(problems, "CRF settings that cannot be used")


@dataclass(frozen=True)
class Fit:
    """How the numbers of a CRF are learned.

    Args:
        epochs: passes over the images.
        learning_rate: of Adam, image by image; widths and weights move by their logarithms.
        compatibility: side, odd, of a convolution that is learned in the place of Potts penalties; 1 is a matrix of
            classes x classes, 0 keeps Potts (1 - I), with which it begins.
        colours: whether a linear map of the colours is learned.
        seed: of the order of the images.
    """

    epochs: int
    learning_rate: float
    compatibility: int
    colours: bool
    seed: int

    def __post_init__(self) -> None:
        if self.compatibility < 0 or (self.compatibility and self.compatibility % 2 == 0):
            refuse([f"compatibility is {self.compatibility}: give an odd side, or 0"], "a fit that cannot be made")


@dataclass(frozen=True)
class SecLosses:
    """SEC's three losses.

    Args:
        floor: smallest probability, of the network and of the CRF.
        seed_weight: of the loss at the seeds; 0 leaves it out.
        expand_weight: of the loss of the pooled probabilities.
        constrain_weight: of the loss against the CRF.
        constrain_gradient: whether a gradient passes through the CRF, as the paper has it; the authors' code has none.
        pool_by: whether the three numbers below are shares of the cells, which carry half of the weight and mean the
            same on any grid, or decays d, as the paper gives them for 41 x 41 cells.
        pool_present: of the classes in the tags (share 0 is the maximum, 0.5 the mean; decay 0 and 1).
        pool_absent: of the other classes.
        pool_background: of the background.
    """

    floor: float
    seed_weight: float
    expand_weight: float
    constrain_weight: float
    constrain_gradient: bool
    pool_by: Literal["share", "decay"]
    pool_present: float
    pool_absent: float
    pool_background: float

    def __post_init__(self) -> None:
        if not (self.seed_weight or self.expand_weight or self.constrain_weight):
            refuse(["seed_weight, expand_weight and constrain_weight are all 0"], "losses that cannot be used")


@dataclass(frozen=True)
class Prior:
    """p(z|x): the kernel that wants cells alike in place and colour to have the same label; widths are in cells.

    Args:
        smoothness_weight: of the kernel of places; the kernel is normalised symmetrically.
        smoothness_cells: its standard deviation.
        appearance_weight: of the kernel of places and colours.
        appearance_cells: its standard deviation in space.
        appearance_rgb: its standard deviation in colour, in levels of 0 to 255.
    """

    smoothness_weight: float
    smoothness_cells: float
    appearance_weight: float
    appearance_cells: float
    appearance_rgb: float


@dataclass(frozen=True)
class Bound:
    """The terms of the lower bound.

    Args:
        likelihood: log p(y|z,x): local_evidence, masked_cam, masked_image or pooling.
        likelihood_weight: of it.
        entropy_weight: of the labels' entropy, per cell; 1 in the bound itself.
        prior_weight: of the prior's energy, per cell; 1 in the bound itself.
        prior_ramp: share of the steps in which the prior grows from 0.
        sample: whether labels are sampled, by the Gumbel-softmax; else their probabilities take their place.
        temperature_start: of the samples, at first.
        temperature_end: of the samples, at last.
        by_tags: whether q depends on the tags in training, by ruling the other classes out; the network then learns
            from that q too.
        alpha: local_evidence: exponent of the background's score.
        absent: local_evidence: evidence of a class that is not in the tags.
        least_share: masked_cam: area below which a larger one scores higher, as a share of the cells.
        eps: masked_cam: the same, smoothly.
        background: masked_cam, masked_image, pooling: whether the background is asked for.
        pool_present: pooling: share of the cells that carries half of a class's score (0 maximum, 0.5 mean).
        pool_absent: the same of the classes that are not in the tags.
        pool_background: the same of the background, of masked_cam, masked_image and pooling.
    """

    likelihood: Literal["local_evidence", "masked_cam", "masked_image", "pooling"]
    likelihood_weight: float
    entropy_weight: float
    prior_weight: float
    prior_ramp: float
    sample: bool
    temperature_start: float
    temperature_end: float
    by_tags: bool
    alpha: float
    absent: float
    least_share: float
    eps: float
    background: bool
    pool_present: float
    pool_absent: float
    pool_background: float
