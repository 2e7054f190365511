"""True masks on disk: the class values that a picture shows, however it stores them, or a refusal that says why not.

Of a palette picture the indices are the values, unless its palette holds the colours (or the grey levels) of classes
under other indices, as programs write it that renumber colours: then those count. A picture in RGB is read by its
colours as well, and one with equal channels by its grey levels. The colours of the classes are those of VOC's palette,
or, where the file labelmap.txt of a CVAT export lies in the masks' folder or above it, those that it lists.
"""

import re
from functools import cache
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from wsss.datasets import pictures
from wsss.labels import BACKGROUND, VOID, Classes, colour
from wsss.runtime.errors import WsssError
from wsss.runtime.files import read_text

SUFFIXES = (".png", ".tif", ".tiff", ".bmp", ".gif", ".jpg", ".jpeg", ".webp")
"""Of files that may be masks, in lower or upper case; of lossy ones too, so that they are refused and not missed."""

LOSSLESS = ("PNG", "TIFF", "BMP", "GIF")
"""Formats, by Pillow's names, that keep the values which were saved."""

LOSSLESS_TIFF = ("raw", "packbits", "tiff_lzw", "tiff_deflate", "tiff_adobe_deflate")

FEW = 8
"""Unknown values that are named one by one; more of them are a sign of interpolation."""

BLENDED = 2
"""Values that interpolation of one edge makes at least: 4 and 11 of 0 and 15, in a mask enlarged to twice its size."""

Colours = dict[tuple[int, int, int], int]
"""The mask value of each colour, RGB."""

VOC_COLOURS: Colours = {colour(value): value for value in range(VOID + 1)}


def find(folder: Path, image_id: str) -> Path:
    """The mask of an image in a folder; where there is none, the name that was expected, ID.png."""
    names = (f"{image_id}{suffix}" for lower in SUFFIXES for suffix in (lower, lower.upper()))
    return next((path for name in names if (path := folder / name).exists()), folder / f"{image_id}.png")


def read(path: Path, classes: Classes) -> UInt8[np.ndarray, "height width"]:
    """The values of a mask: those of classes, VOID, and others that are no class's (see `problem`).

    Args:
        path: PNG, TIFF, BMP or GIF: palette, grey of 1 to 16 bits, or RGB in the classes' colours; set upright by its
            EXIF orientation, as photographs are.
        classes: decide where a picture can be read in two ways.

    Raises:
        WsssError: the file cannot be read, is lossy, or shows colours that are no class's.
    """
    picture = pictures.opened(path)
    mode, bits = picture.mode, _bits(picture)
    _refuse_lossy(path, picture, bits)
    picture = pictures.upright(picture)
    labelmap = labelmap_of(path)
    if labelmap and mode in ("P", "RGB", "RGBA"):
        return _of_colours(path, picture, _of_labelmap(labelmap, classes), f"the colours of {labelmap}")
    if mode == "P":
        return _of_palette(picture, classes)
    if mode in ("1", "L", "LA"):
        return _grey(picture, bits)
    if mode.startswith("I"):
        return _of_16_bits(path, picture)
    if mode in ("RGB", "RGBA"):
        grey = np.asarray(picture)[..., :3]
        if (grey == grey[..., :1]).all() and _known(np.unique(grey[..., 0]).tolist(), classes):
            return grey[..., 0].copy()
        return _of_colours(path, picture, VOC_COLOURS, "the colours of VOC's palette (see classes.csv)")
    raise WsssError(f"{path} is a picture of mode {mode}: save masks as PNG with a palette, grey levels or RGB colours")


def problem(path: Path, mask: UInt8[np.ndarray, "height width"], classes: Classes) -> str | None:
    """The problem with the values of a mask, if any: some are neither a class nor void."""
    counts = np.bincount(mask.ravel(), minlength=VOID + 1)
    unknown = [value for value in np.flatnonzero(counts).tolist() if value not in {*classes.mask_values, VOID}]
    if len(unknown) > FEW:
        return (
            f"{path}: {len(unknown)} mask values belong to no class, such as {unknown[0]} and {unknown[-1]}: was the"
            " mask resized with interpolation? Resize masks by nearest neighbour"
        )
    if unknown:
        return f"{path}: unknown class, mask value {', '.join(map(str, unknown))}: add it to classes or use {VOID}"
    return None


def blended(mask: UInt8[np.ndarray, "height width"]) -> bool:
    """Whether several values lie between a lower and a higher neighbour at nine in ten of their pixels.

    So it is where the edge between two classes was interpolated, and numbers in between became classes. Small objects
    on such an edge may look alike, so that only many such masks are a sign of it. Void counts as no neighbour: in VOC's
    masks it outlines every object.
    """
    values = np.unique(mask[mask != VOID])
    if len(values) < BLENDED + 2:  # the lowest and the highest lie between none
        return False
    lowest = _extreme(np.minimum, mask, VOID)
    highest = _extreme(np.maximum, np.where(mask == VOID, BACKGROUND, mask), BACKGROUND)
    pixels = np.bincount(mask.ravel(), minlength=VOID + 1)
    at_edges = np.bincount(mask[(lowest < mask) & (mask < highest)], minlength=VOID + 1)
    return int((at_edges[values] > 0.9 * pixels[values]).sum()) >= BLENDED


