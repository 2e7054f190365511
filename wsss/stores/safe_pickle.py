"""Read pickled label files of other projects without running any code in them.

A pickle names functions, which the unpickler imports and calls. Here it gets replacements for the few functions that
containers, numbers, numpy arrays and torch's tensors need, which become arrays; any other name is refused before it is
imported. Numpy's own functions are not available to it either, since a forged dtype makes them read out of bounds.
"""

import io
import math
import pickle
import re
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from wsss.runtime.errors import WsssError, pass_on
from wsss.runtime.files import check_regular

WAY_OUT = "if you trust the file, convert it to plain arrays, lists and dicts"


def load_npy(path: Path) -> Any:
    """The array in a .npy file; a dict saved by numpy becomes an array of objects of shape ().

    Raises:
        WsssError: the file does not exist, is not a .npy file, or its pickle refers to more than plain data.
    """
    with _opened(path) as file:
        if _holds_objects(file):
            return _Unpickler(file, path).load()
        file.seek(0)
        return np.load(file, allow_pickle=False)


def load_pickle(path: Path) -> Any:
    """The content of a pickle of Python 2 or 3; byte strings of Python 2 become latin-1 text.

    Raises:
        WsssError: the file does not exist, is not a pickle, or refers to more than plain data.
    """
    with _opened(path) as file:
        return _Unpickler(file, path).load()


class Array(np.ndarray):
    """An array that a pickle fills; it makes checks that numpy omits."""

    def __setstate__(self, state: tuple) -> None:
        _, shape, dtype, fortran, data = state
        data = data.encode("latin1") if isinstance(data, str) else data
        of_objects = dtype.dtype.kind == "O"
        length = math.prod(shape) * (1 if of_objects else dtype.dtype.itemsize)
        if isinstance(data, list) != of_objects or len(data) != length or min(shape, default=0) < 0:
            raise ValueError(f"an array of shape {shape} and dtype {dtype.dtype} has {len(data)} items or bytes")
        super().__setstate__((1, shape, dtype.dtype, bool(fortran), data))

    def __reduce_ex__(self, protocol: int) -> tuple:
        return self.view(np.ndarray).__reduce_ex__(protocol)


class _Dtype:
    """Replacement for a numpy dtype: numbers, strings and objects, without fields."""

    __slots__ = ("dtype",)

    def __init__(self, word: str, *_: object) -> None:
        if not re.fullmatch(r"[biufcSUO]\d+", word):
            raise ValueError(f"dtype {word!r} is not supported")
        self.dtype = np.dtype(word)

    def __setstate__(self, state: tuple) -> None:
        _, order, subarray, names, fields, *_ = state
        if (subarray, names, fields) != (None, None, None):
            raise ValueError("dtypes with fields are not supported")
        self.dtype = self.dtype.newbyteorder(order)


def _array(*_: object) -> Array:
    return np.ndarray.__new__(Array, (0,), np.uint8)


def _array_of_buffer(data: bytes | bytearray, dtype: _Dtype, shape: tuple, order: str) -> np.ndarray:
    return np.frombuffer(data, dtype.dtype).reshape(shape, order=order)


def _scalar(dtype: _Dtype, data: bytes | str) -> np.generic:
    return np.frombuffer(data.encode("latin1") if isinstance(data, str) else data, dtype.dtype)[0]


PLAIN = (str, bytes, int, float, complex, bool, type(None), np.generic)
"""Types of keys of tables and of items of sets. Tuples that hold one another many times over take ages to be hashed."""


def _check_keys(keys: Iterable[object]) -> None:
    for key in keys:
        if not isinstance(key, PLAIN) and not (isinstance(key, tuple) and all(isinstance(k, PLAIN) for k in key)):
            raise ValueError(f"a key or an item of a set is of type {type(key).__name__}")


def _set(items: list | tuple = ()) -> set:
    _check_keys(items)
    return set(items)


def _frozenset(items: list | tuple = ()) -> frozenset:
    _check_keys(items)
    return frozenset(items)


def _ordered(items: list | tuple = ()) -> OrderedDict:
    _check_keys(key for key, _ in items)
    return OrderedDict(items)


class _Checked(pickle._Unpickler):
    """Python's unpickler in Python: a forged index of its memo takes no memory, and keys are checked."""

    dispatch = dict(pickle._Unpickler.dispatch)

    def load_setitem(self) -> None:
        _check_keys(self.stack[-2:-1])
        super().load_setitem()

    def load_setitems(self) -> None:
        _check_keys(self.stack[::2])
        super().load_setitems()

    def load_dict(self) -> None:
        _check_keys(self.stack[::2])
        super().load_dict()

    def load_additems(self) -> None:
        _check_keys(self.stack)
        super().load_additems()

    def load_frozenset(self) -> None:
        _check_keys(self.stack)
        super().load_frozenset()

    dispatch[pickle.SETITEM[0]] = load_setitem
    dispatch[pickle.SETITEMS[0]] = load_setitems
    dispatch[pickle.DICT[0]] = load_dict
    dispatch[pickle.ADDITEMS[0]] = load_additems
    dispatch[pickle.FROZENSET[0]] = load_frozenset


