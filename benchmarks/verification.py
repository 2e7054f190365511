"""What it costs that a store's arrays are checked when they are read: share of the time of reading them.

    PYTHONPATH=. python benchmarks/verification.py

Label maps and score maps of the size of VOC's images, made up. Medians of CPU time of one run, in turns.
"""

import tempfile
from pathlib import Path
from unittest import mock

import numpy as np
import tyro
from stores import VOC, both_labels, cam, scores
from timing import median_times

from wsss.stores import store

MAKERS = {"cams": cam, "scores": scores, "masks": both_labels}


def main(images: int = 20, height: int = 375, width: int = 500, repeats: int = 9) -> None:
    """Print a line a kind of store."""
    with tempfile.TemporaryDirectory() as folder:
        for kind, make in MAKERS.items():
            path = Path(folder) / f"{kind}.h5"
            rng = np.random.default_rng(0)
            with store.create(path, kind, classes=VOC, settings={}, inputs={}) as target:
                for number in range(images):
                    target.add(str(number), (height, width), **make(rng, (height, width), noise=0.02))

            def read(path: Path = path, kind: str = kind) -> None:
                with store.read(path, kind) as source:
                    for image_id in source:
                        source[image_id]

            def unchecked(read: object = read) -> None:
                fitting = mock.MagicMock(__eq__=lambda *_: True, __ne__=lambda *_: False)
                with mock.patch.object(store, "_digest_of", lambda *_: fitting):
                    read()

            times = median_times({"unchecked": unchecked, "checked": read}, repeats)
            more = times["checked"] / times["unchecked"] - 1
            print(
                f"{kind:<8} {1000 * times['checked'] / images:6.2f} ms an image, {100 * more:4.1f} % of it for checking"
            )


if __name__ == "__main__":
    tyro.cli(main)
