"""Label maps as polygons for labelme, a JSON file an image."""

import json
import os
from pathlib import Path

from wsss.exchange.outlines import Region, regions
from wsss.exchange.pictures import LabelMap, file_of
from wsss.labels import BACKGROUND, VOID, Classes
from wsss.runtime.errors import WsssError
from wsss.runtime.files import whole_or_absent

VERSION = "5.4.1"
"""Of labelme, whose fields these are."""

NO_CLASS = {BACKGROUND: "_background_", VOID: "__ignore__"}
"""Labelme's words for what is no object."""


def write(folder: Path, classes: Classes, image: LabelMap) -> None:
    """ID.json; labelme draws its polygons in their order, so that enclosed regions lie on top of what encloses them.

    Raises:
        WsssError: the file is there already.
    """
    path = file_of(folder, image.id, ".json")
    if path.exists():
        raise WsssError(f"{path} is there already and may hold work by hand: remove it, or give another folder")
    height, width = image.labels.shape
    content = {
        "version": VERSION,
        "flags": {},
        "shapes": [_shape(region, classes) for region in regions(image.labels)],
        "imagePath": Path(os.path.relpath(image.photograph, path.parent)).as_posix(),
        "imageData": None,
        "imageHeight": height,
        "imageWidth": width,
    }
    with whole_or_absent(path) as partial:
        partial.write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")


def _shape(region: Region, classes: Classes) -> dict:
    name = NO_CLASS.get(region.label) or classes.names[region.label]
    points = region.outline.astype(float).tolist()
    return {"label": name, "points": points, "group_id": None, "shape_type": "polygon", "flags": {}}
