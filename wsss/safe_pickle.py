"""Pickled label files of other projects, read without running anything that they bring along.

A pickle names functions and has them called. Here it gets stand-ins for the few that containers, numbers and numpy
arrays need; any other name is refused before it is looked up. Numpy's own functions are not handed out either, since
a forged dtype makes them read memory that is not theirs.
"""

import math
import pickle
import re
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from wsss.errors import WsssError

MENDED_BY = "if you trust the file, convert it to plain arrays, lists and dicts"


def load_npy(path: Path) -> Any:
    """What a .npy file holds: an array; one of objects, such as a dict saved by numpy, has shape ().

    Raises:
        WsssError: the file does not exist, is no .npy file, or its pickle asks for anything but plain data.
    """
    with _opened(path) as file:
        if _holds_objects(file):
            return _Unpickler(file, path).load()
        file.seek(0)
        return np.load(file, allow_pickle=False)


def load_pickle(path: Path) -> Any:
    """What a pickle holds, also one that Python 2 wrote (its byte strings come as latin-1 text).

    Raises:
        WsssError: the file does not exist, is no pickle, or asks for anything but plain data.
    """
    with _opened(path) as file:
        return _Unpickler(file, path).load()


class Array(np.ndarray):
    """An array that a pickle fills; it checks what numpy would take on trust."""

    def __setstate__(self, state: tuple) -> None:
        _, shape, dtype, fortran, data = state
        data = data.encode("latin1") if isinstance(data, str) else data
        of_objects = dtype.dtype.kind == "O"
        length = math.prod(shape) * (1 if of_objects else dtype.dtype.itemsize)
        if isinstance(data, list) != of_objects or len(data) != length or min(shape, default=0) < 0:
            raise ValueError(f"an array of shape {shape} and {dtype.dtype} made of {len(data)} items or bytes")
        super().__setstate__((1, shape, dtype.dtype, bool(fortran), data))

    def __reduce_ex__(self, protocol: int) -> tuple:
        return self.view(np.ndarray).__reduce_ex__(protocol)


class _Dtype:
    """Stand-in of a numpy dtype: numbers, strings and objects, without fields."""

    __slots__ = ("dtype",)

    def __init__(self, word: str, *_: object) -> None:
        if not re.fullmatch(r"[biufcSUO]\d+", word):
            raise ValueError(f"arrays of dtype {word!r}")
        self.dtype = np.dtype(word)

    def __setstate__(self, state: tuple) -> None:
        _, order, subarray, names, fields, *_ = state
        if (subarray, names, fields) != (None, None, None):
            raise ValueError("arrays with named fields")
        self.dtype = self.dtype.newbyteorder(order)


def _array(*_: object) -> Array:
    return np.ndarray.__new__(Array, (0,), np.uint8)


def _array_of_buffer(data: bytes | bytearray, dtype: _Dtype, shape: tuple, order: str) -> np.ndarray:
    return np.frombuffer(data, dtype.dtype).reshape(shape, order=order)


def _scalar(dtype: _Dtype, data: bytes | str) -> np.generic:
    return np.frombuffer(data.encode("latin1") if isinstance(data, str) else data, dtype.dtype)[0]


def _bytes(text: str = "", encoding: str = "latin1") -> bytes:
    if encoding not in ("latin1", "latin-1"):
        raise ValueError(f"bytes in the encoding {encoding!r}")
    return text.encode("latin1")


def _no_call(*_: object) -> None:
    raise ValueError("a call of numpy.ndarray")


STAND_INS: dict[tuple[str, str], Callable] = {
    ("collections", "OrderedDict"): OrderedDict,
    ("_codecs", "encode"): _bytes,
    ("numpy", "ndarray"): _no_call,
    ("numpy", "dtype"): _Dtype,
}
for _module in ("builtins", "__builtin__"):
    STAND_INS |= {(_module, kind.__name__): kind for kind in (set, frozenset, complex)} | {(_module, "bytes"): _bytes}
for _module in ("numpy.core", "numpy._core"):
    STAND_INS[_module + ".multiarray", "_reconstruct"] = _array
    STAND_INS[_module + ".multiarray", "scalar"] = _scalar
    STAND_INS[_module + ".numeric", "_frombuffer"] = _array_of_buffer


class _Unpickler(pickle.Unpickler):
    def __init__(self, file: BinaryIO, path: Path) -> None:
        super().__init__(file, encoding="latin1")
        self.path = path

    def find_class(self, module: str, name: str) -> Callable:
        if (module, name) not in STAND_INS:
            raise WsssError(f"{self.path} asks for {module}.{name}: only plain data is read from it; {MENDED_BY}")
        # a new function each time: a pickle may set attributes of what it is handed
        return lambda *arguments: STAND_INS[module, name](*arguments)


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    """The file, with any failure within turned into an error that names it."""
    try:
        with path.open("rb") as file:
            yield file
    except WsssError:
        raise
    except FileNotFoundError as error:
        raise WsssError(f"{path} does not exist") from error
    except Exception as error:  # a broken stream can raise nearly anything
        raise WsssError(f"{path} cannot be read ({error!r}): it is damaged or holds more than plain data") from error


def _holds_objects(file: BinaryIO) -> bool:
    """Whether the array that follows the header is pickled; the file stands behind the header then."""
    header = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }.get(np.lib.format.read_magic(file))
    return header is not None and header(file)[2].hasobject
