"""What a store of label maps shows."""

import numpy as np
import pytest
from settings import CLASSES

from wsss.results import shares
from wsss.stores import store


def counted(path, maps):
    with store.create(path, "masks", classes=CLASSES, settings={}, inputs={}) as target:
        for image_id, arrays in maps.items():
            target.add(image_id, (1, 4), **{name: np.array([row], np.uint8) for name, row in arrays.items()})
    with store.read(path, "masks") as source:
        return shares.counted(source)


def test_the_final_maps_count_and_void_is_of_no_class(tmp_path):
    maps = {"a": {"plain": [1, 1, 1, 1], "refined": [0, 0, 0, 0]}, "b": {"plain": [0, 1, 2, 255]}}
    found = counted(tmp_path / "masks.h5", maps)
    assert (found.maps, found.empty) == (2, 1)
    assert found.of_classes == pytest.approx({"background": 5 / 8, "cat": 1 / 8, "dog": 1 / 8})


def test_of_no_image(tmp_path):
    found = counted(tmp_path / "masks.h5", {})
    assert (found.maps, found.empty, set(found.of_classes.values())) == (0, 0, {0})
