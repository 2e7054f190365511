"""Arrays, archives of arrays and pickles that are no good."""

import io
import os
import pickle
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from bad_inputs import IMPORT_CAMS, IMPORT_NPZ, IMPORT_SEEDS, SIZE, Case, replaced_by, training_images


def of_arrays() -> Iterator[Case]:
    """Maps of other programs (.npy, .npz), and vectors of tags."""
    maps = np.ones(SIZE, np.float32)

    def npy(content: object) -> bytes:
        file = io.BytesIO()
        np.save(file, content, allow_pickle=True)
        return file.getvalue()

    def npz(**arrays: np.ndarray) -> bytes:
        file = io.BytesIO()
        np.savez(file, **arrays)
        return file.getvalue()

    tables = {
        "an array and no dict": maps,
        "a list": [maps],
        "a key that is a word": {"cat": maps},
        "a key of None": {None: maps},
        "a map of one dimension": {7: maps[0]},
        "a map of three dimensions": {7: maps[None]},
        "a map without pixels": {7: maps[:0]},
        "NaN": {7: np.full(SIZE, np.nan, np.float32)},
        "infinite": {7: np.full(SIZE, np.inf, np.float32)},
        "complex numbers": {7: maps.astype(complex)},
        "words": {7: np.full(SIZE, "x")},
        "objects": {7: np.full(SIZE, None)},
        "IRN with too few maps": {"keys": np.array([7, 11]), "cam": maps[None], "high_res": maps[None]},
        "IRN without maps": {"keys": np.array([7])},
        "a function": {7: os.system},
        "a class": {7: Path},
    }
    for name, content in tables.items():
        yield Case("npy", name, IMPORT_CAMS, "cams/a.npy", replaced_by(npy(content)))
    for name, arrays in {
        "a key that is a word": {"cat": maps},
        "a map of one dimension": {"7": maps[0]},
        "NaN": {"7": np.full(SIZE, np.nan)},
        "objects": {"7": np.full(SIZE, None)},
        "IRN with too few maps": {"keys": np.array([7, 11]), "cam": maps[None]},
    }.items():
        yield Case("npz", name, IMPORT_NPZ, "cams_npz/a.npz", replaced_by(npz(**arrays)))
    header = (
        b"\x93NUMPY\x01\x00v\x00" + b"{'descr': '<f4', 'fortran_order': False, 'shape': (%s,), }".ljust(117) + b"\n"
    )
    for name, shape in {"10^15 numbers": b"1" + b"0" * 15, "-1 numbers": b"-1", "no number": b"x"}.items():
        yield Case("npy", name, IMPORT_CAMS, "cams/a.npy", replaced_by((header % shape).ljust(128)))
    vector = np.zeros(20)
    for name, content in {
        "an array": vector,
        "short vectors": {"2007_000001": vector[:3], "2007_000002": vector[:3]},
        "other numbers": {"2007_000001": vector + 0.5, "2007_000002": vector},
        "vectors of two dimensions": {"2007_000001": vector[None], "2007_000002": vector[None]},
        "words": {"2007_000001": "cat", "2007_000002": "dog"},
        "empty": {},
        "None": {"2007_000001": None, "2007_000002": None},
        "vectors of zeros": {"2007_000001": vector, "2007_000002": vector},
    }.items():
        yield Case("npy", f"tags: {name}", training_images("npy"), "voc/cls_labels.npy", replaced_by(npy(content)))
    forged = zipfile.ZipInfo("7.npy")
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(forged, (header % b"1000000000000000").ljust(128))
    yield Case("npz", "10^15 numbers", IMPORT_NPZ, "cams_npz/a.npz", replaced_by(file.getvalue()))


def of_pickles() -> Iterator[Case]:
    cells = np.array([[8], [1], [2]])

    def cues(**changes: object) -> bytes:
        content = {
            "0_labels": np.array([8]),
            "0_cues": cells,
            "1_labels": np.array([12]),
            "1_cues": cells + [[4], [0], [0]],
        }
        return pickle.dumps({key: value for key, value in (content | changes).items() if value is not None}, 2)

    class Called:
        def __reduce__(self) -> tuple:
            return os.system, ("touch called",)

    contents = {
        "a list": pickle.dumps([1, 2]),
        "a number": pickle.dumps(1),
        "an array": pickle.dumps(cells),
        "a call": pickle.dumps({"0_labels": Called()}),
        "another key": cues(**{"x_labels": cells}),
        "a key of a number": pickle.dumps({0: cells}),
        "a key that is no image's": cues(**{"7_labels": np.array([8]), "7_cues": cells}),
        "no cues of an image": cues(**{"1_cues": None}),
        "no image": cues(**{"1_cues": None, "1_labels": None}),
        "a row out of the grid": cues(**{"0_cues": np.array([[8], [4], [0]])}),
        "a negative row": cues(**{"0_cues": np.array([[8], [-1], [0]])}),
        "a class that no tag has": cues(**{"0_cues": np.array([[12], [1], [2]])}),
        "a class of 300": cues(**{"0_cues": np.array([[300], [1], [2]])}),
        "two rows": cues(**{"0_cues": cells[:2]}),
        "floats": cues(**{"0_cues": cells.astype(float)}),
        "a list as labels": cues(**{"0_labels": [8]}),
        "two classes in a cell": cues(**{"0_labels": np.array([8, 12]), "0_cues": np.array([[8, 12], [1, 1], [2, 2]])}),
        "a label that is no class": cues(**{"0_labels": np.array([5]), "0_cues": np.array([[5], [1], [2]])}),
        "an end too early": cues()[:-30],
        "an index of 2^31 in its memo": b"\x80\x02]r\xff\xff\xff\x7f.",
        "lists in one another": b"\x80\x02" + b"]" * 50_000 + b"a" * 49_999 + b".",
        "tuples that hold one another": b"\x80\x02)" + b"2\x86" * 60 + b"}q\x00h\x00.",
        "a text of 2^31 bytes": b"\x80\x02X\xff\xff\xff\x7f.",
        "a persistent id": b"Pfoo\n.",
    }
    for name, content in contents.items():
        yield Case("pickle", name, IMPORT_SEEDS, "cues.pickle", replaced_by(content))
    lists = {
        "a number twice": "a.jpg 0\nb.jpg 0\n",
        "a name twice": "a.jpg 0\na.jpg 1\n",
        "no number": "a.jpg\nb.jpg 1\n",
        "a negative number": "a.jpg -1\nb.jpg 1\n",
        "a number of 30 digits": f"a.jpg {10**29}\nb.jpg 1\n",
        "a blank line": "a.jpg 0\n\nb.jpg 1\n",
        "no suffix": "a 0\nb 1\n",
    }
    for name, content in lists.items():
        yield Case("list", f"of cues: {name}", IMPORT_SEEDS, "list.txt", replaced_by(content.encode()))
