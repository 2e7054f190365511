"""The options of the latent CRF."""

from dataclasses import dataclass
from typing import Literal


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