STORAGES = {
    f"{name}Storage": kind
    for name, kind in {"Float": "<f4", "Double": "<f8", "Half": "<f2", "Bool": "|b1"}.items()
    | {"Long": "<i8", "Int": "<i4", "Short": "<i2", "Char": "|i1", "Byte": "|u1"}.items()
}
"""The dtype of each of torch's storages."""


class _Storages(_Checked):
    """Reads what torch.save writes of a storage before its numbers: their dtype and how many they are."""

    def find_class(self, module: str, name: str) -> str:
        if module != "torch" or name not in STORAGES:
            raise ValueError(f"{module}.{name} is no storage of torch")
        return STORAGES[name]

    def persistent_load(self, key: tuple) -> tuple[str, int]:
        return key[1], key[4]


def _storage(data: bytes) -> np.ndarray:
    """The numbers of a storage, which follow on: a magic number, a version, the machine, dtype and count, a name, the
    count again.
    """
    file = io.BytesIO(data)
    *_, (kind, count), _ = (_Storages(file).load() for _ in range(5))
    if kind not in STORAGES.values():
        raise ValueError(f"{kind!r} is no dtype of a storage")
    return np.frombuffer(data, kind, count, offset=file.tell() + 8)


def _tensor(storage: np.ndarray, offset: int, shape: tuple, strides: tuple, *_: object) -> np.ndarray:
    """A tensor's numbers, after checks that torch omits: all lie in the storage, and are no more than its own."""
    if not isinstance(storage, np.ndarray) or storage.ndim != 1:
        raise ValueError("a tensor without a storage")
    last = offset + sum((length - 1) * stride for length, stride in zip(shape, strides, strict=True))
    if min(offset, *shape, *strides, 0) < 0 or math.prod(shape) > len(storage) or last >= max(len(storage), 1):
        raise ValueError(f"a tensor of shape {shape} does not fit in {len(storage)} numbers")
    steps = [stride * storage.itemsize for stride in strides]
    return np.lib.stride_tricks.as_strided(storage[offset:], shape, steps).copy()


def _bytes(text: str = "", encoding: str = "latin1") -> bytes:
    if encoding not in ("latin1", "latin-1"):
        raise ValueError(f"encoding {encoding!r} is not supported")
    return text.encode("latin1")


def _no_call(*_: object) -> None:
    raise ValueError("numpy.ndarray must not be called")


REPLACEMENTS: dict[tuple[str, str], Callable] = {
    ("collections", "OrderedDict"): _ordered,
    ("_codecs", "encode"): _bytes,
    ("numpy", "ndarray"): _no_call,
    ("numpy", "dtype"): _Dtype,
    ("torch._utils", "_rebuild_tensor_v2"): _tensor,
    ("torch.storage", "_load_from_bytes"): _storage,
}
for _module in ("builtins", "__builtin__"):
    _containers = {"set": _set, "frozenset": _frozenset, "complex": complex, "bytes": _bytes}
    REPLACEMENTS |= {(_module, name): kind for name, kind in _containers.items()}
for _module in ("numpy.core", "numpy._core"):
    REPLACEMENTS[_module + ".multiarray", "_reconstruct"] = _array
    REPLACEMENTS[_module + ".multiarray", "scalar"] = _scalar
    REPLACEMENTS[_module + ".numeric", "_frombuffer"] = _array_of_buffer


class _Unpickler(_Checked):
    def __init__(self, file: BinaryIO, path: Path) -> None:
        super().__init__(file, encoding="latin1")
        self.path = path

    def find_class(self, module: str, name: str) -> Callable:
        if (module, name) not in REPLACEMENTS:
            raise WsssError(f"{self.path} refers to {module}.{name}: only plain data is read from it; {WAY_OUT}")
        # a new function each time, since a pickle may set attributes of the function that it gets
        return lambda *arguments: REPLACEMENTS[module, name](*arguments)


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    """The open file; any failure while it is read becomes an error that names it."""
    check_regular(path)
    try:
        with path.open("rb") as file:
            yield file
    except WsssError:
        raise
    except FileNotFoundError as error:
        raise WsssError(f"{path} does not exist: correct its name, or put the file there") from error
    except Exception as error:  # a damaged file can raise almost any exception
        pass_on(error)
        why = f"{path} cannot be read ({error!r}): it is damaged or holds more than plain data"
        raise WsssError(f"{why}; make it again, or {WAY_OUT}") from error


def _holds_objects(file: BinaryIO) -> bool:
    """Whether the array after the header is pickled; leaves the file at the end of the header."""
    header = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }.get(np.lib.format.read_magic(file))
    return header is not None and header(file)[2].hasobject