def _extreme(of: np.ufunc, mask: np.ndarray, outside: int) -> np.ndarray:
    """The lowest or highest value (np.minimum, np.maximum) among each pixel and its eight neighbours."""
    padded = np.pad(mask, 1, constant_values=outside)
    rows = of(of(padded[:-2], padded[1:-1]), padded[2:])
    return of(of(rows[:, :-2], rows[:, 1:-1]), rows[:, 2:])


def _refuse_lossy(path: Path, picture: Image.Image, bits: int) -> None:
    """Refuse what was compressed with a loss, and what Pillow reads with one."""
    compression = picture.info.get("compression", "raw") if picture.format == "TIFF" else "raw"
    if picture.format not in LOSSLESS or compression not in LOSSLESS_TIFF:
        name = f"{picture.format} picture" if compression == "raw" else f"TIFF picture compressed by {compression}"
        raise WsssError(f"{path} is a {name}, which may not keep the values that were saved: save masks as PNG")
    if picture.mode in ("LA", "RGB", "RGBA") and bits == 16:
        raise WsssError(f"{path} has 16 bits in each channel, of which 8 would be lost: save masks with 8 bits")


def _bits(picture: Image.Image) -> int:
    """Bits of a sample as it is stored; Pillow stretches those of fewer than 8 bits to 255."""
    return picture.info.get("stored_bits", 8)


def _known(values: list[int], classes: Classes) -> bool:
    return set(values) <= {*classes.mask_values, VOID}


def _of_palette(picture: Image.Image, classes: Classes) -> np.ndarray:
    indices = np.asarray(picture)
    used = np.flatnonzero(np.bincount(indices.ravel(), minlength=256))
    entries = np.array(picture.getpalette("RGB"), np.uint8).reshape(-1, 3)
    if used.max(initial=0) >= len(entries):
        return indices
    values = _of_entries([tuple(entry) for entry in entries[used].tolist()], classes)
    if values is None:
        return indices
    table = np.zeros(256, np.uint8)
    table[used] = values
    return table[indices]


def _of_entries(entries: list[tuple[int, ...]], classes: Classes) -> list[int] | None:
    """The values that entries of a palette stand for by their colours or grey levels; None if by their indices."""
    colours = [VOC_COLOURS.get(entry, -1) for entry in entries]
    if _known(colours, classes):
        return colours
    levels = [entry[0] if len(set(entry)) == 1 else -1 for entry in entries]
    # black and white alone are no levels: white shows the first class as often as void
    return levels if _known(levels, classes) and set(levels) - {BACKGROUND, VOID} else None


def _grey(picture: Image.Image, bits: int) -> np.ndarray:
    """Grey levels as they are stored."""
    if picture.mode == "1":
        return np.asarray(picture).astype(np.uint8)
    levels = np.array(picture.getchannel("L") if picture.mode == "LA" else picture)
    return levels // (255 // (2**bits - 1)) if bits < 8 else levels


def _of_16_bits(path: Path, picture: Image.Image) -> np.ndarray:
    values = np.asarray(picture)
    if values.min() < 0 or values.max() > VOID:
        raise WsssError(
            f"{path} has 16-bit values up to {values.max()}: the values of classes are 0 to 254, and {VOID} is void:"
            " save those"
        )
    return values.astype(np.uint8)


def _of_colours(path: Path, picture: Image.Image, table: Colours, expected: str) -> np.ndarray:
    """The values of a picture's colours; `expected` says in the error which colours those of `table` are."""
    rgb = np.asarray(picture.convert("RGB"))
    packed = rgb.astype(np.uint32) @ np.array([1 << 16, 1 << 8, 1], np.uint32)
    colours, where = np.unique(packed, return_inverse=True)
    values = [table.get((int(c) >> 16, int(c) >> 8 & 255, int(c) & 255), -1) for c in colours]
    unknown = [f"#{int(c):06x}" for c, value in zip(colours, values, strict=True) if value < 0]
    if unknown:
        many = "; was the mask resized with interpolation?" if len(unknown) > FEW else ""
        raise WsssError(
            f"{path}: {len(unknown)} of its {len(colours)} colours are those of no class, such as {unknown[0]}{many}:"
            f" draw classes in {expected}, or save their values as grey levels"
        )
    return np.array(values, np.uint8)[where].reshape(rgb.shape[:2])


def labelmap_of(path: Path) -> Path | None:
    """The labelmap.txt of a CVAT export, in the folder of a mask or up to two above it; None where there is none."""
    return next((file for folder in path.parents[:3] if (file := folder / "labelmap.txt").is_file()), None)


@cache
def _of_labelmap(path: Path, classes: Classes) -> Colours:
    """The value of each colour in a labelmap.txt, whose lines are `name:red,green,blue:parts:actions`."""
    values = {"void": VOID, "ignore": VOID} | dict(zip(classes.names, classes.mask_values, strict=True))
    found = {colour(VOID): VOID}
    try:
        lines = read_text(path, encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise WsssError(f"{path} is not UTF-8 text ({error}): convert it to UTF-8") from error
    for line in filter(None, map(str.strip, lines)):
        match = re.match(r"([^#].*?):(\d+),(\d+),(\d+)(:|$)", line)
        if match and match[1] in values:
            found[int(match[2]), int(match[3]), int(match[4])] = values[match[1]]
    return found
