"""A contact sheet of a store."""

from pathlib import Path
from typing import Annotated

import tyro

from wsss.commands.positional import Store
from wsss.commands.terminal import say
from wsss.runtime.errors import WsssError


def sheet(
    store: Store,
    /,
    *,
    count: int = 60,
    label: Annotated[str, tyro.conf.arg(name="class")] = "",
    images: Path = Path("results/images.csv"),
    picture: Path = Path("sheet.png"),
) -> None:
    """Draw many images of a store on one sheet: label maps over the photographs, or activation maps.

    Args:
        store: a store (.h5), such as results/pseudo_masks.h5.
        count: largest number of images, evenly spaced.
        label: name of a class; only images that are tagged with it are drawn. Empty: all images.
        images: manifest, where the photographs and tags are found.
        picture: picture to write, in any format of matplotlib's.
    """
    import numpy as np

    from wsss.datasets import manifest
    from wsss.datasets.pictures import overlaid, read_photograph
    from wsss.results import figures, panels
    from wsss.results.evaluation import at_pixels
    from wsss.runtime.files import require_no_inputs
    from wsss.stores.store import kind_of, read

    if count < 1:
        raise WsssError(f"--count is {count}: give the number of images to draw, at least 1")
    kind = kind_of(store)
    with read(store, kind) as source:
        if label and label not in source.classes.names:
            raise WsssError(f"{store} has no class {label!r}: its classes are {', '.join(source.classes.names)}")
        there, listed = set(source), manifest.read(images)
        require_no_inputs([picture], manifest.files(listed))
        rows = [row for row in listed if row.id in there and (not label or label in row.tags)]
        if not rows:
            what = f"tagged {label!r}" if label else f"that {images} lists"
            raise WsssError(f"{store} holds no image {what}")
        drawn = []
        for row in manifest.evenly(rows, count):
            photograph = read_photograph(row.image)
            _, array = panels.summarised(kind, source.fitting(row.id, photograph.shape[:2]))
            one = figures.Panels("")
            if array.dtype == np.uint8:
                labels = at_pixels(array, photograph.shape[:2], source)
                one.pictures[row.id] = overlaid(photograph, labels, source.classes)
                one.classes |= set(np.unique(labels).tolist())
            else:
                panels.add(one, row.id, array, photograph, source)
            drawn.append(one)
        columns = min(len(drawn), 8)
        figures.write(picture, {f"{store} {label}".strip(): drawn}, source.classes, columns=columns)
    say(f"{picture}: {len(drawn)} of {len(rows)} images")
