"""What a store of label maps shows: all that can be said of them without true masks."""

from dataclasses import dataclass

import numpy as np

from wsss.labels import BACKGROUND
from wsss.stores.store import Reader, final_labels


@dataclass(frozen=True)
class Shares:
    """How much of a store's label maps each class covers.

    Attributes:
        maps: number of label maps.
        empty: number of those that show the background alone.
        of_classes: share of each class among all pixels, by name; void has the rest.
    """

    maps: int
    empty: int
    of_classes: dict[str, float]


def counted(source: Reader) -> Shares:
    """The shares in a store of masks or pseudo masks, from the final label map of each image."""
    counts, empty = np.zeros(256, int), 0
    for image_id in source:
        found = np.bincount(final_labels(source[image_id]).ravel(), minlength=256)
        counts += found
        empty += int(found[BACKGROUND] == found.sum())
    names = source.classes.names
    shares = counts[: len(names)] / max(1, counts.sum())
    return Shares(len(source), empty, dict(zip(names, shares.tolist(), strict=True)))
