"""True masks on disk: the class values that a picture shows, however it stores them, or a refusal that says why not.

Of a palette picture the indices are the values, unless the palette has the colours of VOC under other indices, as tools
write it that renumber colours: then the colours count. A picture in RGB is read by these colours as well, and one with
equal channels by its grey levels.
"""

from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from wsss.datasets import pictures
from wsss.labels import VOID, Classes, colour
from wsss.runtime.errors import WsssError

LOSSY = ("JPEG", "MPO", "JPEG2000", "WEBP")
"""Formats that change pixels, so that a mask in them is no longer what was saved."""

FEW = 8
"""Unknown values that are named one by one; more of them are a sign of interpolation."""

VALUE_OF = {colour(value): value for value in range(VOID + 1)}
"""The value of each colour of VOC's palette."""


def read(path: Path, classes: Classes) -> UInt8[np.ndarray, "height width"]:
    """The values of a mask: those of classes, VOID, and others that are no class's (see `unknown_values`).

    Args:
        path: PNG or another lossless picture: palette, grey of 1 to 16 bits, or RGB in the classes' colours.
        classes: decide where a picture can be read in two ways.

    Raises:
        WsssError: the file cannot be read, is lossy, or shows colours that are no class's.
    """
    picture = pictures.opened(path)
    if picture.format in LOSSY:
        raise WsssError(f"{path} is a {picture.format} picture, whose compression changes values: save masks as PNG")
    mode = picture.mode
    if mode == "P":
        return _of_palette(picture, classes)
    if mode in ("1", "L", "LA"):
        return _grey(picture)
    if mode.startswith("I"):
        return _of_16_bits(path, picture)
    if mode in ("RGB", "RGBA"):
        return _of_colours(path, np.asarray(picture)[..., :3], classes)
    raise WsssError(f"{path} is a picture of mode {mode}: save masks as PNG with a palette, grey levels or RGB colours")


def unknown_values(path: Path, mask: UInt8[np.ndarray, "height width"], classes: Classes) -> str | None:
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


def _known(values: np.ndarray, classes: Classes) -> bool:
    return set(values.tolist()) <= {*classes.mask_values, VOID}


def _of_palette(picture: Image.Image, classes: Classes) -> np.ndarray:
    indices = np.asarray(picture)
    used = np.flatnonzero(np.bincount(indices.ravel(), minlength=256))
    entries = np.array(picture.getpalette("RGB"), np.uint8).reshape(-1, 3)
    if used.max(initial=0) >= len(entries):
        return indices
    values = [VALUE_OF.get(tuple(entries[index].tolist())) for index in used]
    if None in values or not _known(np.array(values), classes):
        return indices
    table = np.zeros(256, np.uint8)
    table[used] = values
    return table[indices]


def _grey(picture: Image.Image) -> np.ndarray:
    """Grey levels as they are stored: Pillow stretches those of 1, 2 and 4 bits to 255."""
    if picture.mode == "1":
        return np.asarray(picture).astype(np.uint8)
    levels = np.array(picture.getchannel("L") if picture.mode == "LA" else picture)
    bits = picture.info.get("stored_bits", 8)
    return levels // (255 // (2**bits - 1))


def _of_16_bits(path: Path, picture: Image.Image) -> np.ndarray:
    values = np.asarray(picture)
    if values.min() < 0 or values.max() > VOID:
        raise WsssError(
            f"{path} has 16-bit values up to {values.max()}: the values of classes are 0 to 254, and {VOID} is void"
        )
    return values.astype(np.uint8)


def _of_colours(path: Path, rgb: np.ndarray, classes: Classes) -> np.ndarray:
    if (rgb == rgb[..., :1]).all() and _known(np.unique(rgb[..., 0]), classes):
        return rgb[..., 0].copy()
    packed = rgb.astype(np.uint32) @ np.array([1 << 16, 1 << 8, 1], np.uint32)
    colours, where = np.unique(packed, return_inverse=True)
    values = [VALUE_OF.get((int(c) >> 16, int(c) >> 8 & 255, int(c) & 255), -1) for c in colours]
    unknown = [f"#{int(c):06x}" for c, value in zip(colours, values, strict=True) if value < 0]
    if unknown:
        many = "; was the mask resized with interpolation?" if len(unknown) > FEW else ""
        raise WsssError(
            f"{path}: {len(unknown)} of its {len(colours)} colours are those of no class, such as {unknown[0]}{many}:"
            " draw classes in the colours of VOC's palette (see classes.csv), or save their values as grey levels"
        )
    return np.array(values, np.uint8)[where].reshape(rgb.shape[:2])
