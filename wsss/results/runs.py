"""The scores in the folder of a run, as rows of one table, and their mean and spread over several runs."""

import hashlib
import statistics
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from wsss.datasets import manifest
from wsss.runtime.errors import WsssError
from wsss.runtime.files import read_json


@dataclass(frozen=True)
class Score:
    """One row of the table: how good one kind of map is.

    Attributes:
        name: what was scored, such as "psa segmenter and CRF".
        split: the images.
        images: their number.
        miou: mean IoU, from 0 to 1.
        iou: IoU of each class; None for a class that never occurs.
        oracle: whether a number was chosen with the true masks in view.
    """

    name: str
    split: str
    images: int
    miou: float
    iou: dict[str, float | None]
    oracle: bool = False

    @property
    def key(self) -> tuple[str, str, int]:
        """What makes rows of several runs the same row."""
        return self.name, self.split, self.images


def read(results: Path) -> tuple[list[Score], list[Path]]:
    """The scores in a folder, from activation maps to segmenters, and the files that belong to another data set.

    A file is left out where its classes or its number of images are not those of the folder's manifest: it is of a run
    on other data in the same folder.

    Args:
        results: the folder of a run.
    """
    classes, counts, digest = _data_set(results)
    found: list[Score] = []
    stale: list[Path] = []
    cues = [path] if (path := results / "cue_scores.json").exists() else []
    for path in [*cues, *sorted(results.glob("*_miou.json"))]:
        scores, of = of_file(path)
        fits = all(tuple(score.iou) == classes and counts.get(score.split, 0) >= score.images for score in scores)
        if classes and not (fits and (of or digest) == digest):
            stale.append(path)
        else:
            found += scores
    return found, stale


def of_file(path: Path) -> tuple[list[Score], str]:
    """The scores in a file of the stage miou or cue_scores, and the digest of the manifest whose images were scored.

    Raises:
        WsssError: the file is missing or damaged.
    """
    content = read_json(path)
    try:
        scores = _of_segmenter(content, path) if path.stem.endswith("_miou") else _of_cues(content)
        return scores, content.get("manifest", "")
    except (KeyError, TypeError, AttributeError) as error:
        raise WsssError(f"{path} is damaged: remove it and rerun the stage that writes it") from error


def _data_set(results: Path) -> tuple[tuple[str, ...], Counter[str], str]:
    """The classes, the number of images of each split and the manifest's digest; nothing where there is no manifest."""
    images, classes = results / "images.csv", results / "classes.csv"
    if not images.exists() or not classes.exists():
        return (), Counter(), ""
    digest = hashlib.sha256(images.read_bytes()).hexdigest()
    return manifest.read_classes(classes).names, Counter(row.split for row in manifest.read(images)), digest


def _of_cues(content: dict) -> list[Score]:
    def score(name: str, values: dict, *, oracle: bool = False) -> Score:
        return Score(name, content["split"], content["images"], values["miou"], values["iou"], oracle)

    found = []
    if "cam" in content:  # else no training image has a true mask, or the pseudo masks are another program's
        cam, oracle = content["cam"], content["cam_oracle"]
        found.append(score(f"CAM, background {cam['background']}", cam))
        found.append(score(f"CAM, background {oracle['background']} (oracle)", oracle, oracle=True))
    made_by = "random walk" if found else "pseudo masks"
    names = {"plain": made_by, "refined": f"{made_by} and CRF"}
    return found + [score(names[name], values) for name, values in content.get("pseudo_masks", {}).items()]


def _of_segmenter(content: dict, path: Path) -> list[Score]:
    split, images = content["evaluated"]["split"], content["evaluated"]["images"]
    variant = path.stem.removesuffix(f"_{split}_miou")
    names = {"plain": f"{variant} segmenter", "refined": f"{variant} segmenter and CRF"}
    return [
        Score(names[name], split, images, values["miou"], values["iou"]) for name, values in content["masks"].items()
    ]


@dataclass(frozen=True)
class Line:
    """A row of the table over several runs.

    Attributes:
        score: the row of the first run that has it.
        mious: the mIoU of each run; None where a run has no such row.
        iou: mean IoU of each class over the runs.
    """

    score: Score
    mious: list[float | None]
    iou: dict[str, float | None]

    @property
    def mean(self) -> float:
        return statistics.fmean(self._known)

    @property
    def spread(self) -> float | None:
        """Standard deviation over the runs (of a sample: n - 1); None for a single run."""
        return statistics.stdev(self._known) if len(self._known) > 1 else None

    @property
    def _known(self) -> list[float]:
        return [miou for miou in self.mious if miou is not None]


def joined(runs: list[list[Score]]) -> list[Line]:
    """The rows of several runs side by side, in the order in which they first occur."""
    rows = {score.key: score for scores in reversed(runs) for score in scores}
    order = dict.fromkeys(score.key for scores in runs for score in scores)
    by_key = [{score.key: score for score in scores} for scores in runs]
    lines = []
    for key in order:
        there = [scores.get(key) for scores in by_key]
        known = [score for score in there if score]
        iou = {name: _mean(score.iou.get(name) for score in known) for name in rows[key].iou}
        lines.append(Line(rows[key], [score.miou if score else None for score in there], iou))
    return lines


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return statistics.fmean(known) if known else None
