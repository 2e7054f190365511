"""Photographs and masks on disk."""

import io
from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import UInt8
from PIL import Image, UnidentifiedImageError

from wsss.datasets import manifest
from wsss.datasets.manifest import Row
from wsss.labels import BACKGROUND, Classes, palette
from wsss.runtime.errors import WsssError, pass_on
from wsss.runtime.files import check_regular, whole_or_absent

ORIENTATION = 0x0112
"""Tag of the orientation in EXIF data."""

TIFF_SIZE = 256, 257
"""Tags of the width and height of a TIFF picture as it is stored."""

TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""The operation that sets a photograph upright, by the tag's value; values above 4 swap height and width."""


FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF", "PPM", "JPEG2000")
"""What is read, by Pillow's names; of an animation, the first picture."""


DAMAGE = (UnidentifiedImageError, OSError, SyntaxError, ValueError, Image.DecompressionBombError, MemoryError)
"""What Pillow raises for files that it cannot read; a forged size takes more memory than there is."""

BITS, PHOTOMETRIC, PLANES = 258, 262, 284
"""Tags of a TIFF picture: bits of a sample, whether 0 is white (0), and whether colours lie in planes (2)."""

LEAST_BRIGHT = 4096
"""Of 65535: pictures of 16 bits that are darker everywhere, such as those of 12-bit cameras, would be black in 8."""


INSTEAD = "remove it from the list, or put a picture there"
"""What to do about a photograph that is no file."""


def formats() -> tuple[str, ...]:
    """FORMATS, and HEIF where the package pillow-heif is installed (`pip install 'wsss[heic]'`)."""
    if find_spec("pillow_heif") is None:
        return FORMATS
    import pillow_heif

    pillow_heif.register_heif_opener()
    return (*FORMATS, "HEIF")


def read_photograph(path: Path) -> np.ndarray:
    """A photograph as uint8 RGB (height, width, 3), set upright by its EXIF orientation."""
    picture = opened(path)
    if picture.mode == "F" or (picture.mode == "I" and picture.format == "TIFF"):
        raise WsssError(
            f"{path} holds floating-point or 32-bit values, whose range is unknown: save it with 8 or 16 bits"
        )
    picture = upright(picture)
    deep = picture.info["stored_bits"] == 16
    if picture.mode.startswith("I"):  # Pillow would clip 16-bit values at 255
        values = np.asarray(picture).clip(0, 65535)
        picture = Image.fromarray((values >> 8).astype(np.uint8))
    pixels = np.array(picture.convert("RGB"))
    if deep and pixels.any() and pixels.max() < LEAST_BRIGHT >> 8:
        raise WsssError(
            f"{path} has 16 bits a sample, of which the highest four are empty (12-bit cameras write such files), and"
            " would be all but black: stretch its values, or save it with 8 bits"
        )
    return pixels


def upright(picture: Image.Image) -> Image.Image:
    """A picture turned or mirrored as its EXIF orientation says."""
    orientation = _orientation(picture)
    return picture.transpose(TURNS[orientation]) if orientation in TURNS else picture


def photograph_of(row: Row) -> np.ndarray:
    """The photograph of a row of the manifest; see `read_photograph`.

    Raises:
        WsssError: its file is not the one that the manifest was written from.
    """
    # of a smaller copy the digest is that of the original
    known = row.digest.partition("-")[0] if row.image.is_file() and not row.original else ""
    if known and manifest.digest_of(row.image) != known:
        raise WsssError(
            f"{row.image} has changed since the list of images was written: rerun the stages images and"
            " training_images (snakemake --forcerun images training_images), and what depends on it is made again"
        )
    return read_photograph(row.image)


def photograph_size(path: Path) -> tuple[int, int]:
    """(height, width) of a photograph, set upright, without decoding it."""
    try:
        check_regular(path, remedy=INSTEAD)
        with Image.open(path, formats=formats()) as picture:
            # of a TIFF picture some versions of Pillow give the size set upright
            width, height = map(picture.tag_v2.get, TIFF_SIZE) if picture.format == "TIFF" else picture.size
            turned = _orientation(picture) > 4
    except DAMAGE as error:
        pass_on(error)
        raise _unreadable(path, error) from error
    return (width, height) if turned else (height, width)


def longest_px(rows: Iterable[Row]) -> int:
    """The longer side to which large photographs were reduced; 0 where all are used as they are."""
    copy = next((row.image for row in rows if row.original), None)
    return max(photograph_size(copy)) if copy else 0


def _orientation(picture: Image.Image) -> int:
    """The EXIF orientation; 1 (upright) if it is missing or unreadable, as image viewers do."""
    try:
        value = picture.getexif().get(ORIENTATION, 1)
    except Exception:  # damaged EXIF data make Pillow raise many kinds of exceptions
        return 1
    return value if value in TURNS else 1


def warped(photograph: UInt8[np.ndarray, "_ _ 3"], side: int) -> UInt8[np.ndarray, "{side} {side} 3"]:
    """A photograph resized to a square, whatever its shape (bilinear); SEC trains and tests on these."""
    return np.array(Image.fromarray(photograph).resize((side, side), Image.Resampling.BILINEAR))


