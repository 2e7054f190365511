"""Class activation maps as PSA's and IRN's programs write and read them: for each image a dict in a file ID.npy.

PSA (Ahn & Kwak 2018, arXiv:1803.10464), infer_cls.py:

    {k: map, …}                 float32 (height, width) at the image's size, of each class k that the image shows

IRN (Ahn, Cho & Kwak 2019, arXiv:1904.05044), step/make_cam.py:

    {"keys": k, …               int64 (foreground,), a tensor of torch
     "cam": maps, …             float32 (foreground, ceil(height / 4), ceil(width / 4)), a tensor of torch
     "high_res": maps}          float32 (foreground, height, width)

Classes are counted from 0 without the background, so that class k has the value k + 1 in masks. Other programs save the
same dicts as .npz.
"""

import io
import pickle
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32

from wsss.runtime.errors import WsssError, pass_on
from wsss.runtime.files import check_regular, whole_or_absent
from wsss.stores.safe_pickle import load_npy

IRN_STRIDE = 4
"""Pixels for each cell of IRN's smaller maps."""

LARGEST = 1e30
"""No value of a map is larger: sums of them, in single precision, stay finite."""


def find(folder: Path, image_id: str) -> Path | None:
    """The file of an image, .npy or .npz; None where there is none."""
    return next((path for end in ("npy", "npz") if (path := folder / f"{image_id}.{end}").exists()), None)


def read(path: Path, cells: tuple[int, int]) -> dict[int, Float32[np.ndarray, "height width"]]:
    """The maps of an image by class, counted from 0. Nothing that the file pickles is executed.

    Args:
        path: the file.
        cells: (rows, columns) of the grid for which maps are wanted: IRN's smaller ones are taken where they have it.

    Raises:
        WsssError: the file is damaged, holds more than plain data and tensors, or two maps of a class, or is in neither
            format.
    """
    content = _npz(path) if path.suffix == ".npz" else load_npy(path)
    if isinstance(content, np.ndarray) and content.shape == ():
        content = content.item()
    if not isinstance(content, dict):
        raise WsssError(f"{path} holds a {type(content).__name__}, expected a dict of PSA or IRN")
    if "keys" in content:
        arrays = {name: value for name, value in content.items() if isinstance(value, np.ndarray) and value.ndim == 3}
        smaller = "cam" in arrays and (arrays["cam"].shape[1:] == cells or "high_res" not in arrays)
        keys, maps = np.ravel(content["keys"]).tolist(), arrays.get("cam" if smaller else "high_res", ())
        if len(keys) != len(maps):
            raise WsssError(f"{path} has {len(keys)} keys and {len(maps)} maps: make it again")
        pairs = list(zip(keys, maps, strict=True))
    else:
        pairs = list(content.items())
    found = {_number(key, path): _checked(values, f"{path}: the map of class {key}") for key, values in pairs}
    if len(found) < len(pairs):
        raise WsssError(f"{path} has {len(pairs)} maps of {len(found)} classes: keep one of each class")
    return found


def write_psa(path: Path, maps: dict[int, Float32[np.ndarray, "height width"]]) -> None:
    """Write the maps of an image, at its size, as PSA reads them."""
    _write(path, maps)


def write_irn(
    path: Path,
    classes: list[int],
    cam: Float32[np.ndarray, "foreground rows columns"],
    high_res: Float32[np.ndarray, "foreground height width"],
) -> None:
    """Write the maps of an image, on the grid of IRN_STRIDE and at its size, as IRN reads them."""
    import torch

    keys = torch.tensor(classes, dtype=torch.int64)
    _write(path, {"keys": keys, "cam": torch.from_numpy(cam), "high_res": high_res})


def _write(path: Path, content: dict) -> None:
    """What numpy.save writes of a dict, with the module's name that versions before 2 know."""
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "|O", "fortran_order": False, "shape": ()})
    pickled = pickle.dumps(np.array(content, dtype=object), protocol=3)
    with whole_or_absent(path) as partial:
        partial.write_bytes(
            header.getvalue() + pickled.replace(b"cnumpy._core.multiarray\n", b"cnumpy.core.multiarray\n")
        )


def _npz(path: Path) -> dict[str, np.ndarray]:
    check_regular(path)
    try:
        with path.open("rb") as opened:
            if not zipfile.is_zipfile(opened):
                raise ValueError("it is no archive")
            opened.seek(0)
            with np.load(opened, allow_pickle=False) as file:
                return dict(file)
    except (OSError, ValueError, EOFError, MemoryError, zipfile.BadZipFile, zlib.error) as error:
        pass_on(error)
        raise WsssError(
            f"{path} cannot be read ({error}): it is damaged or holds more than arrays; make it again"
        ) from error


def _number(key: Any, path: Path) -> int:
    try:
        number = int(key)
        if number != float(key):
            raise ValueError("it is no whole number")
        return number
    except (TypeError, ValueError, OverflowError) as error:
        raise WsssError(f"{path} has the key {key!r:.80}, expected a class's number, or IRN's keys") from error


def _checked(values: Any, where: str) -> np.ndarray:
    values = np.asarray(values)
    if values.ndim != 2 or values.dtype.kind not in "fiu" or 0 in values.shape:
        raise WsssError(f"{where} is {values.dtype} of shape {values.shape}, expected numbers (height, width)")
    if not (np.abs(values) < LARGEST).all():
        raise WsssError(f"{where} is NaN, infinite or beyond {LARGEST:g} somewhere: make it again")
    return np.ascontiguousarray(values, np.float32)
