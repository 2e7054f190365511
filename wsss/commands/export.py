"""Label maps of a store as files for other programs."""

from pathlib import Path
from typing import Literal

from wsss.commands.positional import Folder, Store
from wsss.commands.terminal import say
from wsss.runtime.errors import WsssError


def export(
    store: Store,
    folder: Folder = Path("masks"),
    /,
    *,
    maps: Literal["refined", "plain"] = "refined",
) -> None:
    """Write the label maps of a store as PNG files, as VOC has its masks: ID.png, with the classes' own values.

    Where a run worked on smaller copies of large photographs, masks have the size of the photographs; which these are,
    is read from images.csv beside the store.

    Args:
        store: predicted masks or pseudo masks, such as results/psa_val_masks.h5.
        folder: where to write them.
        maps: those after the CRF (plain ones where there was none), or those before it.
    """
    from wsss.datasets import manifest
    from wsss.datasets.pictures import photograph_size, stretched, write_mask
    from wsss.runtime.progress import track
    from wsss.stores.store import final_labels, kind_of, read

    kind = kind_of(store)
    if kind not in ("masks", "pseudo_masks"):
        raise WsssError(f"{store} holds {kind!r}: only masks and pseudo_masks are label maps at the images' size")
    table = store.parent / "images.csv"
    originals = {row.id: row.original for row in manifest.read(table) if row.original} if table.exists() else {}
    written = 0
    with read(store, kind) as source:
        for image_id in track(source, "export", total=len(source)):
            arrays = source[image_id]
            labels = final_labels(arrays) if maps == "refined" else arrays["plain"]
            path = folder / f"{image_id}.png"  # an id may have folders
            path.parent.mkdir(parents=True, exist_ok=True)
            if image_id in originals:
                labels = stretched(labels, photograph_size(originals[image_id]))
            write_mask(path, source.classes.values_of(labels))
            written += 1
    say(f"{folder}: {written} masks; their values are those of classes.csv")
