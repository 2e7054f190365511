"""SEC's cues: confident cells of each class of an image, and void everywhere else.

Kolesnikov & Lampert, ECCV 2016 (arXiv:1603.06098). Foreground comes from the cams maps of the classes in the tags,
background from the least salient cells. The authors' code lacks the step that joins the two; in the cues that they
published no cell has two classes, and the background gives way, which is what `resolve_overlaps` does.

`of_labels` makes seeds of confident label maps instead, such as those that AffinityNet learns from.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, UInt8
from torch import Tensor

from wsss.labels import BACKGROUND, VOID


def median_filter(saliency: Float[Tensor, "height width"], *, side: int) -> Float[Tensor, "height width"]:
    """The median of the side x side cells around each cell; beyond the border the nearest cell inside is repeated.

    With side 3 that is scipy's filter as SEC calls it (its border "reflect" repeats the outermost cell first).

    Raises:
        ValueError: the side is even, so that no cell is in the middle.
    """
    if side % 2 == 0:
        raise ValueError(f"a median filter of side {side}: give an odd one")
    padded = F.pad(saliency[None], (side // 2,) * 4, mode="replicate")[0]
    return padded.unfold(0, side, 1).unfold(1, side, 1).flatten(2).median(dim=2).values


def least_salient(saliency: Float[Tensor, "height width"], *, share: float) -> Bool[Tensor, "height width"]:
    """Confident background: the least salient cells, after a 3 x 3 median filter.

    With s_0 <= s_1 <= ... the n filtered values in order, a cell is background where

        s < s_k,    k = int(share n)

    That is k cells, 168 of 41 x 41 for a share of 0.1, or fewer where cells before it equal s_k: none of a
    constant map.

    Args:
        saliency: how much each cell matters to the scores of the classes, 0 or more.
        share: of all cells, from 0 to below 1.
    """
    smooth = median_filter(saliency, side=3)
    ranked = smooth.flatten().sort().values
    return smooth < ranked[int(share * len(ranked))]


def foreground_seeds(
    cams: Float[Tensor, "foreground height width"], *, threshold: float
) -> Bool[Tensor, "foreground height width"]:
    """Confident cells of each class: cam > threshold * its maximum, 0.2 in SEC. The seeds of two classes may overlap.

    Args:
        cams: maps of the classes in the image's tags; one without a positive value gives no seeds.
        threshold: of each map's own maximum, from 0 to below 1.
    """
    return cams > threshold * cams.amax(dim=(1, 2), keepdim=True)


def resolve_overlaps(
    foreground: Bool[Tensor, "foreground height width"],
    background: Bool[Tensor, "height width"],
    classes: UInt8[Tensor, " foreground"],
) -> UInt8[Tensor, "height width"]:
    """One label map of seeds that may overlap; VOID where there is none.

    Of the classes that claim a cell, the one with the fewest seeds gets it, and of equally many the lower class;
    background gets what no class claims. Seeds are counted before any is lost.

    Args:
        foreground: the seeds of each class.
        background: those of the background.
        classes: the class of each map in `foreground`, none twice.
    """
    # ASSUME: between two classes the smaller region wins, as in re-implementations; the published cues do not show it
    labels = torch.full_like(background, VOID, dtype=torch.uint8).masked_fill(background, BACKGROUND)
    areas = foreground.sum(dim=(1, 2)).tolist()
    regions = zip(areas, classes.tolist(), foreground, strict=True)
    for _, rank, seeds in sorted(regions, key=lambda region: region[:2], reverse=True):
        labels = labels.masked_fill(seeds, rank)  # the later one, which is smaller, stays
    return labels


def of_labels(labels: UInt8[Tensor, "height width"], *, cells: int, share: float) -> UInt8[Tensor, "{cells} {cells}"]:
    """Seeds from a label map of the image: the label of a cell of which it covers enough, and VOID elsewhere.

    Args:
        labels: of each pixel, VOID where there is none.
        cells: side of the square grid to which the image is warped.
        share: the least share of a cell's pixels, above 0.5, so that no cell has two labels.
    """
    seeds = torch.full((cells, cells), VOID, dtype=torch.uint8)
    for label in set(labels.unique().tolist()) - {VOID}:
        covered = F.interpolate((labels == label).float()[None, None], (cells, cells), mode="area")[0, 0]
        seeds[covered > share] = label
    return seeds
