"""Pseudo masks of other programs, from which the pipeline goes on."""

from pathlib import Path

from wsss.commands.positional import Folder
from wsss.runtime.errors import WsssError, refuse


def pseudo_masks_import(
    folder: Folder,
    /,
    *,
    images: Path = Path("results/images.csv"),
    classes_table: Path = Path("results/classes.csv"),
    out: Path = Path("results/imported_pseudo_masks.h5"),
) -> None:
    """Turn label maps in pictures into a store of pseudo masks, which `pseudo_masks_store` in config.yaml names.

    Args:
        folder: the masks, ID.png, in any form in which true masks are read (docs/masks.md).
        images: manifest; each image of the splits train, extra and crf_fit needs a mask of its size, or of the size of
            the photograph of which it is a copy.
        classes_table: the classes.
        out: store to write.
    """
    from wsss.datasets import manifest, masks
    from wsss.datasets.pictures import photograph_size, stretched
    from wsss.runtime.progress import track
    from wsss.stores import store

    classes = manifest.read_classes(classes_table)
    rows = manifest.read(images, *manifest.CUE_SPLITS)
    manifest.require_classes(rows, classes, classes_table)
    files = {row.id: masks.find(folder, row.id) for row in rows}
    if missing := [path for path in files.values() if not path.exists()]:
        raise WsssError(f"{folder} has no masks of {len(missing)} of {len(rows)} images, e.g. {missing[0]}: add them")
    problems: list[str] = []
    with store.create(out, "pseudo_masks", classes=classes, settings={}, inputs={"images": images}) as target:
        for row in track(rows, "pseudo_masks_import", total=len(rows)):
            path, size = files[row.id], photograph_size(row.image)
            mask = masks.read(path, classes)
            if row.original and mask.shape == photograph_size(row.original):
                mask = stretched(mask, size)
            if mask.shape != size:
                problems.append(f"{path} has {mask.shape} pixels, its photograph {size}: make it again at that size")
            elif problem := masks.problem(path, mask, classes):
                problems.append(problem)
            else:
                target.add(row.id, size, plain=classes.indices_of(mask))
        refuse(problems, f"the masks in {folder} cannot be used")
