"""Check every image and mask before training, and report all problems at once."""

import difflib
import unicodedata
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

SHOWN = 3
"""Examples of a problem that many images share."""

LARGE_PX = 1000
"""Photographs with a longer side than this are worth a warning."""

FEW = 10
"""Photographs of a class, below which a warning says so."""

ALIKE = 0.85
"""How much of two words must agree, by difflib's measure, for one to be taken for a slip of the other."""

LOOKING_ALIKE = str.maketrans("асԁеһіјкмортѕѵхуαικνορτυχ", "acdehijkmoptsvxyaiknoptux")
"""Small letters of the Cyrillic and the Greek script, and those of the Latin one that look like them."""

LEAST_BLENDED = 3
SHARE_BLENDED = 0.1
"""So many masks, and more than this share of all, must look interpolated before they are refused."""


LEAST_STRANGE = 3
SHARE_STRANGE = 0.2
"""So many masks, and more than this share of all, must show what is not in the tags before a warning says so."""


class CheckedRow(NamedTuple):
    """A row with the digest of its files, its problems (one line each), and the classes that its mask shows."""

    row: Row
    problems: list[str]
    shown: tuple[str, ...] = ()
    blended: bool = False
    """Whether its mask may have been interpolated; see `masks.blended`."""
    photograph: str = ""
    """The digest of the photograph alone."""
    longer_side: int = 0
    """Of the photograph, in pixels."""


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
    """What is wrong with a data set, what is odd, and the number of masks in each split.

    Args:
        problems: problems that are known before any row is checked.
    """

    def __init__(self, problems: list[str]) -> None:
        self._problems = list(problems)
        self._masked = Counter[str]()
        self._showing = set[str]()
        self._compared = 0
        self._strange: list[str] = []
        self._blended: list[Path] = []
        self._tags = Counter[str]()
        self._trained = 0
        self._large: list[Path] = []
        self._photographs: dict[str, Row] = {}
        self._twice: list[str] = []
        self._torn: list[str] = []

    def add(self, checked: CheckedRow, *, copied: bool = False) -> None:
        """Add one checked row; `copied` says that a run will work on a smaller copy of a large photograph."""
        row = checked.row
        self._problems += checked.problems
        self._masked[row.split] += row.mask is not None
        if checked.shown:
            self._showing.add(row.split)
        if checked.shown and row.tags:
            self._compared += 1
            strange = [name for name in checked.shown if name not in row.tags]
            self._strange += [f"{row.mask} ({', '.join(strange)})"] if strange else []
        if checked.blended:
            self._blended.append(row.mask)
        if row.split in manifest.TRAINING_SPLITS:
            self._trained += 1
            self._tags.update(row.tags)
        if checked.longer_side > LARGE_PX and not row.original and not copied:
            self._large.append(row.image)
        if checked.photograph:
            first = self._photographs.setdefault(checked.photograph, row)
            if (first.split in manifest.CUE_SPLITS) != (row.split in manifest.CUE_SPLITS):
                self._twice.append(f"{first.id} ({first.split}) and {row.id} ({row.split})")
            elif row.split in manifest.TRAINING_SPLITS and set(first.tags) != set(row.tags):
                self._torn.append(f"{first.id} ({', '.join(first.tags)}) and {row.id} ({', '.join(row.tags)})")

    def tags(self) -> Counter[str]:
        """How many training images have each tag."""
        return self._tags

    def warnings(self, classes: Classes) -> list[str]:
        """What is no error, but will give poor or misleading results; one line each."""
        found = []
        if self._twice:
            same = such_as(self._twice)
            found.append(f"{len(self._twice)} photographs are trained on and held out, byte for byte: {same}")
        if self._torn:
            found.append(
                shared(
                    "photographs are trained on twice, byte for byte, with different tags, of which each then says that"
                    " the others are not there: give one photograph all of them by a table,",
                    self._torn,
                )
            )
        found += self.strange_masks() + alike(self._tags)
        absent = [name for name in classes.foreground if not self._tags[name]]
        if absent:
            found.append(f"no training image shows {', '.join(absent)}: nothing can be learned of that")
        everywhere = [name for name, count in self._tags.items() if count == self._trained]
        if everywhere:
            found.append(
                f"every training image shows {', '.join(everywhere)}: a classifier learns a class only beside images"
                " that do not show it"
            )
        if self._large:
            found.append(
                f"{len(self._large)} photographs exceed {LARGE_PX} px, such as {self._large[0]}: they need much"
                " memory and time, unless images: longest_px is set, such as to 500"
            )
        return found

    def strange_masks(self) -> list[str]:
        """A warning if many masks show classes that are not in the tags, as where classes have other values there."""
        if len(self._strange) < LEAST_STRANGE or len(self._strange) <= SHARE_STRANGE * self._compared:
            return []
        return [
            f"{len(self._strange)} of {self._compared} masks show classes that their photographs' tags lack, such as"
            f" {such_as(self._strange)}: are the values in images: classes those of the masks?"
        ]

    def problems(self, mask_folder: Path) -> list[str]:
        """All problems of the data set, each listed once; `mask_folder` is that of the masks."""
        found = grouped(dict.fromkeys(self._problems))
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


