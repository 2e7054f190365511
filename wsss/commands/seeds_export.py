"""SEC's cues as the files that its authors' code reads: a pickle and the list of its images."""

from pathlib import Path

from wsss.commands.positional import List, Pickle, Seeds
from wsss.runtime.errors import WsssError


def seeds_export(
    seeds: Seeds,
    pickle: Pickle,
    list_file: List,
    /,
    *,
    images: Path = Path("results/images.csv"),
) -> None:
    """Write a store of seeds as SEC's pickle and the list of its images, as SEC's own code reads them.

    Args:
        seeds: store of seeds.
        pickle: file to write.
        list_file: list to write, with a line "name.jpg number" for each image.
        images: manifest, for the tags.
    """
    import numpy as np

    from wsss.datasets import manifest
    from wsss.stores import store
    from wsss.stores.localization_cues import Cues, write

    if pickle.absolute() == list_file.absolute():
        raise WsssError(f"{pickle} is named for the cues and for their list: give two names")
    content = {}
    with store.read(seeds, "seeds") as source:
        for row in manifest.read(images, *manifest.TRAINING_SPLITS):
            tags = np.array([source.classes.names.index(name) for name in row.tags], np.uint8)
            values_of = source.classes.values_of
            content[row.id] = Cues(values_of(tags), values_of(source[row.id]["labels"]))
    write(pickle, content, list_file)
