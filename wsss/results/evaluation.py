"""Scores of label maps over a set of images, and the two files that report them."""

from collections.abc import Hashable
from pathlib import Path

import numpy as np

from wsss.datasets import manifest, masks
from wsss.datasets.manifest import Row
from wsss.datasets.pictures import enlarged, stretched
from wsss.labels import BACKGROUND, VOID, Classes
from wsss.maths import metrics
from wsss.options.crf import MEAN_FIELD, TRAINABLE
from wsss.runtime.errors import WsssError
from wsss.runtime.files import whole_or_absent, write_json
from wsss.stores.store import Reader


def require_masks(rows: list[Row], images: Path) -> None:
    """Refuse images without a true mask."""
    without = [row.id for row in rows if row.mask is None]
    if without:
        raise WsssError(f"{images}: {len(without)} images have no true mask to score against, e.g. {without[0]}")


def truth(row: Row, classes: Classes) -> np.ndarray:
    """The true mask of an image as class indices; uint8 (height, width), VOID where it is unknown.

    Raises:
        WsssError: its file is not the one that the manifest was written from, or shows an unknown class.
    """
    # of a smaller copy the digest is that of the original
    known = row.digest.partition("-")[2] if row.mask.is_file() and not row.original else ""
    labelmap = masks.labelmap_of(row.mask)
    if known and manifest.digest_of(row.mask, *([labelmap] if labelmap else [])) != known:
        raise WsssError(
            f"{row.mask} has changed since the list of images was written: rerun the stage images (snakemake --forcerun"
            " images), and what depends on it is made again"
        )
    values = masks.read(row.mask, classes)
    try:
        return classes.indices_of(values)
    except WsssError as error:
        raise WsssError(f"{row.mask}: {error}: rerun the stage images, which checks masks") from error


def at_pixels(labels: np.ndarray, size: tuple[int, int], source: Reader) -> np.ndarray:
    """A label map on a store's grid, resized to an image of `size` (height, width)."""
    return stretched(labels, size) if source.warped else enlarged(labels, size, stride=source.stride)


class Counts:
    """Confusion matrices of several kinds of label maps (plain, refined, …) over a set of images."""

    def __init__(self, classes: Classes) -> None:
        self.classes = classes
        self.confusion: dict[Hashable, np.ndarray] = {}

    def add(self, row: Row, maps: dict[Hashable, np.ndarray]) -> None:
        """Add the label maps of one image."""
        true = truth(row, self.classes)
        for name, predicted in maps.items():
            if predicted.shape != true.shape:
                raise WsssError(
                    f"{row.mask} has the size {true.shape}, its label map {predicted.shape}: was the image replaced,"
                    " or are the label maps of other images? rerun their stage"
                )
            counted = metrics.confusion(true, predicted, classes=len(self.classes.names))
            self.confusion[name] = self.confusion.get(name, 0) + counted

    def table(self) -> dict[Hashable, dict]:
        """mIoU and the IoU of each class, for each kind of map; None for a class that never occurs."""
        return {
            name: {
                "miou": metrics.mean_iou(confusion),
                "iou": {
                    label: None if np.isnan(iou) else float(iou)
                    for label, iou in zip(self.classes.names, metrics.class_iou(confusion), strict=True)
                },
            }
            for name, confusion in self.confusion.items()
        }


class CuePrecision:
    """Coverage and precision of sparse cues, such as seeds, over a set of images."""

    def __init__(self) -> None:
        self.pixels = self.foreground = self.background = self.correct_foreground = self.correct_background = 0

    def add(self, true: np.ndarray, cues: np.ndarray) -> None:
        """Add the cues of one image, VOID where there is none; pixels whose truth is VOID do not count."""
        known = true != VOID
        foreground, background = known & (cues != VOID) & (cues != BACKGROUND), known & (cues == BACKGROUND)
        self.pixels += int(known.sum())
        self.foreground += int(foreground.sum())
        self.background += int(background.sum())
        self.correct_foreground += int((cues == true)[foreground].sum())
        self.correct_background += int((cues == true)[background].sum())

    def shares(self) -> dict[str, float | None]:
        """Shares of the pixels that have a cue, and of the cues that are correct; None for a share of nothing."""
        counts = {
            "foreground share": (self.foreground, self.pixels),
            "foreground precision": (self.correct_foreground, self.foreground),
            "background share": (self.background, self.pixels),
            "background precision": (self.correct_background, self.background),
        }
        return {name: part / whole if whole else None for name, (part, whole) in counts.items()}


