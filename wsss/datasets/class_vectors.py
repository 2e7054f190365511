"""Tags as vectors of 0 and 1, in a dict that numpy saved: the cls_labels.npy of many WSSS repositories."""

from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np

from wsss.labels import BACKGROUND
from wsss.runtime.errors import WsssError
from wsss.stores import safe_pickle


def reader(
    path: Path, keys: Callable[[str], Iterable[str | int]], *, largest: int, data_set: int
) -> Callable[[str], np.ndarray | None]:
    """A function from an image id to the mask values of its tags, or None where the file has no vector of the image.

    Entry j of a vector stands for the mask value j + 1. Some repositories put the background first, so that entry j
    stands for j: the vectors are then one longer than the data set has classes, or begin with 1 in every image.

    Args:
        path: the file.
        keys: the keys under which the vector of an image may stand, likeliest first.
        largest: largest mask value of the classes.
        data_set: number of classes of the whole data set, without background.

    Raises:
        WsssError: the file is missing or holds no dict. The function itself raises it for a vector that is too short
            or holds other numbers.
    """
    array = safe_pickle.load_npy(path)
    vectors = array.item() if array.shape == () else None
    if not isinstance(vectors, dict):
        raise WsssError(f"{path} is not a dict: expected one from image ids to vectors of 0 and 1")
    first = BACKGROUND if _begin_with_background(vectors, largest, data_set) else 1

    def read(image_id: str) -> np.ndarray | None:
        key = next((key for key in keys(image_id) if key in vectors), None)
        if key is None:
            return None
        vector = np.asarray(vectors[key])
        if vector.ndim != 1 or len(vector) + first <= largest or not np.isin(vector, (0, 1)).all():
            expected = f"a vector of 0 and 1 with at least {largest + 1 - first} entries"
            raise WsssError(f"{image_id}: its entry in {path} has shape {vector.shape}: expected {expected}")
        values = np.flatnonzero(vector) + first
        return values[values != BACKGROUND]

    return read


def _begin_with_background(vectors: dict, largest: int, data_set: int) -> bool:
    arrays = [np.asarray(vector) for vector in vectors.values()]
    if not arrays or any(array.ndim != 1 or len(array) <= largest or len(array) == data_set for array in arrays):
        return False
    return all(len(array) == data_set + 1 for array in arrays) or all(array[0] == 1 for array in arrays)
