"""Scores of label maps over a set, and the table and file in which they are told."""

import json
from pathlib import Path

import numpy as np

from wsss import metrics
from wsss.errors import WsssError
from wsss.files import whole_or_absent
from wsss.labels import BACKGROUND, VOID, Classes
from wsss.manifest import Row
from wsss.pictures import read_mask


def demand_masks(rows: list[Row], images: Path) -> None:
    """Refuse a split of which an image has no true mask."""
    without = [row.id for row in rows if row.mask is None]
    if without:
        raise WsssError(f"{images}: {len(without)} images have no true mask to be scored against, e.g. {without[0]}")


def truth(row: Row, classes: Classes) -> np.ndarray:
    """The true mask of an image in ranks of the classes; uint8 (height, width), VOID where nobody knows."""
    ranks = np.full(256, -1)
    ranks[list(classes.mask_values)] = np.arange(len(classes.mask_values))
    ranks[VOID] = VOID
    mask = ranks[read_mask(row.mask)]
    if (mask < 0).any():
        raise WsssError(f"{row.mask} holds a value that is no class: run the stage images again, which checks it")
    return mask.astype(np.uint8)


class Counts:
    """Confusion matrices of several label maps (plain, refined, …) against one truth, over a set of images."""

    def __init__(self, classes: Classes) -> None:
        self.classes = classes
        self.confusion: dict[str, np.ndarray] = {}

    def add(self, row: Row, maps: dict[str, np.ndarray]) -> None:
        """Count one image's maps."""
        true = truth(row, self.classes)
        for name, predicted in maps.items():
            if predicted.shape != true.shape:
                raise WsssError(f"{row.mask} is {true.shape}, the label map {predicted.shape}: was the image replaced?")
            counted = metrics.confusion(true, predicted, classes=len(self.classes.names))
            self.confusion[name] = self.confusion.get(name, 0) + counted

    def table(self) -> dict[str, dict]:
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


class Certain:
    """How often cues that leave most of an image open are right, over a set of images."""

    def __init__(self) -> None:
        self.pixels = self.foreground = self.background = self.right_foreground = self.right_background = 0

    def add(self, true: np.ndarray, cues: np.ndarray) -> None:
        """Count one image's cues, VOID where they are open; pixels whose truth is VOID do not count."""
        known = true != VOID
        foreground, background = known & (cues != VOID) & (cues != BACKGROUND), known & (cues == BACKGROUND)
        self.pixels += int(known.sum())
        self.foreground += int(foreground.sum())
        self.background += int(background.sum())
        self.right_foreground += int((cues == true)[foreground].sum())
        self.right_background += int((cues == true)[background].sum())

    def shares(self) -> dict[str, float | None]:
        """Shares of the pixels that have a cue, and of the cues that are right; None where there is none."""
        return {
            "foreground share": self.foreground / self.pixels,
            "foreground precision": self.right_foreground / self.foreground if self.foreground else None,
            "background share": self.background / self.pixels,
            "background precision": self.right_background / self.background if self.background else None,
        }


def crf_in_words(attributes: dict) -> str:
    """The CRF's settings among a store's attributes."""
    setting = {name.removeprefix("setting."): value for name, value in attributes.items()}
    if setting["engine"] == "none":
        return "none"
    engine = setting["engine"]
    if engine == "conv":
        reach = (
            f"in a {setting['window']} of {setting['window_px']} px" if int(setting["window_px"]) else "of all pairs"
        )
        engine += f" (messages {reach} of at most {setting['cells']} cells, normalisation {setting['normalisation']})"
    if setting.get("fitted", "no") != "no":
        return f"{engine}, {setting['steps']} steps, fitted {setting['fitted']}"
    return (
        f"{engine}, {setting['steps']} steps,"
        f" smoothness {setting['smoothness_weight']} ({setting['smoothness_px']} px),"
        f" appearance {setting['appearance_weight']} ({setting['appearance_px']} px, {setting['appearance_rgb']} RGB)"
    )


def write(counts: Counts, evaluated: dict[str, object], *, text: Path, json_file: Path) -> None:
    """Write the table for people and the same numbers for programs.

    The first line is that of the refined maps, or of the plain ones where there is no CRF.
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
        partial.write_text("\n".join(lines) + "\n")
    content = {"miou": scores[headline]["miou"], "headline": headline, "masks": scores, "evaluated": evaluated}
    write_json(json_file, content)


def write_json(path: Path, content: dict[str, object]) -> None:
    """Write numbers for programs."""
    with whole_or_absent(path) as partial:
        partial.write_text(json.dumps(content, indent=2) + "\n")
