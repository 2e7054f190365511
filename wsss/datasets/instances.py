"""COCO's format of annotations, instances_NAME.json: which objects an image shows, and their outlines as a mask."""

import json
import math
import warnings
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple, TypeVar

import numpy as np
from jaxtyping import Bool, UInt8

from wsss.labels import BACKGROUND, VOID
from wsss.runtime.errors import WsssError
from wsss.runtime.files import read_bytes

Entry = TypeVar("Entry")

LEAST_NUMBERS = 6
"""Of a polygon: with fewer it has no area, and pycocotools would take four for a box."""

MOST_PX = 65_500
"""Of a side of an image, and of a coordinate: JPEG files have no larger ones."""

MOST_PIXELS = 178_956_970
"""Of an image: Pillow opens no larger photograph."""

LONGEST_PX = 1_000_000
"""Of the border of a polygon: pycocotools takes some hundred bytes for each pixel of it, however many those are."""


class Object(NamedTuple):
    """One annotation of an image."""

    category: str
    outline: object
    """Polygons as arrays, or a run-length code; None or empty where there is a box alone."""
    box: object
    """Left, top, width and height, px; None or empty where there is none."""
    crowd: bool
    """Whether the outline is one around several objects."""


class Image(NamedTuple):
    """What is annotated in one photograph."""

    file_name: str
    size: tuple[int, int]
    """(height, width), px"""
    objects: list[Object]


class Instances(NamedTuple):
    """The content of a file."""

    categories: dict[int, str]
    """Names by number; the numbers may have gaps."""
    images: list[Image]


def read(path: Path) -> Instances:
    """The images of a file, each with its objects.

    Raises:
        WsssError: the file is missing, is no JSON, or is not in COCO's format.
    """
    try:
        content = json.loads(read_bytes(path), object_hook=_compact)
        categories = _by_id(content["categories"], lambda entry: _text(entry["name"]))
        if texts := [number for number in categories if isinstance(number, str)]:
            raise ValueError(f"the number of a category is {texts[0]!r:.80}")
        images = _by_id(content["images"], _image)
        for entry in content["annotations"]:
            category, crowd = categories[_id(entry["category_id"])], entry.get("iscrowd") or 0
            if crowd not in (0, 1):
                raise ValueError(f"iscrowd is {crowd!r:.80}, neither 0 nor 1")
            found = Object(category, entry.get("segmentation"), entry.get("bbox"), bool(crowd))
            images[_id(entry["image_id"])].objects.append(found)
    except FileNotFoundError as error:
        raise WsssError(
            f"{path} does not exist: unpack COCO's annotations there, or correct the list's name"
        ) from error
    except (json.JSONDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise WsssError(f"{path} is no JSON ({error}): download it again") from error
    except KeyError as error:
        raise WsssError(
            f"{path} is not in COCO's format of instances: {error} is missing in it; download it again"
        ) from error
    except (TypeError, ValueError, AttributeError) as error:
        raise WsssError(f"{path} is not in COCO's format of instances ({error}): correct it") from error
    return Instances(categories, list(images.values()))


def _by_id(entries: Any, read: Callable[[Any], Entry]) -> dict[int | str, Entry]:
    """What is read of each entry, by its id."""
    found: dict[int | str, Entry] = {}
    for entry in entries:
        number = _id(entry["id"])
        if number in found:
            raise ValueError(f"the id {number} stands for two entries")
        found[number] = read(entry)
    return found


def _id(value: object) -> int | str:
    """The id of an image or a category: a number, which some programs write as a fraction, or a text."""
    whole = isinstance(value, float) and value.is_integer()
    if not whole and type(value) not in (int, str):
        raise TypeError(f"the id {value!r:.80} is no whole number")
    return int(value) if whole else value


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r:.80} is no name")
    return value


def _image(entry: Any) -> Image:
    return Image(_below(entry["file_name"]), _size(entry["height"], entry["width"]), [])


def _below(value: object) -> str:
    """The name of a photograph, which lies in the folder of the photographs or below it, as its mask does elsewhere."""
    path = PurePosixPath(_text(value))
    if path.is_absolute() or ".." in path.parts or not path.name:
        raise ValueError(f"{value!r:.80} is no name of a file in the folder of the photographs")
    return value


def _size(height: object, width: object) -> tuple[int, int]:
    """(height, width) of an image."""
    sides = (height, width)
    if not all(type(side) is int and 0 < side <= MOST_PX for side in sides) or height * width > MOST_PIXELS:
        raise ValueError(f"{height!r:.40} x {width!r:.40} px are no height and width of an image")
    return sides


def _compact(entry: dict) -> dict:
    """An entry of a file with polygons as arrays: as lists of numbers, those of COCO's train2014 take 2 GB."""
    if isinstance(outline := entry.get("segmentation"), list):
        entry["segmentation"] = [np.array(polygon, float) for polygon in outline]
    return entry