def alike(tags: Mapping[str, int]) -> list[str]:
    """A warning for each tag that is written nearly like one which more photographs have, given how many have each."""
    found = []
    ordered = sorted(tags, key=lambda name: (-tags[name], name))
    seen = {name: " ".join(name.casefold().translate(LOOKING_ALIKE).split()) for name in ordered}
    for place, name in enumerate(ordered[1:], 1):
        others = {seen[other]: other for other in reversed(ordered[:place])}
        near = [seen[name]] if seen[name] in others else []
        if not near and tags[name] < FEW:
            near = difflib.get_close_matches(seen[name], others, n=1, cutoff=ALIKE)
        if near:
            other = others[near[0]]
            found.append(
                f"the tags {name} ({tags[name]}) and {other} ({tags[other]}) are nearly alike: is it one class?"
            )
    return found


def such_as(examples: Sequence[str]) -> str:
    """Some of many examples, as one text."""
    more = ", …" if len(examples) > SHOWN else ""
    return f"{'; '.join(examples[:SHOWN])}{more}"


def shared(what: str, examples: Sequence[str]) -> str:
    """One line for what many share: how many, what, and some examples; `what` is in the plural."""
    count = f"{len(examples)} " if len(examples) > 1 else ""
    return f"{count}{what} such as {such_as(examples)}"


def grouped(problems: Iterable[str]) -> list[str]:
    """Problems of the form "name: what is wrong" that differ in the name alone as one line, if they are many."""
    names: dict[str, list[str]] = {}
    for problem in problems:
        name, _, what = problem.partition(": ")
        names.setdefault(what or problem, []).append(name)
    lines = []
    for what, of in names.items():
        if len(of) > SHOWN:
            lines.append(f"{len(of)} times: {what} (such as {such_as(of)})")
        else:
            lines += [what if what == name else f"{name}: {what}" for name in of]
    return lines


def empty_splits(splits: Iterable[str], required: Sequence[str]) -> list[str]:
    """One problem for each required split that has no image, given the splits of all images."""
    present = set(splits)
    missing = [split for split in required if split not in present]
    return [f"the split {split} holds no image: is its list empty?" for split in missing]


def odd_characters(text: str) -> bool:
    """Whether a name has characters that no table and no log can show: ends of lines, and bytes that are no UTF-8."""
    return any(unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp") for character in text)


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
    if odd_characters(row.id):
        problems.append(f"{row.id!a}: the id has line ends or bytes that are no UTF-8: rename the image")
    if known and not row.mask:
        side = max(pictures.photograph_size(known.image))
        return CheckedRow(known, problems, photograph=known.digest, longer_side=side)
    image = None if known else _read(pictures.read_photograph, row.image, problems)
    size = image.shape[:2] if image is not None else None
    if known:
        size = _read(pictures.photograph_size, row.image, problems)
    mask = _read(partial(masks.read, classes=classes), row.mask, problems) if row.mask else None
    if mask is not None:
        if size is not None and size != mask.shape:
            sizes = ["{} x {}".format(*each) for each in (mask.shape, size)]
            problems.append(
                f"{row.mask}: the mask has {sizes[0]} pixels (height x width), "
                f"but its image {row.image} has {sizes[1]}, both set upright by their EXIF orientation: replace one of"
                " them"
            )
        elif problem := masks.problem(row.mask, mask, classes):
            problems.append(problem)
    values = set() if mask is None else set(np.unique(mask).tolist())
    shown = tuple(
        name for name, value in zip(classes.foreground, classes.mask_values[1:], strict=True) if value in values
    )
    if problems:
        return CheckedRow(row, problems, shown)
    labelmap = masks.labelmap_of(row.mask) if row.mask else None
    row = manifest.with_digest(row, *([labelmap] if labelmap else []))
    photograph = row.digest.partition("-")[0]
    if copies and copies.longest_px and max(size) > copies.longest_px:
        row = _copied(row, image, size, mask, copies)
    blended = mask is not None and masks.blended(mask)
    return CheckedRow(row, problems, shown, blended, photograph, max(size))


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
