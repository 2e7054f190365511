"""Where a run loses its score: the same stages with one part of them replaced by the truth.

    PYTHONPATH=. python benchmarks/oracles.py --results results --variant psa

It reads a finished run of a method on a data set with true masks, and prints a table: on the training images that have
masks the activation maps, the walk and the pseudo masks, on val the segmenter, each as it is and with an oracle. An
oracle is no method: it looks at the masks that it is scored by. The difference to the row above it is what this part
costs. The ceiling of network and schedule, a segmenter that is trained on true masks, is a run of its own:
docs/results.md says how.
"""

from collections.abc import Callable, Hashable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import get_type_hints

import numpy as np
import torch
import tyro
from scipy.ndimage import label as components

from wsss.datasets import manifest
from wsss.datasets.manifest import Row
from wsss.labels import BACKGROUND, VOID
from wsss.maths import cues, grid
from wsss.networks import file
from wsss.networks.affinity_net import AffinityNet
from wsss.options.crf import Crf
from wsss.psa import affinity, random_walk
from wsss.results import evaluation, refinement
from wsss.results.refinement import Scored
from wsss.runtime.parallel import mapped
from wsss.stores import store
from wsss.stores.store import Reader

THRESHOLDS = tuple(round(0.1 + 0.05 * step, 2) for step in range(13))
"""Of activation maps: the values among which the masks choose."""

Maps = dict[Hashable, np.ndarray]


def main(results: Path = Path("results"), variant: str = "psa") -> None:
    """Print the table of a run.

    Args:
        results: its folder.
        variant: the method, or the variant of one, whose segmenter is looked at.
    """
    train = [row for row in manifest.read(results / "images.csv", "train") if row.mask]
    val = manifest.read(results / "images.csv", "val")
    print(f"| of {len(train)} train images | mIoU |\n|---|--:|")
    if train and (results / "cams.h5").exists():
        show(of_cams(train, results / "cams.h5"))
    if train and (results / "affinity_net.safetensors").exists():
        show(of_walk(train, results))
    print(f"\n| of {len(val)} val images | mIoU |\n|---|--:|")
    show(of_segmenter(val, results, variant))


def show(rows: dict[str, float]) -> None:
    """Print rows of the table; the scores are shares."""
    for name, miou in rows.items():
        print(f"| {name} | {100 * miou:.1f} |", flush=True)


def of_cams(rows: list[Row], path: Path) -> dict[str, float]:
    """Activation maps by the best threshold for all classes, and by the best one for each class."""
    with store.read(path, "cams") as source:
        names = source.classes.names
        common = scored(rows, source, lambda row: thresholded(row, source, dict.fromkeys(THRESHOLDS, {})))
        best = max(THRESHOLDS, key=lambda value: common[value]["miou"])
        own = {  # each class by itself, where the others have the best common one
            index: max(THRESHOLDS, key=lambda value: common[value]["iou"][name] or 0)
            for index, name in enumerate(names)
            if index != BACKGROUND
        }
        each = scored(rows, source, lambda row: thresholded(row, source, {best: own}))
    return {
        f"CAM, the best background for all classes: {best}": common[best]["miou"],
        "… the best one for each class": each[best]["miou"],
    }


def thresholded(row: Row, source: Reader, thresholds: dict[float, dict[int, float]]) -> dict[float, np.ndarray]:
    """Label maps of an image's activation maps: background where none exceeds its class's threshold.

    Args:
        row: the image.
        source: the maps.
        thresholds: by the common threshold, which names the label map, those of single classes.
    """
    maps = source[row.id]
    cam = grid.to_pixels(torch.from_numpy(maps["cam"]).float()[None], source.size(row.id), stride=source.stride)[0]
    found = {}
    for common, own in thresholds.items():
        above = cam - torch.tensor([own.get(int(index), common) for index in maps["classes"]])[:, None, None]
        highest, rank = above.max(0)
        found[common] = (torch.from_numpy(maps["classes"])[rank] * (highest > 0)).numpy()
    return found


