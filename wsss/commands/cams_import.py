"""Class activation maps of other programs, from which the pipeline goes on."""

from pathlib import Path
from typing import TYPE_CHECKING

from wsss.commands.positional import Folder
from wsss.runtime.errors import WsssError

if TYPE_CHECKING:
    import torch


def cams_import(
    folder: Folder,
    /,
    *,
    images: Path = Path("results/images.csv"),
    classes_table: Path = Path("results/classes.csv"),
    out: Path = Path("results/imported_cams.h5"),
    stride: int = 4,
) -> None:
    """Turn activation maps in PSA's or IRN's format into a store of CAMs, which `cams_store` in config.yaml names.

    Maps may have any size. Each is divided by its maximum; what is negative counts as 0. Nothing in a file is executed.

    Args:
        folder: the maps, ID.npy or ID.npz: dicts of PSA, from classes to maps, or of IRN, with keys, cam and high_res.
            Class k has the value k + 1 in the masks, as in VOC.
        images: manifest; each image of the splits train, extra and crf_fit needs a file. Of classes that its tags lack,
            maps are left out; a class of its tags without a map gets one of zeros.
        classes_table: the classes.
        out: store to write.
        stride: input pixels for each cell of the stored maps.
    """
    import numpy as np
    import torch

    from wsss.datasets import manifest
    from wsss.datasets.pictures import photograph_size
    from wsss.exchange import cams
    from wsss.maths import cam, grid
    from wsss.runtime.progress import LOG, track
    from wsss.stores import store

    if stride < 1:
        raise WsssError(f"--stride is {stride}: give the pixels of a cell, 1 or more")
    classes = manifest.read_classes(classes_table)
    rows = manifest.read(images, *manifest.CUE_SPLITS)
    manifest.require_classes(rows, classes, classes_table)
    files = {row.id: cams.find(folder, row.id) for row in rows}
    if missing := [image_id for image_id, file in files.items() if file is None]:
        raise WsssError(
            f"{folder} has no maps of {len(missing)} of {len(rows)} images, e.g. {missing[0]}.npy: add them"
        )
    used = untagged = empty = 0
    with store.create(out, "cams", classes=classes, settings={"stride": stride}, inputs={"images": images}) as target:
        for row in track(rows, "cams_import", total=len(rows)):
            size = photograph_size(row.image)
            cells = grid.cells(size, stride)
            found = cams.read(files[row.id], cells)
            present = np.array([classes.names.index(name) for name in row.tags], np.uint8)
            maps = torch.zeros(len(present), *cells)
            for index, label in enumerate(present.tolist()):
                if (values := found.pop(classes.mask_values[label] - 1, None)) is not None:
                    maps[index] = _on_grid(torch.from_numpy(values), size, stride)
                    used += 1
                else:
                    empty += 1
            untagged += len(found)
            target.add(row.id, size, cam=cam.normalised(maps.clamp(min=0)).half().numpy(), classes=present)
        if not used:
            raise WsssError(
                f"{folder} has no map of any class in the tags of {images}: are its classes counted from 0?"
            )
    LOG.info("cams_import: %d maps; %d of classes that tags lack left out; %d tags have none", used, untagged, empty)


def _on_grid(values: "torch.Tensor", size: tuple[int, int], stride: int) -> "torch.Tensor":
    """A map of any size on the grid of an image of `size` (height, width)."""
    from torch.nn.functional import interpolate

    from wsss.maths import grid

    if tuple(values.shape) == grid.cells(size, stride):
        return values
    if tuple(values.shape) != size:
        values = interpolate(values[None, None], size, mode="bilinear", antialias=True)[0, 0]
    return grid.pooled(values[None], stride=stride)[0]
