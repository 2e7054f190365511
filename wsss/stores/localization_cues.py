"""Read and write cues in the format of SEC's authors: a pickle, and a list that names its images.

Kolesnikov & Lampert, ECCV 2016 (arXiv:1603.06098), localization_cues.pickle and input_list.txt. The list has a line
"name.jpg i" for each image; the pickle is a dict with two integer arrays for each i:

    "{i}_labels"    (tags,) the classes that the image shows, counted from 1
    "{i}_cues"      (3, cells) class (0 is background), row and column of each cue on a grid, 41 x 41 with SEC

Here the cues of an image are a label map on that grid, VOID where there is no cue, so a cell has at most one class. The
published file satisfies this, although its format allows more.
"""

import pickle
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Int64, UInt8

from wsss.labels import BACKGROUND, VOID
from wsss.runtime.errors import WsssError, pass_on
from wsss.runtime.files import check_regular, whole_or_absent
from wsss.stores.safe_pickle import load_pickle

KEY = re.compile(r"(0|[1-9][0-9]{0,17})_(labels|cues)")
LINE = re.compile(r"(?P<id>.+)\.\w+[ \t]+(?P<index>[0-9]{1,18})\s*")


@dataclass(frozen=True)
class Cues:
    """The tags and cues of one image."""

    tags: UInt8[np.ndarray, " tags"]
    """The classes that the image shows, without the background."""
    labels: UInt8[np.ndarray, "rows columns"]
    """The class of each cell, or VOID."""


def read_list(path: Path) -> dict[int, str]:
    """The image id (the name without its suffix) of each number in the list, in file order.

    Raises:
        WsssError: the file cannot be read, a line is not "name.jpg number", or a number or a name occurs twice.
    """
    names: dict[int, str] = {}
    seen: set[str] = set()
    for number, line in enumerate(_lines(path), start=1):
        found = LINE.fullmatch(line)
        if not found:
            raise WsssError(
                f"{path}, line {number}: {line.rstrip()!r:.80}: expected a name and a number, such as 'a.jpg 12'"
            )
        index, image_id = int(found["index"]), found["id"]
        if index in names or image_id in seen:
            repeated = f"number {index}" if index in names else f"name {image_id!r}"
            raise WsssError(
                f"{path}, line {number}: the {repeated} occurs in an earlier line: give each image one line"
            )
        names[index] = image_id
        seen.add(image_id)
    if not names:
        raise WsssError(f"{path} names no image: give the list of images that belongs to the cues")
    return names


def read(path: Path, names: dict[int, str], *, classes: int, size: tuple[int, int]) -> dict[str, Cues]:
    """The cues of all images in a pickle, by id, in the order of `names`. No code that the pickle names is run.

    Args:
        path: the pickle, decompressed, written by Python 2 or 3.
        names: the id of each number; see `read_list`.
        classes: number of classes, including the background.
        size: (rows, columns) of the grid.

    Raises:
        WsssError: the file is not such a pickle; an image is not in `names` or lacks one of its arrays; a class, row or
            column is out of range; a cell has several classes; a cue has a class that the image does not show.
    """
    content = load_pickle(path)
    if not isinstance(content, dict):
        raise WsssError(f"{path} holds a {type(content).__name__}, expected a dict of cues: is it SEC's file?")
    found = {_index(key, names, path) for key in content}
    return {
        names[index]: _cues(content, index, f"{path}: image {index} ({names[index]})", classes=classes, size=size)
        for index in names
        if index in found
    }


def write(path: Path, images: dict[str, Cues], list_path: Path) -> None:
    """Write the pickle and its list, which appear once both are complete; SEC's own code, in Python 2, can read them.

    Args:
        path: the pickle to write.
        images: the cues of each id; they are numbered from 0 in this order.
        list_path: the list to write; each id gets the suffix .jpg there.
    """
    content = {}
    for index, cues in enumerate(images.values()):
        content[f"{index}_labels"] = cues.tags.astype(np.int64)
        rows, columns = np.nonzero(cues.labels != VOID)
        content[f"{index}_cues"] = np.stack([cues.labels[rows, columns].astype(np.int64), rows, columns])
    # the module's name before numpy 2; an array of small numbers cannot contain these bytes
    pickled = pickle.dumps(content, protocol=2).replace(b"cnumpy._core.multiarray\n", b"cnumpy.core.multiarray\n")
    lines = "".join(f"{image_id}.jpg {index}\n" for index, image_id in enumerate(images))
    with whole_or_absent(list_path) as partial_list, whole_or_absent(path) as partial:
        partial_list.write_text(lines)
        partial.write_bytes(pickled)


