"""The images of a report: which ones are shown, and their maps, scores and confusions."""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from wsss.datasets import manifest
from wsss.datasets.manifest import Row
from wsss.datasets.pictures import read_photograph
from wsss.labels import BACKGROUND, VOID, Classes
from wsss.maths import metrics
from wsss.report import pictures
from wsss.results import evaluation
from wsss.runtime.errors import WsssError
from wsss.runtime.progress import track
from wsss.stores import store
from wsss.stores.store import Reader

CUES = ("cams", "saliency", "seeds", "affinity_labels", "pseudo_masks")
"""Kinds of stores of training images, in the order in which the page shows them."""

NAMES = {"cams": "CAM", "pseudo_masks plain": "random walk", "pseudo_masks refined": "pseudo mask"}

TRUTH = "truth"

LEAST_CONFUSED = 0.01
"""Share of an image's pixels from which on a confusion counts as one of the image."""


@dataclass
class Judged:
    """The scores of one kind of label map over the images of a split.

    Attributes:
        split: the images.
        name: the name of the map's layer, such as "psa refined".
        confusion: counts of pixels by true class and predicted class, void as the last column.
        images: for each image its mIoU over the classes that it shows, and its confusions as (true, predicted).
    """

    split: str
    name: str
    confusion: np.ndarray
    images: dict[str, tuple[float, list[tuple[int, int]]]] = field(default_factory=dict)

    def add(self, row: Row, true: np.ndarray, predicted: np.ndarray) -> None:
        """Add one image."""
        counted = metrics.confusion(true, predicted, classes=len(self.confusion))
        self.confusion += counted
        total = max(1, counted.sum())
        wrong = [(int(r), int(c)) for r, c in np.argwhere(counted >= LEAST_CONFUSED * total) if r != c]
        self.images[row.id] = (metrics.mean_iou(counted) if counted.any() else 0.0, wrong)


@dataclass(frozen=True)
class Source:
    """A store of which the page shows the arrays.

    Attributes:
        name: what the layers are called: the store's name, for masks without their split: a kind of cue, or a method.
        kind: the kind of store.
        reader: the open store.
        splits: the splits whose images it may hold.
    """

    name: str
    kind: str
    reader: Reader
    splits: tuple[str, ...]

    @property
    def dense(self) -> bool:
        """Whether it labels every pixel, as no cue does but pseudo masks."""
        return self.kind in ("masks", "pseudo_masks")


def sources(results: Path, stack: ExitStack) -> list[Source]:
    """The stores of a run that the page shows, open as long as the stack is.

    Variants of a method (an ablation's), which are called after it, stand in the table of scores alone. A store of
    other classes than the folder's table has is of a run on other data, and left out.
    """
    classes = manifest.read_classes(results / "classes.csv")
    found = []
    for path in sorted(results.glob("*.h5")):
        kind = store.kind_of(path)
        if kind not in (*CUES, "masks"):
            continue
        reader = stack.enter_context(store.read(path, kind))
        if reader.classes.names != classes.names:
            continue
        if kind == "masks":
            name, split = path.stem.removesuffix("_masks").rsplit("_", 1)
            if split in manifest.SPLITS:
                found.append(Source(name, kind, reader, (split,)))
        else:
            found.append(Source(path.stem, kind, reader, manifest.CUE_SPLITS))
    variants = {source.name for source in found if source.kind == "masks"}
    of_a_method = {name for name in variants for other in variants if name.startswith(f"{other}_")}
    shown = [source for source in found if source.kind != "masks" or source.name not in of_a_method]
    order = [*CUES, "masks"]
    return sorted(shown, key=lambda source: (order.index(source.kind), source.name != source.kind))


def judged(rows: list[Row], found: list[Source], classes: Classes) -> list[Judged]:
    """The scores of every dense label map on all images that have a true mask."""
    scores: dict[tuple[str, str], Judged] = {}
    shown = [row for row in rows if row.mask and row.split in ("train", "val")]
    dense = [source for source in found if source.dense]
    ids = [set(source.reader) for source in dense]
    for row in track(shown, "report: scores", total=len(shown)):
        true = None
        for source, there in zip(dense, ids, strict=True):
            if row.split not in source.splits or row.id not in there:
                continue
            true = evaluation.truth(row, classes) if true is None else true
            for array, predicted in source.reader[row.id].items():
                name = layer_name(source, array)
                empty = np.zeros((len(classes.names), len(classes.names) + 1), int)
                score = scores.setdefault((row.split, name), Judged(row.split, name, empty))
                if predicted.shape != true.shape:
                    raise WsssError(f"{row.mask} and {source.reader.path} disagree on the size of {row.id!r}")
                score.add(row, true, predicted)
    return list(scores.values())


