"""The options of the latent CRF."""

from dataclasses import dataclass
from typing import Literal

from wsss.runtime.errors import refuse


@dataclass(frozen=True)
class Prior:
    """p(z|x): a kernel that favours equal labels of cells near in position, colour and features; widths are in cells.

    Args:
        smoothness_weight: weight of the kernel of positions, which is normalised symmetrically.
        smoothness_cells: standard deviation of that kernel.
        appearance_weight: weight of the kernel of positions and colours.
        appearance_cells: standard deviation of that kernel in space.
        appearance_rgb: standard deviation of that kernel in colour, in levels of 0 to 255.
        appearance_features: standard deviation of that kernel in the frozen classifier's features, vectors of length 1;
            0: it does not depend on them.
    """

    smoothness_weight: float
    smoothness_cells: float
    appearance_weight: float
    appearance_cells: float
    appearance_rgb: float
    appearance_features: float


@dataclass(frozen=True)
class Bound:
    """The terms of the lower bound.

    Args:
        update: what the network learns from: the gradient of the bound, or, by a cross-entropy, the mean-field update
            of its own labels, which does not vanish where a label has been given up. Both are at rest at the same q.
        likelihood: log p(y|z,x): local_evidence, masked_cam, masked_image or pooling.
        likelihood_weight: weight of the log-likelihood.
        entropy_weight: weight of the labels' entropy, per cell; 1 in the bound itself.
        prior_weight: weight of the prior's energy, per cell; 1 in the bound itself.
        prior_ramp: share of the steps during which the prior's weight grows from 0.
        sample: whether labels are sampled, by the Gumbel-softmax; otherwise their probabilities are used instead.
        temperature_start: temperature of the samples at the first step.
        temperature_end: temperature of the samples at the last step.
        by_tags: whether q depends on the tags in training, by excluding the other classes; the network then learns
            from that q as well.
        evidence_from: local_evidence: who gives the activation maps: the classifier, of each view of a photograph anew,
            or cams, the store of them.
        evidence_scale: local_evidence, masked_cam, and a prior of features: resize factor of the photographs that the
            classifier sees; with stored maps it is of the features alone.
        alpha: local_evidence: exponent of the background score.
        absent: local_evidence: evidence of a class that is not in the tags.
        least_share: masked_cam: area below which a larger one scores higher, as a share of the cells.
        eps: masked_cam: the same, as a smooth transition.
        background: masked_cam, masked_image, pooling: whether the background has to be shown as well.
        pool_present: pooling: share of the cells that carries half of a class's score (0 maximum, 0.5 mean).
        pool_absent: pooling: the same for the classes that are not in the tags.
        pool_background: masked_cam, masked_image, pooling: the same for the background.
    """

    update: Literal["bound", "mean_field"]
    likelihood: Literal["local_evidence", "masked_cam", "masked_image", "pooling"]
    likelihood_weight: float
    entropy_weight: float
    prior_weight: float
    prior_ramp: float
    sample: bool
    temperature_start: float
    temperature_end: float
    by_tags: bool
    evidence_from: Literal["classifier", "cams"]
    evidence_scale: float
    alpha: float
    absent: float
    least_share: float
    eps: float
    background: bool
    pool_present: float
    pool_absent: float
    pool_background: float

    def __post_init__(self) -> None:
        if self.likelihood == "masked_cam" and not (self.least_share or self.eps):
            refuse(["least_share and eps are both 0: a class without cells has no score"], "a bound without a score")
        if self.update == "mean_field" and not self.entropy_weight:
            refuse(["entropy_weight is 0, and update: mean_field divides by it"], "an update that has no value")

    @property
    def by_cams(self) -> bool:
        """Whether the likelihood goes by stored activation maps."""
        return self.likelihood == "local_evidence" and self.evidence_from == "cams"


def require_whole_images(likelihood: str, crop_share: float) -> None:
    """Refuse windows of images where the likelihood asks of each what the tags say of the whole image.

    Raises:
        WsssError: the likelihood needs whole images, and gets windows.
    """
    if crop_share < 1 and likelihood != "local_evidence":
        asks = f"crop_share is {crop_share:g}, and likelihood {likelihood} would ask a window for all of the tags"
        refuse([f"{asks}: set crop_share to 1, or likelihood to local_evidence"], "windows without tags of their own")
