"""COCO's format of annotations, instances_NAME.json: which objects an image shows, and their outlines as a mask."""

import json
import warnings
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, UInt8

from wsss.labels import BACKGROUND, VOID
from wsss.runtime.errors import WsssError
from wsss.runtime.files import read_bytes

LEAST_NUMBERS = 6
"""Of a polygon: with fewer it has no area, and pycocotools would take four for a box."""


MOST_PX = 65_500
"""Of a side of an image: JPEG files have no larger ones."""


class Object(NamedTuple):
    """One annotation of an image."""

    category: str
    outline: list[np.ndarray] | dict | None
    """Polygons, or a run-length code; None or empty where there is a box alone."""
    box: tuple[float, ...]
    """Left, top, width and height, px; empty where there is none."""
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
        categories = {entry["id"]: _text(entry["name"]) for entry in content["categories"]}
        images = {
            entry["id"]: Image(_text(entry["file_name"]), (_px(entry["height"]), _px(entry["width"])), [])
            for entry in content["images"]
        }
        for entry in content["annotations"]:
            crowd = bool(entry.get("iscrowd", 0))
            outline, box = entry.get("segmentation"), tuple(entry.get("bbox", ()))
            images[entry["image_id"]].objects.append(Object(categories[entry["category_id"]], outline, box, crowd))
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
    except (TypeError, ValueError) as error:
        raise WsssError(f"{path} is not in COCO's format of instances ({error}): correct it") from error
    return Instances(categories, list(images.values()))


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r:.80} is no name")
    return value


def _px(value: object) -> int:
    """A side of an image."""
    if not isinstance(value, int) or not 0 < value <= MOST_PX:
        raise ValueError(f"{value!r:.80} px is no side of an image")
    return value


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
    if isinstance(outline, list):
        outline = [polygon for polygon in outline if len(polygon) >= LEAST_NUMBERS]
    try:
        if not outline:
            return _within(found.box, size)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # pycocotools 2.0 with numpy 2
            return _decoded(outline, size)
    except Exception as error:  # pycocotools raises many kinds for outlines that it cannot read
        what = "outline" if outline else "box"
        raise WsssError(f"the {what} of {found.category} cannot be read ({error})") from error


def _decoded(outline: list[np.ndarray] | dict, size: tuple[int, int]) -> np.ndarray:
    from pycocotools import mask as codes

    if isinstance(outline, list):
        code = codes.merge(codes.frPyObjects(outline, *size))
    else:
        code = codes.frPyObjects(outline, *size) if isinstance(outline["counts"], list) else outline
    return codes.decode(code).astype(bool).reshape(size)


def _within(box: tuple[float, ...], size: tuple[int, int]) -> np.ndarray:
    region = np.zeros(size, bool)
    if len(box) == 4:
        left, top, width, height = box
        region[int(max(top, 0)) : int(np.ceil(top + height)), int(max(left, 0)) : int(np.ceil(left + width))] = True
    return region
