"""Joins a choice of the latent CRF's likelihood to the frozen classifier that gives its evidence."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

from wsss.lcrf.likelihoods import local_evidence, masked_cam, masked_image, pooling
from wsss.maths import cam
from wsss.maths.pooling import decay_of_share, rank_pool
from wsss.networks.classifier import Classifier
from wsss.options.lcrf import Bound

Likelihood = Callable[[Tensor, Tensor, Tensor, torch.Generator], Tensor]
"""(z, photographs, tags, generator) -> log p(y|z,x) of each image."""


def evidence(
    judge: Classifier, photographs: Float[Tensor, "batch 3 height width"], cells: int, *, scale: float
) -> Float[Tensor, "batch foreground {cells} {cells}"]:
    """The score of each class at each cell, of both signs: the mean of the classifier's for an image and its mirror.

    Args:
        judge: the classifier.
        photographs: RGB in [0, 1].
        cells: side of the grid.
        scale: resize factor of the photographs; maps of larger ones are finer, and take scale^2 times as long.
    """
    with torch.no_grad():
        judge.to(photographs.device)
        if scale != 1:
            photographs = F.interpolate(photographs, scale_factor=scale, mode="bilinear", antialias=scale < 1)
        both = torch.cat([photographs, photographs.flip(-1)])
        scores = judge.head(judge.taps(both, judge.backbone.stride)[-1]).float()
        plain, mirrored = F.interpolate(scores, (cells, cells), mode="bilinear").chunk(2)
        return (plain + mirrored.flip(-1)) / 2


def as_cams(scores: Float[Tensor, "batch foreground rows columns"]) -> Float[Tensor, "batch foreground rows columns"]:
    """Activation maps in [0, 1]: each class's positive scores over the largest of them."""
    return cam.normalised(scores.relu())


def likelihood_of(settings: Bound, judge: Classifier, *, cells: int, stride: int) -> Likelihood:
    """The chosen likelihood for images of cells x cells cells.

    Args:
        settings: the choice, and its numbers.
        judge: the frozen classifier.
        cells: side of the grid.
        stride: pixels for each of its cells.
    """
    decays = {
        f"decay_{name}": decay_of_share(getattr(settings, f"pool_{name}"), cells=cells**2)
        for name in ("present", "absent", "background")
    }
    if not settings.background:
        decays["decay_background"] = None

    def by_local_evidence(
        z: Tensor, photographs: Tensor, tags: Bool[Tensor, "batch foreground"], generator: torch.Generator
    ) -> Tensor:
        cams = as_cams(evidence(judge, photographs, cells, scale=settings.evidence_scale))
        return local_evidence(z, cams, tags, alpha=settings.alpha, absent=settings.absent)

    def by_masked_cam(z: Tensor, photographs: Tensor, tags: Tensor, generator: torch.Generator) -> Tensor:
        return masked_cam(
            z,
            evidence(judge, photographs, cells, scale=settings.evidence_scale),
            tags,
            bias=judge.offsets.to(photographs.device),
            least_share=settings.least_share,
            eps=settings.eps,
            absent_floor=0,
            decay_background=decays["decay_background"],
        )

    def by_masked_image(z: Tensor, photographs: Tensor, tags: Tensor, generator: torch.Generator) -> Tensor:
        judge.to(photographs.device)
        fits = masked_image(
            z,
            photographs,
            tags,
            classifier=judge,
            stride=stride,
            fill=judge.backbone.mean,
            most_present=3,
            generator=generator,
        )
        if settings.background:
            fits = fits + rank_pool(z[:, 0].flatten(1), decay=decays["decay_background"]).clamp(min=1e-4).log()
        return fits

    def by_pooling(z: Tensor, photographs: Tensor, tags: Tensor, generator: torch.Generator) -> Tensor:
        return pooling(z, None, tags, floor=1e-4, **decays)

    choices = {
        "local_evidence": by_local_evidence,
        "masked_cam": by_masked_cam,
        "masked_image": by_masked_image,
        "pooling": by_pooling,
    }
    return choices[settings.likelihood]
