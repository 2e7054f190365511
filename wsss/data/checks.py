"""Looks at every image and mask before anything is trained on them, and says all that is wrong at once."""

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from wsss import manifest, pictures
from wsss.errors import WsssError
from wsss.labels import VOID
from wsss.manifest import Classes, Row
from wsss.parallel import mapped

NEEDED_SPLITS = ("train", "val")


class Looked(NamedTuple):
    """A row with the digest of its files, what is wrong with it, a line each, and whether its mask shows a class."""

    row: Row
    problems: list[str]
    shows_class: bool


def looked_at(found: Iterable[tuple[Row, str | None]], classes: Classes) -> Iterator[Looked]:
    """Decode every file of the rows.

    Args:
        found: rows, each with what is known to be wrong with it, such as the result of `tag_problem`.
        classes: the classes; a mask with a value outside them is a problem.
    """
    return mapped(partial(_look_at, classes=classes), found)


def empty_splits(splits: Iterable[str]) -> list[str]:
    """What is wrong where these are the splits of all images: those that are needed and hold none."""
    present = set(splits)
    return [f"the split {split} holds no image: is its list empty?" for split in NEEDED_SPLITS if split not in present]


def tag_problem(row: Row, classes: Classes) -> str | None:
    """What is wrong with the tags of a row: none, or one that is no class."""
    unknown = [tag for tag in row.tags if tag not in classes.foreground]
    if unknown:
        return f"{row.id}: unknown class {', '.join(unknown)} in {row.tag_source}: add it to classes or leave it out"
    if not row.tags:
        return f"{row.id}: no tags in {row.tag_source}: an image needs one class at least"
    return None


def unknown_values(path: Path, mask: np.ndarray, classes: Classes) -> str | None:
    """What is wrong with the values of a uint8 mask: those that are neither a class nor void."""
    present = np.flatnonzero(np.bincount(mask.ravel(), minlength=VOID + 1))
    unknown = sorted(set(present.tolist()) - {*classes.mask_values, VOID})
    if unknown:
        return f"{path}: unknown class, mask value {', '.join(map(str, unknown))}: add it to classes or make it {VOID}"
    return None


def _look_at(found: tuple[Row, str | None], *, classes: Classes) -> Looked:
    row, known = found
    problems = [known] if known else []
    image = _read(pictures.read_photograph, row.image, problems)
    mask = _read(pictures.read_mask, row.mask, problems) if row.mask else None
    if mask is not None:
        if image is not None and image.shape[:2] != mask.shape:
            sizes = ["{} x {}".format(*picture.shape[:2]) for picture in (mask, image)]
            problems.append(
                f"{row.mask}: the mask has {sizes[0]} pixels (height x width), "
                f"its image {row.image}, upright as its EXIF data say, {sizes[1]}"
            )
        elif problem := unknown_values(row.mask, mask, classes):
            problems.append(problem)
    shows_class = mask is not None and bool(np.isin(mask, classes.mask_values[1:]).any())
    return Looked(row if problems else manifest.with_digest(row), problems, shows_class)


def _read(reader: Callable[[Path], np.ndarray], path: Path, problems: list[str]) -> np.ndarray | None:
    try:
        return reader(path)
    except WsssError as error:
        problems.append(str(error))
        return None
