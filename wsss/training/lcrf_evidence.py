"""Joins a choice of the latent CRF's likelihood to the frozen classifier that gives its evidence."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, UInt8
from torch import Tensor

from wsss.lcrf.likelihoods import local_evidence, masked_cam, masked_image, pooling
from wsss.maths import grid
from wsss.maths.pooling import decay_of_share, rank_pool
from wsss.networks.classifier import Classifier
from wsss.options.lcrf import Bound, Prior

FROM_SCORES = ("local_evidence", "masked_cam")
"""Likelihoods that go by the classifier's scores of the cells."""


@dataclass(frozen=True)
class Evidence:
    """What a frozen classifier finds at the cells of photographs, or has found.

    Args:
        scores: of each class (batch, foreground, cells, cells): the classifier's, of both signs, or activation maps.
        largest: of each class, its largest score in the photograph (batch, foreground).
        features: of the finest layer that the backbone gives (batch, channels, cells, cells); None: nobody asks.
    """

    scores: Tensor
    largest: Tensor
    features: Tensor | None

    @property
    def cams(self) -> Float[Tensor, "batch foreground cells cells"]:
        """Activation maps in [0, 1]: each class's positive scores over the largest one of the photograph."""
        return (self.scores.relu() / (self.largest.relu()[:, :, None, None] + 1e-5)).clamp(max=1)

    def within(self, windows: Float[Tensor, "batch 4"], cells: int) -> "Evidence":
        """The evidence for windows of the photographs, on a grid of cells x cells of their own.

        Maps of a window are those of the whole photograph there, and not what the classifier finds in the window: where
        that shows nothing of a class, the largest of its scores would be noise, and its map would be 1 there.

        Args:
            windows: left, top, right and bottom, as shares of width and height; mirrored if right is less than left.
            cells: side of the windows' grid.
        """
        features = None if self.features is None else _cut(self.features, windows, cells)
        return Evidence(_cut(self.scores, windows, cells), self.largest, features)


def _cut(
    maps: Float[Tensor, "batch channels side side"], windows: Float[Tensor, "batch 4"], cells: int
) -> Float[Tensor, "batch channels cells cells"]:
    """Maps of photographs at the cells of windows, as `Evidence.within` takes them."""
    centres = (torch.arange(cells, device=windows.device) + 0.5) / cells
    left, top, right, bottom = windows.mT[:, :, None]
    across, down = left + (right - left) * centres, top + (bottom - top) * centres
    places = torch.stack([across[:, None].expand(-1, cells, -1), down[:, :, None].expand(-1, -1, cells)], -1)
    return F.grid_sample(maps, 2 * places.to(maps) - 1, padding_mode="border", align_corners=False)


Likelihood = Callable[[Tensor, Tensor, Evidence | None, Tensor, torch.Generator], Tensor]
"""(z, photographs, evidence, tags, generator) -> log p(y|z,x) of each image."""


def finder(judge: Classifier, bound: Bound, prior: Prior, *, cells: int) -> Callable[..., Evidence | None]:
    """A function (photographs, windows, cams, wholes) -> evidence of what a network sees on cells x cells cells.

    Photographs are what the network sees, RGB in [0, 1] (batch, 3, side, side), and `windows` (batch, 4) what of the
    whole ones they show, as `Evidence.within` takes it. `cams` are stored activation maps of the whole ones
    (`stored_maps`), neither mirrored nor cut; None: the classifier is asked. Where windows are less than the whole, the
    classifier is asked about `wholes`, the whole photographs in the same shape, which are neither mirrored nor
    jittered. The function gives None where neither the likelihood nor the prior goes by the cells' evidence.
    """
    scale = bound.evidence_scale
    if bound.likelihood not in FROM_SCORES and not prior.appearance_features:
        return lambda *_: None

    def found_in(
        photographs: Tensor, windows: Tensor, cams: Tensor | None = None, wholes: Tensor | None = None
    ) -> Evidence:
        cut = wholes is not None
        seen = wholes if cut else photographs
        if cams is None:
            # of windows the grid is as fine as the classifier's maps
            found = evidence(judge, seen, cells, scale=scale, finer=max(1, scale) if cut else 1)
        else:
            maps = cams if cut else _cut(cams, windows, cells)
            largest = F.adaptive_avg_pool2d(cams, cells).amax((-2, -1))  # on the network's grid, as of a whole image
            features = features_of(judge, seen, maps.shape[-1], scale=scale) if prior.appearance_features else None
            found = Evidence(maps, largest, features)
        return found.within(windows, cells) if cut else found

    return found_in


