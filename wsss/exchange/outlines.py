"""The regions of a label map as polygons."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Int64, UInt8

from wsss.labels import BACKGROUND

AHEAD = ((0, 1), (1, 0), (0, -1), (-1, 0))
"""(dy, dx) along the upper, right, lower and left side of a pixel, clockwise."""


class Region(NamedTuple):
    """Pixels of one label that are connected by their sides."""

    label: int
    outline: Int64[np.ndarray, "points 2"]
    """(x, y) of pixels along the outer border, clockwise; what is in holes counts as inside."""


def regions(labels: UInt8[np.ndarray, "height width"]) -> list[Region]:
    """The regions of a label map, larger ones first: drawn one over another on background, they give the map again.

    Of the background only regions that are enclosed are needed, and given.
    """
    found = sorted(_boxed(labels), key=lambda entry: -entry[0])
    return [region for _, region in found]


def _boxed(labels: np.ndarray) -> Iterator[tuple[int, Region]]:
    """Each region with the area of its box, which is larger than that of any region in its holes."""
    from scipy import ndimage

    height, width = labels.shape
    for label in np.unique(labels).tolist():
        parts, _ = ndimage.label(labels == label)
        for number, (rows, columns) in enumerate(ndimage.find_objects(parts), 1):
            at_border = 0 in (rows.start, columns.start) or rows.stop == height or columns.stop == width
            if label == BACKGROUND and at_border:
                continue
            outline = traced(parts[rows, columns] == number) + [columns.start, rows.start]
            yield (rows.stop - rows.start) * (columns.stop - columns.start), Region(label, outline)


def traced(region: Bool[np.ndarray, "height width"]) -> Int64[np.ndarray, "points 2"]:
    """(x, y) of the pixels along the outer border of a region that its sides connect, where the border turns.

    The border is followed along the sides of its pixels, with the region to the right. A region of one pixel, or of a
    line of them, has three points at least, as programs expect it of a polygon.
    """
    inside = np.pad(region, 1).tolist()
    start = (1, 1 + int(region[0].argmax()))
    (y, x), side, path = start, 0, [start]
    while True:
        dy, dx = AHEAD[side]
        left_y, left_x = AHEAD[side - 1]
        if not inside[y + dy][x + dx]:
            side = (side + 1) % 4
        else:
            y, x = y + dy, x + dx
            if inside[y + left_y][x + left_x]:
                y, x, side = y + left_y, x + left_x, (side - 1) % 4
            path.append((y, x))
        if (y, x) == start and side == 0:
            break
    points = np.array(path)[:, ::-1] - 1
    if len(points) > 1:
        points = points[:-1]  # the start is met again
    before, after = points - np.roll(points, 1, 0), np.roll(points, -1, 0) - points
    corners = points[(before != after).any(1)] if len(points) > 1 else points
    return np.concatenate([corners, np.repeat(corners[:1], max(0, 3 - len(corners)), 0)])
