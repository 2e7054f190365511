"""The form that `store` gives a file. One that was made by something else is refused before anything large is read.

HDF5 lets a file of a few bytes claim an array of any size, and lead by links to any other file. All that is found
wrong here is a ValueError, which `damage.told` tells of the file.
"""

import math
import re
import zlib
from collections.abc import Mapping
from typing import NamedTuple

import h5py
import numpy as np

from wsss.labels import BACKGROUND, VOID, Classes
from wsss.runtime.errors import WsssError
from wsss.stores import attributes
from wsss.stores.kinds import FORMS, OPTIONAL

REAL = np.dtype(np.float16)
"""Of arrays with numbers in [0, 1]; all others are of labels."""

NUMBERS = {"setting.stride": 1, "setting.warped_px": 0, "setting.cells": 1}
"""Settings on which the shapes of arrays depend, and the least that each may be; they have at most five digits."""

MOST_PX = 178_956_970
"""Pixels of an image: Pillow opens no larger photograph."""

COMPRESSION = {"compression": "gzip", "compression_opts": 4, "shuffle": True}
FILTERS = (h5py.h5z.FILTER_SHUFFLE, h5py.h5z.FILTER_DEFLATE)
SHUFFLE_SKIPPED, DEFLATE_SKIPPED = 1, 2
"""Bits of what HDF5 says of a piece: which of the filters it went without."""


class Image(NamedTuple):
    """An image of a store whose arrays are not read yet."""

    size: tuple[int, int]
    digest: str
    arrays: dict[str, h5py.Dataset]


def check(about: Mapping[str, object], images: int) -> None:
    """Refuse attributes that no store of so many images has.

    Raises:
        ValueError: one is missing, of another type, or out of its range.
    """
    texts = [name for name in about if name.startswith(("setting.", "input."))]
    fits = {name: isinstance(about[name], str) for name in texts}
    fits |= {name: _is_number(about[name], least) for name, least in NUMBERS.items() if name in about}
    fits["kind"] = isinstance(about.get("kind"), str) and about["kind"] in FORMS
    fits["digest"] = _is_digest(about.get("digest"))
    fits["images"] = isinstance(about.get("images"), np.integer) and about["images"] == images
    if fits["kind"] and any("cells" in form.shape for form in FORMS[about["kind"]].values()):
        fits.setdefault("setting.cells", False)
    if "files" in about or "digests" in about:
        files, digests = _list(about, "files"), _list(about, "digests")
        fits["files"], fits["digests"] = len(files) == len(digests), all(map(_is_digest, digests))
    for name, fit in fits.items():
        if not fit:
            raise ValueError(f"the attribute {name!r} is missing, or is not what a store has")
    classes(about)


def classes(about: Mapping[str, object]) -> Classes:
    """The classes that the attributes of a store name."""
    names, values = _list(about, "classes"), about.get("mask_values")
    if not isinstance(values, np.ndarray) or values.dtype.kind not in "iu" or values.shape != names.shape:
        raise ValueError("the attribute 'mask_values' does not give each class a whole number")
    try:
        return Classes(tuple(names), tuple(map(int, values)))
    except WsssError as error:
        raise ValueError(str(error)) from error


def member(place: h5py.Group, name: str, kind: type) -> h5py.Group | h5py.Dataset:
    """What a file or group holds under a name: a group or an array of this file, and no link that leads elsewhere."""
    if place.id.links.get_info(name.encode()).type != h5py.h5l.TYPE_HARD:
        raise ValueError(f"{name!r} is a link")
    found = place[name]
    if not isinstance(found, kind):
        raise ValueError(f"{name!r} is a {type(found).__name__}, no {kind.__name__}")
    return found


def image(file: h5py.File, key: str, about: Mapping[str, object]) -> Image:
    """An image of a store with these attributes; its arrays have the types and shapes that the store's kind has."""
    group = member(file, key, h5py.Group)
    own = attributes.read(group)
    if not _is_digest(own.get("digest")):
        raise ValueError(f"{key!r} has no digest")
    forms, height_and_width = FORMS[about["kind"]], size(own)
    if not forms.keys() - OPTIONAL <= set(group) <= forms.keys():
        raise ValueError(f"{key!r} does not hold the arrays of {about['kind']}")
    arrays = {name: member(group, name, h5py.Dataset) for name in forms if name in group}
    lengths = _lengths(arrays, about, height_and_width)
    for name, array in arrays.items():
        _check_array(array, np.dtype(forms[name].type), tuple(lengths[word] for word in forms[name].shape))
    return Image(height_and_width, own["digest"], arrays)


