"""Label maps as one file in COCO's format of annotations, with a run-length code for each image and class."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from wsss.datasets.instances import require_pycocotools
from wsss.exchange import marks
from wsss.exchange.pictures import Add, LabelMap
from wsss.labels import BACKGROUND, VOID, Classes
from wsss.runtime.files import whole_or_absent


@contextmanager
def writer(path: Path, classes: Classes) -> Iterator[Add]:
    """Categories have the numbers of the classes in masks, images 1, 2, …; background and void are left out.

    Raises:
        WsssError: there is a file already that no export has written.
    """
    require_pycocotools()
    marks.require_own([path])
    from pycocotools import mask as codes

    images: list[dict] = []
    annotations: list[dict] = []

    def add(image: LabelMap) -> None:
        height, width = image.labels.shape
        name = image.id + image.photograph.suffix
        images.append({"id": len(images) + 1, "file_name": name, "height": height, "width": width})
        for label in sorted({*np.unique(image.labels).tolist()} - {BACKGROUND, VOID}):
            code = codes.encode(np.asfortranarray(image.labels == label, np.uint8))
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": len(images),
                    "category_id": classes.mask_values[label],
                    "segmentation": {"size": [height, width], "counts": code["counts"].decode("ascii")},
                    "area": int(codes.area(code)),
                    "bbox": codes.toBbox(code).tolist(),
                    "iscrowd": 0,
                }
            )

    yield add
    named = zip(classes.foreground, classes.mask_values[1:], strict=True)
    categories = [{"id": value, "name": name, "supercategory": ""} for name, value in named]
    content = {"images": images, "annotations": annotations, "categories": categories}
    with whole_or_absent(path) as partial:
        partial.write_bytes(marks.marked(json.dumps(content, ensure_ascii=False).encode()))