def as_given(photograph: UInt8[np.ndarray, "height width 3"], warped_px: int) -> UInt8[np.ndarray, "_ _ 3"]:
    """A photograph as a network gets it: warped to a square of so many pixels a side, or as it is where that is 0."""
    return warped(photograph, warped_px) if warped_px else photograph


def stretched(labels: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """A label map of a warped image, resized to the image's original size (height, width)."""
    return np.array(Image.fromarray(labels).resize(size[::-1], Image.Resampling.NEAREST))


def enlarged(labels: UInt8[np.ndarray, "rows columns"], size: tuple[int, int], *, stride: int) -> np.ndarray:
    """A label map on a grid, repeated to the pixels of an image of `size` (height, width)."""
    return labels.repeat(stride, 0).repeat(stride, 1)[: size[0], : size[1]]


def resized(photograph: UInt8[np.ndarray, "_ _ 3"], size: tuple[int, int]) -> UInt8[np.ndarray, "height width 3"]:
    """A photograph at another size (height, width)."""
    return np.array(Image.fromarray(photograph).resize(size[::-1], Image.Resampling.LANCZOS))


def overlaid(
    photograph: UInt8[np.ndarray, "height width 3"], labels: UInt8[np.ndarray, "height width"], classes: Classes
) -> UInt8[np.ndarray, "height width 3"]:
    """A photograph with its classes in colour, half transparent; the background and void stay as they are."""
    colours = np.zeros((256, 3), np.uint8)
    colours[: len(classes.names)] = classes.colours
    shown = (labels != BACKGROUND) & (labels < len(classes.names))
    return np.where(shown[..., None], photograph // 2 + colours[labels] // 2, photograph)


def write_photograph(
    path: Path, photograph: UInt8[np.ndarray, "height width 3"], *, subsampling: Literal["4:4:4", "4:2:0"] = "4:4:4"
) -> None:
    """Write a photograph as a JPEG of high quality, whole or not at all."""
    content = io.BytesIO()  # into a file Pillow would pass over that only a part was written, such as to a full disk
    Image.fromarray(photograph).save(content, format="JPEG", quality=95, subsampling=subsampling)
    with whole_or_absent(path) as partial:
        partial.write_bytes(content.getbuffer())


def write_mask(path: Path, mask: np.ndarray) -> None:
    """Write a uint8 mask as a PNG with VOC's palette, whole or not at all: viewers show its classes in colour."""
    picture = Image.fromarray(mask)
    picture.putpalette(palette())
    with whole_or_absent(path) as partial:
        picture.save(partial, format="PNG")


def opened(path: Path) -> Image.Image:
    """A picture, decoded. Of a PNG and of TIFF `info` says how many bits a sample has (stored_bits).

    Only formats of FORMATS are tried, whatever the suffix: others, such as EPS, would start other programs.

    Raises:
        WsssError: the file is missing, is no picture, or is damaged.
    """
    try:
        check_regular(path, remedy=INSTEAD)
        # by its name Pillow would map it into memory: grey TIFF pictures that lie on their side come out garbled then,
        # and who cuts the file short meanwhile ends the process
        with path.open("rb") as file, Image.open(file, formats=formats()) as picture:
            stored_bits = _stored_bits(path, picture)
            picture.load()  # decode now: a truncated file fails here
            picture.info["stored_bits"] = stored_bits
            picture.info.pop("transparency", None)  # of a palette, which Pillow would warn of as it is left out
    except FileNotFoundError as error:
        raise WsssError(f"{path} does not exist: put it there, or remove it from the list") from error
    except DAMAGE as error:
        pass_on(error)
        raise _unreadable(path, error) from error
    return picture


def _unreadable(path: Path, error: BaseException) -> WsssError:
    """What to say of a file that Pillow cannot read, without the names of its objects."""
    why = str(error) or "not enough memory"
    if isinstance(error, UnidentifiedImageError):
        why = f"it is of none of the formats {', '.join(formats())}"
        if path.suffix.lower() in (".heic", ".heif") and "HEIF" not in formats():
            return WsssError(
                f"{path} cannot be read as a picture without the package of its format: pip install 'wsss[heic]'"
            )
    return WsssError(f"{path} cannot be read as a picture ({why}): replace it or remove it from the list")


def _stored_bits(path: Path, picture: Image.Image) -> int:
    """Bits of a sample of a PNG or a TIFF picture, from its header; 8 for others.

    Raises:
        ValueError: it is a TIFF picture of 16 bits that Pillow garbles, or takes for its negative.
    """
    if picture.format == "TIFF":
        bits = max(picture.tag_v2.get(BITS, (1,)))
        planes, photometric = picture.tag_v2.get(PLANES, 1), picture.tag_v2.get(PHOTOMETRIC, 1)
        if bits == 16 and (photometric == 0 or (planes == 2 and picture.mode == "RGB")):
            raise ValueError("TIFF of 16 bits with 0 for white, or with its colours in planes: save it as PNG")
        return bits
    if picture.format != "PNG":
        return 8
    with path.open("rb") as file:
        return file.read(25)[24]