def _lines(path: Path) -> list[str]:
    check_regular(path)
    try:
        with path.open(encoding="utf-8-sig") as file:
            return list(file)
    except FileNotFoundError as error:
        raise WsssError(f"{path} does not exist: give the list of images that belongs to the cues") from error
    except (OSError, UnicodeDecodeError) as error:
        pass_on(error)
        raise WsssError(f"{path} cannot be read ({error}): give the list of images that belongs to the cues") from error


def _index(key: object, names: dict[int, str], path: Path) -> int:
    """The image number in a key of the pickle."""
    found = KEY.fullmatch(key) if isinstance(key, str) else None
    if not found:
        raise WsssError(
            f"{path} has the key {key!r:.80}, expected keys such as '12_labels' and '12_cues': is it SEC's file?"
        )
    if int(found[1]) not in names:
        raise WsssError(f"{path} has {key!r}, but the list has no image {found[1]}: give the list that belongs to it")
    return int(found[1])


def _cues(content: dict, index: int, where: str, *, classes: int, size: tuple[int, int]) -> Cues:
    """The cues of one image; `where` names it in errors."""
    tags = _integers(content, f"{index}_labels", where, dimensions=1)
    cells = _integers(content, f"{index}_cues", where, dimensions=2)
    if len(cells) != 3:
        raise WsssError(f"{where}: its cues have {len(cells)} rows, expected 3: class, row, column")
    if ((tags <= BACKGROUND) | (tags >= classes)).any():
        raise WsssError(
            f"{where} shows the classes {_listed(tags)}, expected 1 to {classes - 1}: is it of another data set?"
        )
    outside = ((cells < 0) | (cells >= np.array([[classes], *([extent] for extent in size)]))).any(axis=0)
    if outside.any():
        label, row, column = cells[:, outside.argmax()]
        limits = f"classes below {classes} on {size[0]} x {size[1]} cells"
        raise WsssError(f"{where}: class {label} at row {row}, column {column}, expected {limits}: is the size right?")
    unknown = np.setdiff1d(cells[0], [BACKGROUND, *tags])
    if unknown.size:
        raise WsssError(
            f"{where} has cues of class {_listed(unknown)}, but shows {_listed(tags)}: correct one of the arrays"
        )
    return Cues(tags.astype(np.uint8), _label_map(cells, where, size))


def _label_map(
    cells: Int64[np.ndarray, "3 cells"], where: str, size: tuple[int, int]
) -> UInt8[np.ndarray, "rows columns"]:
    classes, rows, columns = cells
    labels = np.full(size, VOID, np.uint8)
    labels[rows, columns] = classes
    overwritten = labels[rows, columns] != classes
    if overwritten.any():
        row, column = rows[overwritten][0], columns[overwritten][0]
        conflicting = _listed(np.unique(classes[(rows == row) & (columns == column)]))
        raise WsssError(
            f"{where}: row {row}, column {column} has the classes {conflicting}: give each cell only one class"
        )
    return labels


def _integers(content: dict, key: str, where: str, *, dimensions: int) -> Int64[np.ndarray, "..."]:
    if key not in content:
        raise WsssError(f"{where}: {key!r} is missing, but its other array is there: is the file complete?")
    value = content[key]
    if not isinstance(value, np.ndarray) or value.dtype.kind not in "iu" or value.ndim != dimensions:
        found = (
            f"{value.dtype} of shape {value.shape}" if isinstance(value, np.ndarray) else f"a {type(value).__name__}"
        )
        raise WsssError(f"{where}: {key!r} is {found}, expected an integer array with {dimensions} dimensions")
    return np.array(value, np.int64)


def _listed(classes: np.ndarray) -> str:
    return " ".join(map(str, classes))