def of_walk(rows: list[Row], results: Path) -> dict[str, float]:
    """Pseudo masks, and those of a walk whose affinities are the truth's: 1 within a class, else 0."""
    with ExitStack() as stack:
        cams = stack.enter_context(store.read(results / "cams.h5", "cams"))
        masks = stack.enter_context(store.read(results / "pseudo_masks.h5", "pseudo_masks"))
        setting = {name.removeprefix("setting."): value for name, value in masks.attributes.items()}
        stride = file.load(results / "affinity_net.safetensors", AffinityNet)[0].stride

        def walked() -> Iterator[Scored]:
            for row in rows:
                maps, size = cams[row.id], cams.size(row.id)
                cam = grid.to_pixels(torch.from_numpy(maps["cam"]).float()[None], size, stride=cams.stride)[0]
                scores = grid.pooled(cues.with_background(cam, alpha=float(setting["alpha"])), stride=stride)
                radius = int(setting["radius"])
                scores = random_walk.with_border(scores, score=float(setting["border_score"]))
                affinities = true_affinities(evaluation.truth(row, masks.classes), stride=stride, radius=radius)
                spread = random_walk.walk(
                    scores, affinities, radius=radius, beta=float(setting["beta"]), steps=int(setting["walk_steps"])
                )
                spread = random_walk.rescaled(spread, power=float(setting["rescale_power"]))
                classes = np.concatenate([[BACKGROUND], maps["classes"]]).astype(np.uint8)
                yield Scored(row.id, row, size, spread.numpy(), stride, classes)

        found = scored(rows, masks, lambda row: voted(row, masks, masks[row.id]))
        refine = partial(refinement.label_maps, parameters=crf_of(setting))
        oracle = {image.id: labels for image, labels in mapped(refine, walked())}
        true = scored(rows, masks, lambda row: oracle[row.id])
    return {
        **{f"random walk, {name}": found[name]["miou"] for name in masks_of(found)},
        **{f"… by true affinities, {name}": true[name]["miou"] for name in true},
        "random walk, with the truth's boundaries": found["boundaries"]["miou"],
    }


def crf_of(setting: dict[str, object]) -> Crf:
    """The CRF that a store of label maps was made with."""
    kinds = {name: kind if kind in (int, float) else str for name, kind in get_type_hints(Crf).items()}
    return Crf(**{name: kind(setting[name]) for name, kind in kinds.items()})


def true_affinities(truth: np.ndarray, *, stride: int, radius: int) -> torch.Tensor:
    """Affinities (pairs, rows, columns) of cells by their most frequent true class; void is a class of its own."""
    values = np.unique(truth)
    shares = grid.pooled(torch.from_numpy(np.float32(truth == values[:, None, None])), stride=stride)
    cells = shares.argmax(0)
    return torch.stack(
        [
            affinity.at_first_end(torch.eq(*affinity.pairs(cells, each)).float(), each, size=tuple(cells.shape), fill=0)
            for each in affinity.offsets(radius)
        ]
    )


def of_segmenter(rows: list[Row], results: Path, variant: str) -> dict[str, float]:
    """Label maps of a split, those of scores cut to the true tags, and those with the truth's boundaries."""
    with ExitStack() as stack:
        masks = stack.enter_context(store.read(results / f"{variant}_val_masks.h5", "masks"))
        scores = stack.enter_context(store.read(results / f"{variant}_val_scores.h5", "scores"))
        setting = {name.removeprefix("setting."): value for name, value in masks.attributes.items()}
        found = scored(rows, masks, lambda row: voted(row, masks, masks[row.id]))

        def cut() -> Iterator[Scored]:
            for row in rows:
                image = refinement.scored(row, scores)
                shown = np.setdiff1d(evaluation.truth(row, masks.classes), [VOID, BACKGROUND])
                kept = np.concatenate([[BACKGROUND], shown]).astype(np.uint8)
                probabilities = image.scores[kept] + 1e-6  # all may be 0 in half precision
                probabilities /= probabilities.sum(0)
                yield Scored(row.id, row, image.size, probabilities, image.stride, kept, image.warped_px)

        refine = partial(refinement.label_maps, parameters=crf_of(setting))
        tagged = {image.id: labels for image, labels in mapped(refine, cut())}
        true = scored(rows, masks, lambda row: tagged[row.id])
    return {
        **{f"{variant}, {name}": found[name]["miou"] for name in masks_of(found)},
        **{f"… cut to the true tags, {name}": true[name]["miou"] for name in true},
        f"{variant}, with the truth's boundaries": found["boundaries"]["miou"],
    }


def masks_of(found: dict) -> list[str]:
    """The names of label maps that are no oracle's."""
    return [name for name in found if name != "boundaries"]


def voted(row: Row, source: Reader, labels: Maps) -> Maps:
    """Label maps and, as `boundaries`, the best of them with each connected piece of the truth in one class.

    That is the class which most of its pixels have.
    """
    truth = evaluation.truth(row, source.classes)
    best = labels.get("refined", labels["plain"])
    result = best.copy()
    for value in np.setdiff1d(truth, [VOID]):
        pieces, number = components(truth == value)
        for piece in range(1, number + 1):
            inside = pieces == piece
            result[inside] = np.bincount(best[inside]).argmax()
    return {**labels, "boundaries": result}


def scored(rows: list[Row], source: Reader, maps: Callable[[Row], Maps]) -> dict:
    """Scores of the label maps that a function gives for each row."""
    counts = evaluation.Counts(source.classes)
    for row in rows:
        counts.add(row, maps(row))
    return counts.table()


if __name__ == "__main__":
    tyro.cli(main)
