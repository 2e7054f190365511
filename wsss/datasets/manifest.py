r"""The manifest: one row for each image, whatever the data set, and a table of the classes.

`images.csv` has the columns id, split, image, mask, tags (class names, separated by `;`, which in a name is written as
`\;`, and a backslash as two), tag_source, digest and original;
`classes.csv` has class, name, mask_value and colour, background first. Inside wsss a class is its index in that table.
Both end with a check of each line (`wsss.runtime.tables`).
"""

import csv
import hashlib
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

from wsss.labels import Classes
from wsss.runtime import tables
from wsss.runtime.errors import WsssError
from wsss.runtime.files import read_bytes

SPLITS = ("train", "extra", "crf_fit", "val", "test")
"""train: training images, whose masks, if any, serve to score the cues; extra: more training images, without masks;
crf_fit: images withheld from network training, for fitting a CRF to a network's scores; val: images for the final
scores only; test: images without tags and masks, which are segmented and no more."""

IMAGE_COLUMNS = ["id", "split", "image", "mask", "tags", "tag_source", "digest", "original"]
CLASS_COLUMNS = ["class", "name", "mask_value", "colour"]

TRAINING_SPLITS = ("train", "extra")

MASKED_SPLITS = ("train", "crf_fit")
"""Splits besides val whose images may have masks."""

CUE_SPLITS = (*TRAINING_SPLITS, "crf_fit")
"""Splits whose images get activation maps and pseudo masks."""


@dataclass(frozen=True, slots=True)
class Row:
    """One image of the manifest."""

    id: str
    split: str
    image: Path
    mask: Path | None
    tags: tuple[str, ...]
    tag_source: str
    """Where the tags were read. Sources differ: VOC's annotations tag objects that no mask shows."""
    digest: str = ""
    """Digest of the image's file and, after a dash, of its mask's: replacing one changes the manifest, so that later
    stages rerun, and stages refuse an image whose file has another digest (`pictures.photograph_of`)."""
    original: Path | None = None
    """The photograph of which `image` is a smaller copy; None where it is no copy."""


@contextmanager
def writer(path: Path) -> Iterator[Callable[[Row], None]]:
    """A function that adds a row to images.csv; the file appears once all rows are written, or not at all."""
    with tables.writer(path, IMAGE_COLUMNS) as write_line:

        def add(row: Row) -> None:
            tags = joined_names(row.tags)
            write_line(
                [row.id, row.split, row.image, row.mask or "", tags, row.tag_source, row.digest, row.original or ""]
            )

        yield add


def write(path: Path, rows: Iterable[Row]) -> None:
    """Write images.csv, whole or not at all."""
    with writer(path) as add:
        for row in rows:
            add(row)


def read(path: Path, *splits: str) -> list[Row]:
    """The rows of the given splits (of all splits if none is given), in file order."""
    with _damage_told(path):
        rows = [
            Row(
                id=line["id"],
                split=line["split"],
                image=Path(line["image"]),
                mask=Path(line["mask"]) if line["mask"] else None,
                tags=split_names(line["tags"]),
                tag_source=line["tag_source"],
                digest=line.get("digest") or "",
                original=Path(line["original"]) if line.get("original") else None,
            )
            for line in _checked(tables.read(path, IMAGE_COLUMNS))
            if not splits or line["split"] in splits
        ]
        ids = sorted(row.id for row in rows)  # a set would take a tenth of the rows' memory
        if any(one == other for one, other in pairwise(ids)):
            raise LookupError("an image stands twice")
    if not rows:
        raise WsssError(f"{path} lists no image of the split {' or '.join(splits)}: is the data set's list empty?")
    return rows


def files(rows: Iterable[Row]) -> Iterator[Path]:
    """The photographs and masks of rows, and the photographs of which they are copies: files that are the user's."""
    return (path for row in rows for path in (row.image, row.original, row.mask) if path)


