"""Stores of few bytes that claim to be large: refused, and nothing large is read."""

import tracemalloc
import zlib

import h5py
import numpy as np
import pytest
from forged_stores import CAM, GRID, SIZE, assert_refused, attribute, forged, read_all, written
from settings import CLASSES

from wsss.stores import form, store


def exchanged(name="cam", *, size=SIZE, shape=CAM.shape, chunk=None, **options):
    """Put an array in the place of one, of an image of the size, with no content or with the chunk's bytes."""

    def change(file):
        kind = file["a"][name].dtype
        del file["a"][name]
        attribute("size", size, of_image=True)(file)
        array = file["a"].create_dataset(name, shape, kind, **(form.COMPRESSION | {"chunks": shape} | options))
        if chunk is not None:
            array.id.write_direct_chunk((0,) * len(shape), chunk)

    return change


def twice(file):
    """An array that is compressed twice: a million bytes may be one."""
    steps = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    steps.set_chunk(CAM.shape)
    steps.set_deflate(4)
    steps.set_deflate(4)
    del file["a/cam"]
    space = h5py.h5s.create_simple(CAM.shape)
    array = h5py.h5d.create(file["a"].id, b"cam", h5py.h5t.py_create(CAM.dtype, logical=True), space, steps)
    array.write(h5py.h5s.ALL, h5py.h5s.ALL, CAM)


LARGE = (40_000, 100_000)
BOMBS = {
    "an array that is not there": exchanged(),
    "an array of thousands of pixels a side": exchanged(shape=LARGE, chunks=(1000, 1000)),
    "such an array of a large image": exchanged(size=LARGE, shape=(1, 10_000, 25_000)),
    "such an array of the largest image": exchanged(size=(13_000, 13_000), shape=(1, 3250, 3250)),
    "a piece larger than the array": exchanged(chunks=(1, 10_000, 10_000), maxshape=(None, None, None)),
    "a piece of many more bytes than the array": exchanged(chunk=zlib.compress(bytes(10**7))),
    "a piece of fewer bytes than the array": exchanged(chunk=zlib.compress(bytes(20))),
    "a piece that ends early": exchanged(chunk=zlib.compress(CAM.tobytes())[:-8]),
    "a piece that is not compressed": exchanged(chunk=CAM.tobytes()),
    "an array that is compressed twice": twice,
    "an array that is not compressed": exchanged(compression=None, compression_opts=None, shuffle=None),
    "an array in no pieces": exchanged(chunks=None, compression=None, compression_opts=None, shuffle=None),
    "an array with checksums": exchanged(fletcher32=True),
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_refused_and_takes_no_memory(tmp_path, monkeypatch, name):
    path = forged(tmp_path / "a.h5", BOMBS[name])
    assert path.stat().st_size < 100_000
    monkeypatch.setattr(h5py.Dataset, "__getitem__", None)  # HDF5 itself would inflate the whole
    tracemalloc.start()
    assert_refused(path, lambda: read_all(path), "is damaged (")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2**20


@pytest.mark.parametrize("value", [0, 255])
def test_a_large_array_of_one_value_is_no_bomb(tmp_path, value):
    size = (3000, 4000)
    with store.create(tmp_path / "a.h5", "masks", classes=CLASSES, settings={}, inputs={}) as target:
        target.add("a", size, plain=np.full(size, value, np.uint8))
    [(arrays, found)] = read_all(tmp_path / "a.h5")
    assert found == size
    assert (arrays["plain"] == value).all()


def test_what_no_filter_makes_smaller_is_read_as_it_was(tmp_path):
    noise = np.random.default_rng(0).random((1, *GRID)).astype(np.float16)
    in_pairs = np.frombuffer(noise.tobytes(), np.uint8).reshape(-1, 2)
    for skipped, pieces in ((0b10, in_pairs.T), (0b11, in_pairs)):  # without deflate, and without either filter
        path = written(tmp_path / "a.h5", cam=noise)
        with h5py.File(path, "r+") as file:
            file["a/cam"].id.write_direct_chunk((0, 0, 0), pieces.tobytes(), skipped)
        with h5py.File(path, "r") as file:
            np.testing.assert_array_equal(file["a/cam"][()], noise)
        [(arrays, _)] = read_all(path)
        np.testing.assert_array_equal(arrays["cam"], noise)
