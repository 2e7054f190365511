"""Stores that were changed after wsss wrote them, with the digests that they then should have."""

from contextlib import suppress

import h5py
import numpy as np
import pytest
from settings import CLASSES

from wsss.runtime.errors import WsssError
from wsss.stores import attributes, store

SIZE, GRID = (12, 16), (3, 4)
CAM = np.full((1, *GRID), 0.5, np.float16)
LABELS = np.arange(12, dtype=np.uint8).reshape(GRID) % 3
WHOLE = {
    "cams": ({"stride": 4}, {"cam": CAM, "classes": np.array([2], np.uint8)}),
    "affinity_labels": ({"stride": 4}, {"labels": LABELS}),
    "pseudo_masks": ({}, {"plain": np.full(SIZE, 255, np.uint8)}),
    "saliency": ({"stride": 4}, {"saliency": np.ones(GRID, np.float16)}),
    "seeds": ({"cells": 4}, {"labels": np.full((4, 4), 255, np.uint8)}),
    "scores": ({"stride": 4, "warped_px": 8}, {"scores": np.zeros((3, 2, 2), np.float16)}),
    "masks": ({"warped_px": 8}, {"plain": np.zeros(SIZE, np.uint8), "refined": np.full(SIZE, 2, np.uint8)}),
}
"""The settings and arrays of a whole store of each kind."""


def written(path, kind="cams", **changes):
    """A store of one image, of which some arrays are others, or left out where they are None."""
    settings, arrays = WHOLE[kind]
    arrays = {name: array for name, array in (arrays | changes).items() if array is not None}
    with store.create(path, kind, classes=CLASSES, settings=settings, inputs={}) as target:
        target.add("a", SIZE, **arrays)
    return path


def forged(path, change):
    """A whole store that was changed, with the number of images and the seal that it then should have."""
    with h5py.File(written(path), "r+") as file:
        file.attrs["images"] = len(file)
        change(file)
        del file.attrs["seal"]
        with suppress(ValueError, TypeError):  # attributes that are refused before their seal is looked at
            attributes.write(file, {"seal": store._seal(attributes.read(file))})
    return path


def read_all(path):
    with store.read(path, store.kind_of(path)) as source:
        return [(source[image_id], source.size(image_id)) for image_id in source]


def assert_refused(path, function, words=""):
    with pytest.raises(WsssError) as caught:
        function()
    message = str(caught.value)
    assert message.startswith(str(path))
    assert words in message
    assert "remove it and rerun its stage" in message
    assert len(message.splitlines()) == 1


def attribute(name, value, *, of_image=False):
    """Set an attribute, or remove it where the value is None."""

    def change(file):
        place = file["a"] if of_image else file
        place.attrs.pop(name, None)
        if value is not None:
            place.attrs[name] = attributes._fixed(value)

    return change
