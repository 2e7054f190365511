"""The manifest: one row an image, whatever data set it came from, and the classes beside it.

`images.csv` has the columns id, split, image, mask, tags (class names, separated by spaces), tag_source and digest;
`classes.csv` has class, name, mask_value and colour, background first. Inside wsss a class is its rank in that table.
"""

import csv
import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from wsss.errors import WsssError
from wsss.files import whole_or_absent
from wsss.labels import Classes

SPLITS = ("train", "extra", "held", "val")
"""train: images whose masks judge the cues; extra: images that train too, without masks; held: training images that no
network is trained on, for what is fitted to the networks' scores; val: images for the final scores alone."""

TRAINING_SPLITS = ("train", "extra")

JUDGING_SPLITS = ("train", "held")
"""Images beside those of val that may have masks."""

CUE_SPLITS = (*TRAINING_SPLITS, "held")
"""What has activation maps and pseudo masks."""


@dataclass(frozen=True, slots=True)
class Row:
    """One image of the manifest."""

    id: str
    split: str
    image: Path
    mask: Path | None
    tags: tuple[str, ...]
    tag_source: str
    """Where the tags were read: sources differ (VOC's annotations tag objects that no mask shows)."""
    digest: str = ""
    """Of the content of image and mask: a file that was replaced changes the manifest, and so reruns what follows."""


def write(path: Path, rows: Iterable[Row]) -> None:
    """Write images.csv, whole or not at all."""
    header = ["id", "split", "image", "mask", "tags", "tag_source", "digest"]
    lines = (
        [row.id, row.split, row.image, row.mask or "", " ".join(row.tags), row.tag_source, row.digest] for row in rows
    )
    _write_csv(path, header, lines)


def read(path: Path, *splits: str) -> list[Row]:
    """The rows of the given splits (all without any), in the order of the file."""
    rows = [
        Row(
            id=line["id"],
            split=line["split"],
            image=Path(line["image"]),
            mask=Path(line["mask"]) if line["mask"] else None,
            tags=tuple(line["tags"].split()),
            tag_source=line["tag_source"],
            digest=line.get("digest") or "",
        )
        for line in _read_csv(path)
        if not splits or line["split"] in splits
    ]
    if not rows:
        raise WsssError(f"{path} lists no image of the split {' or '.join(splits)}: is the data set's list empty?")
    return rows


def with_digest(row: Row) -> Row:
    """The row with the digest of its files."""
    content = hashlib.sha256(row.image.read_bytes())
    if row.mask:
        content.update(row.mask.read_bytes())
    return replace(row, digest=content.hexdigest()[:16])


def part(rows: list[Row], shard: str) -> list[Row]:
    """The rows of one shard, such as 2-of-3: consecutive ones, as many in each as in the others, give or take one."""
    number, of = (int(word) for word in shard.split("-of-"))
    return rows[len(rows) * (number - 1) // of : len(rows) * number // of]


def evenly(rows: list, count: int) -> list:
    """So many of the rows, evenly chosen; all where there are fewer."""
    return [rows[i * len(rows) // count] for i in range(count)] if count < len(rows) else rows


def write_classes(path: Path, classes: Classes) -> None:
    """Write classes.csv, whole or not at all."""
    lines = [
        [number, name, value, "#{:02x}{:02x}{:02x}".format(*colour)]
        for number, (name, value, colour) in enumerate(
            zip(classes.names, classes.mask_values, classes.colours, strict=True)
        )
    ]
    _write_csv(path, ["class", "name", "mask_value", "colour"], lines)


def read_classes(path: Path) -> Classes:
    """The classes of classes.csv."""
    lines = list(_read_csv(path))
    return Classes(tuple(line["name"] for line in lines), tuple(int(line["mask_value"]) for line in lines))


def _write_csv(path: Path, header: list[str], lines: Iterable[list]) -> None:
    with whole_or_absent(path) as partial, partial.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(lines)


def _read_csv(path: Path) -> Iterator[dict[str, str]]:
    """The lines one by one: held as they are, those of a large data set take more memory than its rows."""
    try:
        with path.open(newline="") as file:
            yield from csv.DictReader(file)
    except FileNotFoundError as error:
        raise WsssError(f"{path} does not exist: run the stage images first") from error
