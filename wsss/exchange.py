"""Commands for people: SEC's cues from and to the files of its authors, the pickle and the list of its images."""

from pathlib import Path
from typing import Annotated

import tyro

from wsss.errors import WsssError

File = Annotated[Path, tyro.conf.Positional]


def seeds_import(
    pickle: File,
    list_file: File,
    seeds: File = Path("results/imported_seeds.h5"),
    /,
    *,
    images: Path = Path("results/images.csv"),
    classes_table: Path = Path("results/classes.csv"),
    cells: int = 41,
) -> None:
    """Turn cues such as SEC's localization_cues.pickle into a store of seeds, which `sec_seeds` in config.yaml names.

    Nothing in the pickle is executed. Its class numbers are the values of the classes in the masks, as in VOC.

    Args:
        pickle: the cues.
        list_file: its list of images, with a line "name.jpg number" for each.
        seeds: store to write.
        images: manifest; each image of the splits train and extra needs cues. Those of classes that its tags lack are
            left out, since the other losses drive these classes out.
        classes_table: the classes.
        cells: side of the cues' grid.
    """
    import numpy as np

    from wsss import localization_cues, manifest, store
    from wsss.labels import VOID
    from wsss.pictures import photograph_size
    from wsss.progress import LOG, track

    classes = manifest.read_classes(classes_table)
    rows = manifest.read(images, *manifest.TRAINING_SPLITS)
    found = localization_cues.read(pickle, localization_cues.read_list(list_file), classes=VOID, size=(cells, cells))
    if missing := [row.id for row in rows if row.id not in found]:
        raise WsssError(f"{pickle} has no cues for {len(missing)} of {len(rows)} images, e.g. {missing[0]}")
    ranks = np.full(256, VOID, np.uint8)
    ranks[list(classes.mask_values)] = np.arange(len(classes.mask_values))
    dropped = 0
    with store.create(
        seeds, "seeds", classes=classes, settings={"cells": cells}, inputs={"images": images, "pickle": pickle}
    ) as target:
        for row in track(rows, "seeds_import", total=len(rows)):
            labels = found[row.id].labels
            unknown = np.setdiff1d(labels, [*classes.mask_values, VOID])
            if len(unknown):
                raise WsssError(f"{pickle}: {row.id} has cues of class {unknown[0]}, which {classes_table} lacks")
            tagged = [0, *(classes.names.index(name) for name in row.tags), VOID]
            kept = np.isin(ranks[labels], tagged)
            dropped += not kept.all()
            target.add(row.id, photograph_size(row.image), labels=np.where(kept, ranks[labels], VOID).astype(np.uint8))
    if dropped:
        LOG.info("seeds_import: of %d images seeds were left out, of classes that their tags lack", dropped)


def seeds_export(seeds: File, pickle: File, list_file: File, /, *, images: Path = Path("results/images.csv")) -> None:
    """Write a store of seeds as SEC's pickle and the list of its images, as SEC's own code reads them.

    Args:
        seeds: store of seeds.
        pickle: file to write.
        list_file: list to write, with a line "name.jpg number" for each image.
        images: manifest, for the tags.
    """
    import numpy as np

    from wsss import manifest, store
    from wsss.labels import VOID
    from wsss.localization_cues import Cues, write

    content = {}
    with store.read(seeds, "seeds") as source:
        values = np.full(256, VOID, np.uint8)
        values[: len(source.classes.mask_values)] = source.classes.mask_values
        for row in manifest.read(images, *manifest.TRAINING_SPLITS):
            tags = np.array([values[source.classes.names.index(name)] for name in row.tags], np.uint8)
            content[row.id] = Cues(tags, values[source[row.id]["labels"]])
    write(pickle, content, list_file)
