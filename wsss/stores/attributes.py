"""Attributes of HDF5 files, with texts of fixed length.

HDF5 keeps texts of variable length in a heap that has no checksum, and reads it for ever where a sector of the file was
zeroed. Those of fixed length lie in the header of the object, which has one.
"""

from collections.abc import Mapping
from pathlib import Path

import h5py
import numpy as np

from wsss.runtime.errors import WsssError

KINDS = "biufS"
"""What numpy calls the types of attributes: truth values, whole numbers, fractions, texts."""


class OfStore(dict):
    """The attributes of a store; one that is asked for and not there is told."""

    def __init__(self, path: Path, found: dict[str, object]) -> None:
        super().__init__(found)
        self._path = path

    def __missing__(self, name: str) -> object:
        raise WsssError(f"{self._path} lacks the attribute {name!r}: remove it and rerun its stage")


def write(place: h5py.Group, attributes: Mapping[str, object]) -> None:
    """Set attributes of a file or group: numbers, texts, and lists of either."""
    for name, value in attributes.items():
        place.attrs[name] = _fixed(value)


def read(place: h5py.Group) -> dict[str, object]:
    """All attributes of a file or group; texts as str, lists of them as arrays of objects.

    Raises:
        ValueError: one is of a type that `write` does not use, such as a text of variable length, or is no text.
    """
    return {name: _value(place, name) for name in place.attrs}


def _value(place: h5py.Group, name: str) -> object:
    attribute = place.attrs.get_id(name)
    if attribute.get_space().get_simple_extent_type() == h5py.h5s.NULL or attribute.dtype.kind not in KINDS:
        raise ValueError(f"the attribute {name!r} is neither numbers nor texts of fixed length")
    return _text(place.attrs[name])


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
