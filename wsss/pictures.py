"""Photographs and masks on disk."""

from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from wsss.errors import WsssError
from wsss.labels import palette

ORIENTATION = 0x0112
"""EXIF's tag."""

TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What sets a photograph upright, by the tag's value; those above 4 swap height and width."""


def read_photograph(path: Path) -> np.ndarray:
    """A photograph as uint8 RGB (height, width, 3), turned upright as its EXIF data say."""
    picture = _opened(path)
    orientation = _orientation(picture)
    if orientation in TURNS:
        picture = picture.transpose(TURNS[orientation])
    if picture.mode.startswith("I;16"):  # Pillow would cut 16 bits off at 255
        picture = Image.fromarray((np.asarray(picture) >> 8).astype(np.uint8))
    return np.array(picture.convert("RGB"))


def photograph_size(path: Path) -> tuple[int, int]:
    """(height, width) of a photograph, turned upright, without decoding it."""
    try:
        with Image.open(path) as picture:
            width, height = picture.size
            turned = _orientation(picture) > 4
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError) as error:
        raise WsssError(f"{path} cannot be read as a picture ({error})") from error
    return (width, height) if turned else (height, width)


def _orientation(picture: Image.Image) -> int:
    """EXIF's orientation; 1, upright, where there is none or it cannot be read, as viewers have it."""
    try:
        value = picture.getexif().get(ORIENTATION, 1)
    except Exception:  # Pillow raises many kinds for damaged EXIF data
        return 1
    return value if value in TURNS else 1


def read_mask(path: Path) -> np.ndarray:
    """A mask's values as uint8 (height, width): palette indices or grey levels, as VOC's masks have them."""
    picture = _opened(path)
    if picture.mode not in ("P", "L"):
        raise WsssError(f"{path} is a picture of mode {picture.mode}: a mask has one channel of class values (P or L)")
    return np.array(picture)


def stretched(labels: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """A label map of a warped image at the size (height, width) that the image had."""
    return np.array(Image.fromarray(labels).resize(size[::-1], Image.Resampling.NEAREST))


def write_mask(path: Path, mask: np.ndarray) -> None:
    """Write a uint8 mask as a PNG with VOC's palette, so that it does not look black."""
    picture = Image.fromarray(mask)
    picture.putpalette(palette())
    picture.save(path)


def _opened(path: Path) -> Image.Image:
    try:
        with Image.open(path) as picture:
            picture.load()  # decode now: a truncated file fails here
    except FileNotFoundError as error:
        raise WsssError(f"{path} does not exist") from error
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise WsssError(
            f"{path} cannot be read as a picture ({error}): replace it or take it out of the list"
        ) from error
    return picture
