"""Photographs of one size, gathered so that a GPU sees several at once."""

import math
from collections import defaultdict
from collections.abc import Callable, Iterator

import numpy as np
from jaxtyping import UInt8
from torch import Tensor

from wsss.datasets import manifest, pictures
from wsss.datasets.manifest import Row
from wsss.runtime import machine

Photograph = UInt8[np.ndarray, "height width 3"]

WINDOW = 4
"""How many of the largest batches the photographs would make among which those of one size are sought."""


def of_each(
    function: Callable[[UInt8[np.ndarray, "batch height width 3"]], Tensor],
    rows: list[Row],
    shard: str,
    *,
    scales: tuple[float, ...],
    warped_px: int = 0,
) -> Iterator[tuple[Row, Photograph, Tensor]]:
    """What a function makes of the photograph of each row of a shard, in the order of the rows.

    On a CPU each photograph goes to the function alone. On a GPU photographs of one size go together, and by a rule
    that does not know of shards: the whole list is cut into windows of consecutive rows, and the photographs of one
    size in a window into batches. A batch that lies in two shards is computed for both. So a photograph is always in
    the same place of the same batch, and its result has the same bits (`machine.exact`), however many shards there are;
    alone, or in another batch, it would differ by rounding, since another kernel may be chosen.

    Args:
        function: from photographs of one size to a tensor, whose first axis they are; it must look at each by itself.
        rows: the whole list.
        shard: part of it, such as 2-of-3.
        scales: resize factors by which photographs go through a network; the largest one decides how many fit.
        warped_px: side of the square to which photographs are warped for the function; 0: none are.

    Returns:
        The row, its photograph as it was read, and the function's result.
    """
    own = manifest.places(len(rows), shard)
    most = machine.batch_size()
    length = WINDOW * most if most > 1 else 1
    for start in range(own.start - own.start % length, own.stop, length):
        window = range(start, min(start + length, len(rows)))
        photographs = {place: pictures.photograph_of(rows[place]) for place in window}
        results = {}
        for batch in _batches(photographs, scales=scales, warped_px=warped_px):
            if any(place in own for place in batch):
                given = np.stack([pictures.as_given(photographs[place], warped_px) for place in batch])
                with machine.exact():
                    results |= zip(batch, function(given), strict=True)
        for place in window:
            if place in own:
                yield rows[place], photographs[place], results.pop(place)


def _batches(photographs: dict[int, Photograph], *, scales: tuple[float, ...], warped_px: int) -> Iterator[list[int]]:
    """The places of photographs of one size, in order, as many as may go together."""
    by_size = defaultdict(list)
    for place, photograph in photographs.items():
        by_size[(warped_px, warped_px) if warped_px else photograph.shape[:2]].append(place)
    for (height, width), places in by_size.items():
        count = machine.batch_size(math.ceil(2 * height * width * max(scales) ** 2))  # with mirror images
        yield from (places[first : first + count] for first in range(0, len(places), count))
