"""The scores in the folder of a run, as rows of one table, and their mean and spread over several runs."""

import hashlib
import math
import statistics
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from wsss.datasets import manifest
from wsss.runtime.errors import WsssError
from wsss.runtime.files import read_bytes, read_json


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

    Raises:
        TypeError: one of them is of another kind, as in a damaged file.
    """

    name: str
    split: str
    images: int
    miou: float
    iou: dict[str, float | None]
    oracle: bool = False

    def __post_init__(self) -> None:
        shares = [self.miou, *(value for value in self.iou.values() if value is not None)]
        if type(self.split) is not str or type(self.images) is not int or not all(map(_is_share, shares)):
            raise TypeError(f"no score: {self}")

    @property
    def key(self) -> tuple[str, str, int]:
        """What makes rows of several runs the same row."""
        return self.name, self.split, self.images


def _is_share(value: object) -> bool:
    """Whether a value is from 0 to 1, or NaN: the mean IoU of no pixel at all."""
    return type(value) in (int, float) and (0 <= value <= 1 or math.isnan(value))


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
        WsssError: the file is missing, damaged, or of another stage.
    """
    content = read_json(path)
    with _damage_told(path):
        of_method = path.stem.endswith("_miou")
        if not of_method and "split" not in content:
            raise WsssError(f"{path} holds no scores: give files of the stages cue_scores and miou")
        scores = _of_segmenter(content, path) if of_method else _of_cues(content)
        return scores, content.get("manifest", "")


def of_method(path: Path) -> tuple[str, dict[str, Score]]:
    """The name of a method, and the scores of its masks, plain and refined, in a file of the stage miou.

    Raises:
        WsssError: the file is missing, damaged, or of another stage.
    """
    if not path.stem.endswith("_miou"):
        raise WsssError(f"{path} is no METHOD_SPLIT_miou.json: give files of the stage miou")
    content = read_json(path)
    with _damage_told(path):
        scores = _of_segmenter(content, path)
        return _variant(content, path), dict(zip(content["masks"], scores, strict=True))


@contextmanager
def _damage_told(path: Path) -> Iterator[None]:
    try:
        yield
    except (LookupError, TypeError, AttributeError) as error:
        raise WsssError(f"{path} is damaged: remove it and rerun the stage that writes it") from error


def _data_set(results: Path) -> tuple[tuple[str, ...], Counter[str], str]:
    """The classes, the number of images of each split and the manifest's digest; nothing where there is no manifest."""
    images, classes = results / "images.csv", results / "classes.csv"
    if not images.exists() or not classes.exists():
        return (), Counter(), ""
    digest = hashlib.sha256(read_bytes(images)).hexdigest()
    return manifest.read_classes(classes).names, Counter(row.split for row in manifest.read(images)), digest


def _of_cues(content: dict) -> list[Score]:
    def score(name: str, values: dict, *, oracle: bool = False) -> Score:
        return Score(name, content["split"], content["images"], values["miou"], values["iou"], oracle)

    found = []
    if "cam" in content:  # else no training image has a true mask, or the pseudo masks are another program's
        cam, oracle = content["cam"], content["cam_oracle"]
        if not all(type(values["background"]) in (int, float) for values in (cam, oracle)):
            raise TypeError("no background")
        found.append(score(f"CAM, background {cam['background']}", cam))
        found.append(score(f"CAM, background {oracle['background']} (oracle)", oracle, oracle=True))
    made_by = "random walk" if found else "pseudo masks"
    names = {"plain": made_by, "refined": f"{made_by} and CRF"}
    return found + [score(names[name], values) for name, values in content.get("pseudo_masks", {}).items()]


def _of_segmenter(content: dict, path: Path) -> list[Score]:
    split, images = content["evaluated"]["split"], content["evaluated"]["images"]
    variant = _variant(content, path)
    names = {"plain": f"{variant} segmenter", "refined": f"{variant} segmenter and CRF"}
    return [
        Score(names[name], split, images, values["miou"], values["iou"]) for name, values in content["masks"].items()
    ]


def _variant(content: dict, path: Path) -> str:
    return path.stem.removesuffix(f"_{content['evaluated']['split']}_miou")


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