def require_pycocotools() -> None:
    """Refuse to draw masks where the package that reads outlines is missing."""
    if find_spec("pycocotools") is None:
        raise WsssError("masks of COCO's outlines need pycocotools: pip install 'wsss[coco]'")


def drawn(image: Image, values: dict[str, int]) -> UInt8[np.ndarray, "height width"]:
    """The mask of an image, on which smaller objects lie on top of larger ones.

    Args:
        image: the image.
        values: mask value of each category; an object of another is void.
    """
    mask = np.full(image.size, BACKGROUND, np.uint8)
    layers = []
    for found in image.objects:
        region = _region(found, image.size)
        # ASSUME: what is outlined roughly is void, for its outline holds background and other classes as well
        value = VOID if found.crowd or not found.outline else values.get(found.category, VOID)
        layers.append((value != VOID, -int(region.sum()), value, region))
    for _, _, value, region in sorted(layers, key=lambda layer: layer[:2]):
        mask[region] = value
    return mask


def _region(found: Object, size: tuple[int, int]) -> Bool[np.ndarray, "height width"]:
    """The pixels of an object: those within its outline, or within its box where it has none.

    Raises:
        WsssError: the outline or the box cannot be read.
    """
    outline = found.outline
    try:
        if isinstance(outline, list):
            outline = _polygons(outline)
        if not outline:
            return _within(found.box, size)
        return _within_polygons(outline, size) if isinstance(outline, list) else _decoded(outline, size)
    except Exception as error:  # pycocotools raises many kinds for outlines that it cannot read
        what = "outline" if outline else "box"
        raise WsssError(f"the {what} of {found.category} cannot be read ({error})") from error


def _polygons(outline: list[np.ndarray]) -> list[np.ndarray]:
    """The polygons that have an area.

    Raises:
        ValueError: one is no list of x and y, or so long that pycocotools would take all memory, or end the process.
    """
    for polygon in outline:
        if polygon.ndim != 1 or len(polygon) % 2:
            raise ValueError("a polygon is no list of x and y by turns")
        corners = polygon.reshape(-1, 2)
        border = np.abs(corners - np.roll(corners, 1, axis=0)).max(axis=1, initial=0).sum()
        if not (np.abs(polygon) <= MOST_PX).all() or border > LONGEST_PX:
            raise ValueError(f"a polygon goes beyond {MOST_PX} px, or is longer than {LONGEST_PX} px")
    return [polygon for polygon in outline if len(polygon) >= LEAST_NUMBERS]


def _within_polygons(outline: list[np.ndarray], size: tuple[int, int]) -> np.ndarray:
    from pycocotools import mask as codes

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # pycocotools 2.0 with numpy 2
        return codes.decode(codes.merge(codes.frPyObjects(outline, *size))).astype(bool)


def _decoded(code: Any, size: tuple[int, int]) -> np.ndarray:
    """The pixels of a run-length code: how many are outside and inside by turns, column by column.

    pycocotools would take another size, and leave what a code lacks as the memory has it.
    """
    counts = code["counts"]
    lengths = _lengths(counts) if isinstance(counts, str) else counts
    if list(code["size"]) != list(size) or not all(type(length) is int and length >= 0 for length in lengths):
        raise ValueError(f"a code of {code['size']} px, but the image has {list(size)}, or one that holds no lengths")
    if sum(lengths) != size[0] * size[1]:
        raise ValueError(f"a code of {sum(lengths)} pixels for an image of {size[0] * size[1]}")
    return np.repeat(np.arange(len(lengths)) % 2 == 1, lengths).reshape(size[::-1]).T


def _lengths(text: str) -> list[int]:
    """The lengths in a code that was compressed: of each the difference from the last but one, five bits a letter."""
    found: list[int] = []
    value = place = 0
    for letter in map(ord, text):
        bits = letter - ord("0")
        if not 0 <= bits < 1 << 6 or place > 30:  # no image has a length of more
            raise ValueError("a code with letters that no code has")
        value |= (bits & 0x1F) << place
        place += 5
        if bits & 0x20:  # another letter follows
            continue
        if bits & 0x10:
            value -= 1 << place
        found.append(value + (found[-2] if len(found) > 2 else 0))
        value = place = 0
    return found


def _within(box: object, size: tuple[int, int]) -> np.ndarray:
    region = np.zeros(size, bool)
    if box:
        sides = np.array(box, float)
        if sides.shape != (4,) or not np.isfinite(sides).all():
            raise ValueError(f"the box {box!r:.80} is not of left, top, width and height")
        left, top, *beyond = (sides + [0, 0, *sides[:2]]).clip(min=0).tolist()
        region[int(top) : math.ceil(beyond[1]), int(left) : math.ceil(beyond[0])] = True
    return region