def _checked(lines: Iterable[dict[str, str]]) -> Iterator[dict[str, str]]:
    """The lines of images.csv, as far as each is that of an image of a split.

    Raises:
        LookupError: one is not.
    """
    for line in lines:
        if line["split"] not in SPLITS or None in line or not line["id"]:
            raise LookupError(f"the line of {line['id']!r} is no image's")
        yield line


def joined_names(names: Iterable[str]) -> str:
    """Names of classes as one text, from which `split_names` gives them back."""
    return ";".join(name.replace("\\", "\\\\").replace(";", "\\;") for name in names)


def split_names(text: str) -> tuple[str, ...]:
    """The names in a text of `joined_names`."""
    found = re.findall(r"(?:[^;\\]|\\.)+", text)
    return tuple(sys.intern(re.sub(r"\\(.)", r"\1", name)) for name in found)


def with_digest(row: Row, *others: Path) -> Row:
    """The row with the digest of its files, and of others that say what its mask shows."""
    parts = [[row.image], [row.mask, *others] if row.mask else list(others)]
    return replace(row, digest="-".join(digest_of(*part) for part in parts if part))


def digest_of(*paths: Path) -> str:
    """Digest of the bytes of files, one after the other."""
    content = hashlib.sha256()
    for path in paths:
        content.update(read_bytes(path))
    return content.hexdigest()[:16]


def require_classes(rows: Iterable[Row], classes: Classes, path: Path) -> None:
    """Refuse a store or a network that does not know the images' classes: it is of a run with others.

    Args:
        rows: images.
        classes: those of the store or network.
        path: its file.

    Raises:
        WsssError: an image has a tag that is no class of it.
    """
    unknown = sorted({tag for row in rows for tag in row.tags} - set(classes.names))
    if unknown:
        raise WsssError(
            f"{path} has the classes {', '.join(classes.foreground)}, but images are tagged {', '.join(unknown)}: it"
            " was made with other classes; make it again, or take one that has these"
        )


def part(rows: list[Row], shard: str) -> list[Row]:
    """The rows of one shard; see `places`."""
    own = places(len(rows), shard)
    return rows[own.start : own.stop]


def places(count: int, shard: str) -> range:
    """Which of `count` rows are in one shard, such as 2-of-3: consecutive ones; shards differ by at most 1 in size."""
    match = re.fullmatch(r"([1-9]\d*)-of-([1-9]\d*)", shard)
    if not match or int(match[1]) > int(match[2]):
        raise WsssError(
            f"the shard is {shard!r}: expected its number and the number of shards, such as 1-of-1 or 2-of-3"
        )
    number, shards = int(match[1]), int(match[2])
    return range(count * (number - 1) // shards, count * number // shards)


def evenly(rows: list, count: int) -> list:
    """`count` evenly spaced rows, or all rows if there are fewer."""
    return [rows[i * len(rows) // count] for i in range(count)] if count < len(rows) else rows


def write_classes(path: Path, classes: Classes) -> None:
    """Write classes.csv, whole or not at all."""
    with tables.writer(path, CLASS_COLUMNS) as add:
        for number, (name, value, colour) in enumerate(
            zip(classes.names, classes.mask_values, classes.colours, strict=True)
        ):
            add([number, name, value, "#{:02x}{:02x}{:02x}".format(*colour)])


def read_classes(path: Path) -> Classes:
    """The classes of classes.csv."""
    with _damage_told(path):
        lines = list(tables.read(path, CLASS_COLUMNS))
        names, values = tuple(line["name"] for line in lines), tuple(int(line["mask_value"]) for line in lines)
        if None in names:
            raise LookupError("a line without a name")
    try:
        return Classes(names, values)
    except WsssError as error:
        raise WsssError(f"{path}: {error}; or remove it and rerun the stage that writes it") from error


@contextmanager
def _damage_told(path: Path) -> Iterator[None]:
    """Name the file, and how to make it again, where its lines are not those that were written."""
    try:
        yield
    except (UnicodeError, ValueError, TypeError, LookupError, csv.Error) as error:
        raise WsssError(
            f"{path} is damaged ({type(error).__name__}): remove it and rerun the stage that writes it"
        ) from error