def stored_maps(
    cam: Float[np.ndarray, "present _ _"],
    classes: UInt8[np.ndarray, " present"],
    size: tuple[int, int],
    *,
    stride: int,
    foreground: int,
    side: int,
) -> Float[Tensor, "foreground side side"]:
    """Activation maps as `wsss.stores` keeps them, of the classes that an image shows, on a square grid of all classes.

    Args:
        cam: the maps; their last cells may reach beyond the image.
        classes: the class index of each map; the background is 0.
        size: height and width of the image.
        stride: its pixels for each cell of the maps.
        foreground: number of classes without the background.
        side: of the grid to which the image is warped.
    """
    maps = torch.zeros(foreground, side, side)
    if len(classes):
        pixels = grid.to_pixels(torch.from_numpy(cam).float()[None], size, stride=stride)
        (square,) = F.interpolate(pixels, (side, side), mode="bilinear", antialias=True)
        maps[torch.from_numpy(classes).long() - 1] = square
    return maps


def features_of(
    judge: Classifier, photographs: Float[Tensor, "batch 3 height width"], side: int, *, scale: float
) -> Float[Tensor, "batch channels side side"]:
    """A classifier's features at a grid's cells: of the photographs alone, where `evidence` averages with mirrors."""
    with torch.no_grad():
        resized = grid.whole(photographs, judge.backbone.stride, scale=scale)
        return judge.to(photographs.device).features_at(resized, (side, side))


def evidence(
    judge: Classifier, photographs: Float[Tensor, "batch 3 height width"], cells: int, *, scale: float, finer: float = 1
) -> Evidence:
    """The evidence of a classifier: the mean of an image's and of its mirror's.

    Args:
        judge: the classifier.
        photographs: RGB in [0, 1].
        cells: side of the grid.
        scale: resize factor of the photographs, rounded to whole cells of the classifier; maps of larger ones are
            finer, and take scale^2 times as long.
        finer: factor of the grid's side, for maps that windows are cut from. The largest scores are those on the grid
            without it, so that a window that is the whole photograph has the same maps.
    """
    with torch.no_grad():
        judge.to(photographs.device)
        resized = grid.whole(photographs, judge.backbone.stride, scale=scale)
        taps = judge.taps_of_whole(torch.cat([resized, resized.flip(-1)]))
        found, side = judge.head(taps[-1]).float(), round(cells * finer)
        coarse, scores = (_unmirrored(F.interpolate(found, (n, n), mode="bilinear")) for n in (cells, side))
        return Evidence(scores, coarse.amax((-2, -1)), _unmirrored(F.adaptive_avg_pool2d(taps[0].float(), side)))


def _unmirrored(maps: Float[Tensor, "both channels cells cells"]) -> Float[Tensor, "batch channels cells cells"]:
    """The mean of the maps of images, the first half, and of their mirrors'."""
    plain, mirrored = maps.chunk(2)
    return (plain + mirrored.flip(-1)) / 2


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
        z: Tensor,
        photographs: Tensor,
        found: Evidence,
        tags: Bool[Tensor, "batch foreground"],
        generator: torch.Generator,
    ) -> Tensor:
        return local_evidence(z, found.cams, tags, alpha=settings.alpha, absent=settings.absent)

    def by_masked_cam(
        z: Tensor, photographs: Tensor, found: Evidence, tags: Tensor, generator: torch.Generator
    ) -> Tensor:
        return masked_cam(
            z,
            found.scores,
            tags,
            bias=judge.offsets.to(photographs.device),
            least_share=settings.least_share,
            eps=settings.eps,
            absent_floor=0,
            decay_background=decays["decay_background"],
        )

    def by_masked_image(
        z: Tensor, photographs: Tensor, found: Evidence | None, tags: Tensor, generator: torch.Generator
    ) -> Tensor:
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

    def by_pooling(
        z: Tensor, photographs: Tensor, found: Evidence | None, tags: Tensor, generator: torch.Generator
    ) -> Tensor:
        return pooling(z, None, tags, floor=1e-4, **decays)

    choices = {
        "local_evidence": by_local_evidence,
        "masked_cam": by_masked_cam,
        "masked_image": by_masked_image,
        "pooling": by_pooling,
    }
    return choices[settings.likelihood]