def size(about: Mapping[str, object]) -> tuple[int, int]:
    """(height, width) of an image, from the attributes of its group."""
    found = about.get("size")
    if isinstance(found, np.ndarray) and found.dtype.kind in "iu" and found.shape == (2,):
        height, width = map(int, found)
        if min(height, width) > 0 and height * width <= MOST_PX:
            return height, width
    raise ValueError("the size of an image is not (height, width)")


def read(array: h5py.Dataset) -> np.ndarray:
    """The values of an array of an `Image`.

    They are inflated here, since HDF5 inflates a piece to its end, however large that is.
    """
    skipped, content = array.id.read_direct_chunk((0,) * array.ndim)
    if not skipped & DEFLATE_SKIPPED:
        try:
            content = zlib.decompressobj().decompress(content, array.nbytes + 1)
        except zlib.error as error:
            raise ValueError(f"{array.name!r}: {error}") from error
    if len(content) != array.nbytes:
        raise ValueError(f"{array.name!r} has another number of bytes than its shape says")
    pieces = np.frombuffer(content, np.uint8)
    if not skipped & SHUFFLE_SKIPPED:  # the first bytes of all values, then the second ones
        pieces = pieces.reshape(array.dtype.itemsize, -1).T
    return pieces.flatten().view(array.dtype).reshape(array.shape)


def check_values(name: str, values: np.ndarray, classes: int) -> None:
    """Refuse an array with numbers outside of [0, 1], or labels of none of the classes, whose number is given."""
    if values.dtype == REAL:
        fits = values.min() >= 0 and values.max() <= 1
    elif name == "classes":
        fits = values.min() > BACKGROUND and values.max() < classes
    else:
        fits = ((values < classes) | (values == VOID)).all()
    if not fits:
        raise ValueError(f"{name} has values that it cannot have")


def _lengths(
    arrays: dict[str, h5py.Dataset], about: Mapping[str, object], size: tuple[int, int]
) -> dict[str, int | None]:
    """What the words of `kinds.Form` stand for in the arrays of an image; see `maths.grid` for rows and columns."""
    count, cells = len(about["classes"]), about.get("setting.cells")
    warped_px, stride = int(about.get("setting.warped_px", 0)), int(about.get("setting.stride", 1))
    rows, columns = (math.ceil(side / stride) for side in ((warped_px, warped_px) if warped_px else size))
    foreground = (*arrays["classes"].shape, 0)[0] if "classes" in arrays else None
    if foreground is not None and not 0 < foreground < count:
        raise ValueError(f"an image has maps of {foreground} of {count - 1} classes")
    return {
        **dict(zip(("height", "width"), size, strict=True)),
        **{"rows": rows, "columns": columns, "cells": int(cells) if cells else None},
        **{"classes": count, "foreground": foreground},
    }


def _check_array(array: h5py.Dataset, kind: np.dtype, shape: tuple[int, ...]) -> None:
    """Refuse an array that is not stored as `store` does it: in this file, in one piece, compressed once."""
    steps = array.id.get_create_plist()
    filters = tuple(steps.get_filter(number)[0] for number in range(steps.get_nfilters()))
    if array.dtype != kind or array.shape != shape or array.chunks != shape or filters != FILTERS:
        raise ValueError(f"{array.name!r} is not stored as {kind} of shape {shape}")
    stored = array.id.get_storage_size()
    if not 0 < stored <= 1.01 * array.nbytes + 64:  # HDF5 takes no room for what was never written
        raise ValueError(f"{array.name!r} of {array.nbytes} bytes is stored in {stored}")


def _list(about: Mapping[str, object], name: str) -> np.ndarray:
    """An attribute that is a list of texts."""
    found = about.get(name)
    if not isinstance(found, np.ndarray) or found.dtype != object or found.ndim != 1:
        raise ValueError(f"the attribute {name!r} is no list of texts")
    return found


def _is_digest(value: object) -> bool:
    return isinstance(value, str) and re.fullmatch("[0-9a-f]{64}", value) is not None


def _is_number(value: object, least: int) -> bool:
    return isinstance(value, str) and re.fullmatch("[0-9]{1,5}", value) is not None and int(value) >= least
