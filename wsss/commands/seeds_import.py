"""SEC's cues from the files of its authors: a pickle and the list of its images."""

from pathlib import Path

from wsss.commands.positional import List, OptionalSeeds, Pickle
from wsss.runtime.errors import WsssError


def seeds_import(
    pickle: Pickle,
    list_file: List,
    seeds: OptionalSeeds = Path("results/imported_seeds.h5"),
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

    from wsss.datasets import manifest
    from wsss.datasets.pictures import photograph_size
    from wsss.labels import VOID
    from wsss.runtime.progress import LOG, track
    from wsss.stores import localization_cues, store

    classes = manifest.read_classes(classes_table)
    rows = manifest.read(images, *manifest.TRAINING_SPLITS)
    manifest.require_classes(rows, classes, classes_table)
    found = localization_cues.read(pickle, localization_cues.read_list(list_file), classes=VOID, size=(cells, cells))
    if missing := [row.id for row in rows if row.id not in found]:
        raise WsssError(f"{pickle} has no cues for {len(missing)} of {len(rows)} images, e.g. {missing[0]}: add them")
    dropped = 0
    with store.create(
        seeds, "seeds", classes=classes, settings={"cells": cells}, inputs={"images": images, "pickle": pickle}
    ) as target:
        for row in track(rows, "seeds_import", total=len(rows)):
            try:
                labels = classes.indices_of(found[row.id].labels)
            except WsssError as error:
                raise WsssError(f"{pickle}: {row.id}: {error} of {classes_table}: correct one of them") from error
            tagged = [0, *(classes.names.index(name) for name in row.tags), VOID]
            kept = np.isin(labels, tagged)
            dropped += not kept.all()
            target.add(row.id, photograph_size(row.image), labels=np.where(kept, labels, VOID).astype(np.uint8))
    if dropped:
        LOG.info("seeds_import: of %d images seeds were left out, of classes that their tags lack", dropped)
