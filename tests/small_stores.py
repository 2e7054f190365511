"""Small stores with arrays of random numbers."""

import h5py
import numpy as np
from settings import CLASSES

from wsss.stores import store

SETTINGS = {"scales": (0.5, 1.0), "stride": 4, "engine": "none"}


def arrays_like(seed):
    rng = np.random.default_rng(seed)
    return {"cam": rng.random((2, 3, 4)).astype(np.float16), "classes": rng.integers(1, 3, 2, np.uint8)}


def size_of(seed):
    """One of the sizes that have 3 x 4 cells of 4 pixels."""
    return 12, 13 + seed % 4


def write(path, images=None, kind="cams", **changes):
    """A store of images (id to seed); returns its path."""
    about = {"classes": CLASSES, "settings": SETTINGS, "inputs": {}} | changes
    with store.create(path, kind, **about) as target:
        for image_id, seed in ({"a": 1, "b": 2} if images is None else images).items():
            target.add(image_id, size_of(seed), **arrays_like(seed))
    return path


def assert_holds(reader, images):
    assert list(reader) == sorted(images)
    for image_id, seed in images.items():
        found, expected = reader[image_id], arrays_like(seed)
        assert found.keys() == expected.keys()
        for name, array in expected.items():
            assert found[name].dtype == array.dtype
            np.testing.assert_array_equal(found[name], array)
        assert reader.size(image_id) == size_of(seed)


def changed(path, **attributes):
    with h5py.File(path, "r+") as file:
        file.attrs.update(attributes)