def crf_description(attributes: dict) -> str:
    """A description of the CRF, from the attributes of a store."""
    setting = {name.removeprefix("setting."): value for name, value in attributes.items()}
    if setting["engine"] == "none":
        return "none"
    engine = setting["engine"]
    if engine in TRAINABLE:
        reach = {"cells": "between all pairs", "convcrf": f"in a {setting['window']} of {setting['window_px']} px"}[
            engine
        ]
        cells = f"{setting['max_cells']} cells, normalisation {setting['normalisation']}"
        published = [
            f"{name.replace('_', ' ')} {setting[name]}"
            for name, usual in MEAN_FIELD.items()
            if setting.get(name, usual) != usual
        ]
        engine += f" (messages {reach} of at most {', '.join([cells, *published])})"
    if setting.get("fitted", "no") != "no":
        return f"{engine}, {setting['steps']} steps, fitted {setting['fitted']}"
    return (
        f"{engine}, {setting['steps']} steps,"
        f" smoothness {setting['smoothness_weight']} ({setting['smoothness_px']} px),"
        f" appearance {setting['appearance_weight']} ({setting['appearance_px']} px, {setting['appearance_rgb']} RGB)"
    )


def feature_crf_description(attributes: dict) -> str:
    """A description of the CRF by features, from the attributes of a store."""
    prefix = "setting.feature_crf."
    setting = {name.removeprefix(prefix): value for name, value in attributes.items() if name.startswith(prefix)}
    if not float(setting["weight"]):
        return "none"
    widths = f"{setting['cells']} cells, {setting['rgb']} RGB, {setting['features']} of the classifier's features"
    return f"{setting['steps']} steps, weight {setting['weight']} ({widths})"


def write(counts: Counts, evaluated: dict[str, object], *, manifest: str, text: Path, json_file: Path) -> None:
    """Write the table for people and the same numbers for programs.

    The first line is the mIoU of the refined maps, or of the plain ones without a CRF. The digest of the manifest goes
    to the programs, which see by it whether the numbers are of the data set at hand.
    """
    scores = counts.table()
    headline = "refined" if "refined" in scores else "plain"
    names = list(scores)
    width = max(len(name) for name in counts.classes.names)
    lines = [f"mIoU  {100 * scores[headline]['miou']:.2f}", ""]
    lines.append(f"{'class':<{width}}" + "".join(f"{name:>10}" for name in names))
    for label in counts.classes.names:
        values = [scores[name]["iou"][label] for name in names]
        lines.append(f"{label:<{width}}" + "".join("         -" if v is None else f"{100 * v:10.2f}" for v in values))
    lines.append(f"{'mean':<{width}}" + "".join(f"{100 * scores[name]['miou']:10.2f}" for name in names))
    absent = [label for label in counts.classes.names if scores[headline]["iou"][label] is None]
    if absent:
        lines += ["", f"Left out of the mean, since neither truth nor prediction shows them: {', '.join(absent)}"]
    lines += ["", f"The first line is the mean of the {headline} masks.", ""]
    lines += [f"{name}: {value}" for name, value in evaluated.items()]
    with whole_or_absent(text) as partial:
        partial.write_text("\n".join(lines) + "\n", encoding="utf-8")
    content = {"miou": scores[headline]["miou"], "headline": headline, "masks": scores, "evaluated": evaluated}
    write_json(json_file, content | {"manifest": manifest})