def layer_name(source: Source, array: str) -> str:
    """What an array of a store is called on the page."""
    name = NAMES.get(source.name) or NAMES.get(f"{source.name} {array}")
    if name:
        return name
    if source.kind in CUES:  # another program's, or what a segmenter makes of the training images
        name = source.name.replace("_", " ")
        return name if array in ("labels", "plain", "saliency", "cam") else f"{name} {array}"
    return f"{source.name} {'prediction' if array == 'plain' else array}"


def confidences(rows: list[Row], results: Path, found: list[Source]) -> dict[str, float]:
    """For images without a true mask, the mean of the highest class probability over the cells of a network's grid."""
    values: dict[str, float] = {}
    for source in found:
        path = results / f"{source.reader.path.stem.removesuffix('_masks')}_scores.h5"
        if source.kind in CUES or not path.exists():
            continue
        with store.read(path, "scores") as scores:
            there = set(scores)
            for row in rows:
                if row.split in source.splits and row.id in there and row.id not in values:
                    (maps,) = scores[row.id].values()
                    values[row.id] = float(maps.astype(np.float32).max(0).mean())
    return values


def chosen(rows: list[Row], score: dict[str, float], most: int) -> list[Row]:
    """At most so many rows: a third with the lowest scores, a third with the highest, and some evenly between."""
    if len(rows) <= most:
        return rows
    order = sorted(rows, key=lambda row: (score.get(row.id, 0.0), row.id))
    third = most // 3
    worst, best = order[:third], order[len(order) - third :]
    between = manifest.evenly(order[third : len(order) - third], most - 2 * third)
    kept = {row.id for row in [*worst, *between, *best]}
    return [row for row in rows if row.id in kept]


def pictured(rows: list[Row], found: list[Source], classes: Classes, longest_px: int) -> Iterator[dict]:
    """Each image as the page's script takes it: id, split, tags, size, and its layers as pictures."""
    ids = [set(source.reader) for source in found]
    for row in track(rows, "report: images", total=len(rows)):
        photograph = read_photograph(row.image)
        height, width = photograph.shape[:2]
        share = min(1, longest_px / max(height, width))
        size = max(1, round(height * share)), max(1, round(width * share))
        layers = [
            layer
            for source, there in zip(found, ids, strict=True)
            if row.split in source.splits and row.id in there
            for layer in _layers(source, row, (height, width), size)
        ]
        classes_shown = {classes.names.index(tag) for tag in row.tags if tag in classes.names}
        if row.mask:
            true = evaluation.truth(row, classes)
            layers.append({"name": TRUTH, "labels": pictures.labels(true, size)})
            classes_shown |= set(np.unique(true).tolist()) - {BACKGROUND, VOID}
        yield {
            "id": row.id,
            "split": row.split,
            "tags": [classes.names.index(tag) for tag in row.tags if tag in classes.names],
            "classes": sorted(classes_shown),
            "size": [size[1], size[0]],
            "photograph": pictures.photograph(photograph, size),
            "layers": layers,
        }


def _layers(source: Source, row: Row, full: tuple[int, int], size: tuple[int, int]) -> Iterator[dict]:
    """The arrays of an image in one store; an activation map says how far its grid reaches, in photographs."""
    reader = source.reader
    arrays = reader.fitting(row.id, full)
    present = arrays.pop("classes", None)
    for array, values in arrays.items():
        name = layer_name(source, array)
        if values.dtype == np.uint8:
            at_pixels = values
            if values.shape != reader.size(row.id) or reader.warped:
                at_pixels = evaluation.at_pixels(values, reader.size(row.id), reader)
            yield {"name": name, "labels": pictures.labels(at_pixels, size)}
            continue
        maps = values if values.ndim == 3 else values[None]
        rows, columns = maps.shape[-2:]
        covers = [columns * reader.stride / full[1], rows * reader.stride / full[0]]
        of_class = present.tolist() if present is not None else [None] * len(maps)
        yield {
            "name": name,
            "covers": [1, 1] if reader.warped else covers,
            "maps": [[of, pictures.activations(each)] for of, each in zip(of_class, maps, strict=True)],
        }
