"""Attributes of HDF5 files, with texts of fixed length.

HDF5 keeps texts of variable length in a heap that has no checksum, and reads it for ever where a sector of the file was
zeroed. Those of fixed length lie in the header of the object, which has one.
"""

from collections.abc import Mapping

import h5py
import numpy as np


def write(place: h5py.Group, attributes: Mapping[str, object]) -> None:
    """Set attributes of a file or group: numbers, texts, and lists of either."""
    for name, value in attributes.items():
        place.attrs[name] = _fixed(value)


def read(place: h5py.Group) -> dict[str, object]:
    """All attributes of a file or group; texts as str, lists of them as arrays of objects."""
    return {name: _text(value) for name, value in place.attrs.items()}


def _fixed(value: object) -> object:
    texts = [value] if isinstance(value, str) else value
    if not isinstance(texts, list | tuple | np.ndarray) or not all(isinstance(text, str) for text in texts):
        return value
    encoded = [text.encode() for text in texts]
    kind = h5py.string_dtype("utf-8", max(1, *map(len, encoded), 1))
    return np.array(encoded[0] if isinstance(value, str) else encoded, kind)


def _text(value: object) -> object:
    if isinstance(value, bytes):
        return value.decode()
    if isinstance(value, np.ndarray) and value.dtype.kind == "S":
        return np.array([text.decode() for text in value.ravel()], object).reshape(value.shape)
    return value
