"""Check every image and mask before training, and report all problems at once."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple, TypeVar

import numpy as np

from wsss.datasets import manifest, masks, pictures
from wsss.datasets.manifest import Classes, Row
from wsss.labels import VOID
from wsss.runtime.errors import WsssError
from wsss.runtime.parallel import mapped

Read = TypeVar("Read")

LEAST_BLENDED = 3
SHARE_BLENDED = 0.1
"""So many masks, and more than this share of all, must look interpolated before they are refused."""


class CheckedRow(NamedTuple):
    """A row with the digest of its files, its problems (one line each), and whether its mask shows a class."""

    row: Row
    problems: list[str]
    shows_class: bool
    blended: bool = False
    """Whether its mask may have been interpolated; see `masks.blended`."""


class Copies(NamedTuple):
    """Where smaller copies of large photographs, and of their masks, are written.

    Args:
        folder: of the copies; it is made where one is needed.
        longest_px: the longer side of a copy; photographs that are not larger have none. 0: no copies.
    """

    folder: Path
    longest_px: int


def checked(
    rows: Iterable[tuple[Row, str | None]],
    classes: Classes,
    copies: Copies | None = None,
    known: Mapping[str, Row] = MappingProxyType({}),
) -> Iterator[CheckedRow]:
    """Decode and check every file of the rows.

    Args:
        rows: rows, each with a problem that is already known (see `tag_problem`), or None.
        classes: the classes; a mask value outside them is a problem.
        copies: where copies of large photographs go; a row then names its copy. None: no copies are made.
        known: rows by id whose photographs were checked before; only their masks are.
    """
    items = ((row, problem, known.get(row.id)) for row, problem in rows)
    return mapped(partial(_check, classes=classes, copies=copies), items)


def without_masks(rows: Iterable[tuple[Row, str | None]]) -> Iterator[tuple[Row, str | None]]:
    """The training images among rows, without their masks: all that trainings and their cues depend on."""
    return ((replace(row, mask=None), problem) for row, problem in rows if row.split in manifest.CUE_SPLITS)


class Findings:
    """The problems found in all rows, and the number of masks in each split.

    Args:
        problems: problems that are known before any row is checked.
    """

    def __init__(self, problems: list[str]) -> None:
        self._problems = list(problems)
        self._masked = Counter[str]()
        self._showing = set[str]()
        self._blended: list[Path] = []

    def add(self, checked: CheckedRow) -> None:
        """Add one checked row."""
        self._problems += checked.problems
        self._masked[checked.row.split] += checked.row.mask is not None
        if checked.shows_class:
            self._showing.add(checked.row.split)
        if checked.blended:
            self._blended.append(checked.row.mask)

    def problems(self, mask_folder: Path) -> list[str]:
        """All problems of the data set, each listed once; `mask_folder` is that of the masks."""
        found = list(dict.fromkeys(self._problems))
        blank = [split for split, count in self._masked.items() if count and split not in self._showing]
        if blank and not found:
            return [
                f"no mask of the split {split} in {mask_folder} shows a class: give objects the mask value of their"
                f" class; {VOID} is void"
                for split in blank
            ]
        return found + self._interpolated()

    def _interpolated(self) -> list[str]:
        masked = self._masked.total()
        if len(self._blended) < LEAST_BLENDED or len(self._blended) <= SHARE_BLENDED * masked:
            return []
        return [
            f"{len(self._blended)} of {masked} masks, such as {self._blended[0]}, have values that occur only between a"
            " lower and a higher one: were they resized with interpolation? Resize masks by nearest neighbour"
        ]

    def mask_summary(self, images: dict[str, int]) -> str:
        """How many images of each split have a mask, from the number of images of each split."""
        return ", ".join(f"{self._masked[name]} of {count} {name} images" for name, count in images.items())


def empty_splits(splits: Iterable[str], required: Sequence[str]) -> list[str]:
    """One problem for each required split that has no image, given the splits of all images."""
    present = set(splits)
    missing = [split for split in required if split not in present]
    return [f"the split {split} holds no image: is its list empty?" for split in missing]


def tag_problem(row: Row, classes: Classes) -> str | None:
    """The problem with the tags of a row, if any: an unknown class, or no tag at all."""
    unknown = [tag for tag in row.tags if tag not in classes.foreground]
    if unknown:
        return f"{row.id}: unknown class {', '.join(unknown)} in {row.tag_source}: add it to classes or remove it"
    if not row.tags:
        return f"{row.id}: no tags in {row.tag_source}: an image needs at least one class"
    return None


def _check(item: tuple[Row, str | None, Row | None], *, classes: Classes, copies: Copies | None) -> CheckedRow:
    row, problem, known = item
    problems = [problem] if problem else []
    if known and not row.mask:
        return CheckedRow(known, problems, shows_class=False)
    image = None if known else _read(pictures.read_photograph, row.image, problems)
    size = (
        _read(pictures.photograph_size, row.image, problems)
        if known
        else image.shape[:2]
        if image is not None
        else None
    )
    mask = _read(partial(masks.read, classes=classes), row.mask, problems) if row.mask else None
    if mask is not None:
        if size is not None and size != mask.shape:
            sizes = ["{} x {}".format(*each) for each in (mask.shape, size)]
            problems.append(
                f"{row.mask}: the mask has {sizes[0]} pixels (height x width), "
                f"but its image {row.image}, set upright by its EXIF orientation, has {sizes[1]}: replace one of them"
            )
        elif problem := masks.problem(row.mask, mask, classes):
            problems.append(problem)
    shows_class = mask is not None and bool(np.isin(mask, classes.mask_values[1:]).any())
    if problems:
        return CheckedRow(row, problems, shows_class)
    labelmap = masks.labelmap_of(row.mask) if row.mask else None
    row = manifest.with_digest(row, *([labelmap] if labelmap else []))
    if copies and copies.longest_px and max(size) > copies.longest_px:
        row = _copied(row, image, size, mask, copies)
    return CheckedRow(row, problems, shows_class, blended=mask is not None and masks.blended(mask))


def _copied(row: Row, image: np.ndarray | None, size: tuple[int, int], mask: np.ndarray | None, copies: Copies) -> Row:
    """The row with smaller copies of the photograph, unless that has its copy already (None), and of its mask."""
    factor = copies.longest_px / max(size)
    smaller = (max(1, round(size[0] * factor)), max(1, round(size[1] * factor)))
    copy = copies.folder / f"{row.id}.jpg"
    if image is not None:
        pictures.write_photograph(copy, pictures.resized(image, smaller))
    if mask is None:
        return replace(row, image=copy, original=row.image)
    mask_copy = copies.folder / f"{row.id}.mask.png"
    pictures.write_mask(mask_copy, pictures.stretched(mask, smaller))
    return replace(row, image=copy, mask=mask_copy, original=row.image)


def _read(reader: Callable[[Path], Read], path: Path, problems: list[str]) -> Read | None:
    try:
        return reader(path)
    except WsssError as error:
        problems.append(str(error))
        return None
