"""Label maps and scores of a store as files for other programs."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from wsss.commands.positional import Out, Store
from wsss.commands.terminal import say
from wsss.runtime.errors import WsssError

if TYPE_CHECKING:
    from wsss.datasets.manifest import Row

Format = Literal["png", "grey", "overlay", "voc_server", "labelme", "coco", "cvat", "npz"]

SUFFIXES = {"coco": ".json", "cvat": ".zip"}
"""Of formats that are one file."""

PICTURES = {"png": ".png", "grey": ".png", "overlay": ".jpg", "voc_server": ".png"}
"""Suffixes of formats whose files could be those of photographs or masks of the run, or of other ones."""

OF_PHOTOGRAPHS = ("overlay", "labelme", "coco")
"""Formats that name the photographs, or show them."""


def export(
    store: Store,
    out: Out = Path("masks"),
    /,
    *,
    as_: Annotated[Format, tyro.conf.arg(name="as")] = "png",
    images: Annotated[Path | None, tyro.conf.arg(metavar="PATH")] = None,
    maps: Literal["refined", "plain"] = "refined",
) -> None:
    """Write the label maps of a store, or its scores, in a format of other programs (docs/exchange.md).

    Where a run worked on smaller copies of large photographs, label maps have the size of the photographs.

    Args:
        store: predicted masks or pseudo masks, such as results/psa_val_masks.h5; for npz, scores.
        out: folder to write to; for coco and cvat the file.
        as_: png, VOC's masks; grey, the same without a palette, as PSA and IRN have them; overlay, photographs with
            their classes in colour; voc_server, for VOC's server; labelme, polygons; coco, run-length codes; cvat, its
            "segmentation mask 1.1"; npz, scores as arrays.
        images: manifest, which says where the photographs are; images.csv beside the store if none is given.
        maps: those after the CRF (plain ones where there was none), or those before it.
    """
    from wsss.stores.store import kind_of

    kind = kind_of(store)
    if as_ == "npz" and kind != "scores":
        raise WsssError(f"{store} holds {kind!r}: only scores are written as npz")
    if as_ != "npz" and kind not in ("masks", "pseudo_masks"):
        raise WsssError(f"{store} holds {kind!r}: only masks and pseudo_masks are label maps at the images' size")
    if as_ in SUFFIXES and out.suffix != SUFFIXES[as_]:
        raise WsssError(f"{out}: --as {as_} writes one file: give it a name that ends in {SUFFIXES[as_]}")
    if as_ == "npz":
        say(f"{out}: scores of {_scores(store, out)} images")
        return
    table = images or store.parent / "images.csv"
    count = _label_maps(store, kind, out, as_, _rows(table, needed=as_ in OF_PHOTOGRAPHS or images is not None), maps)
    say(f"{out}: {count} masks as {as_}; the values of the classes are those of classes.csv")


def _rows(table: Path, *, needed: bool) -> "dict[str, Row]":
    """The rows of the manifest by id; none where it is missing and not needed."""
    from wsss.datasets import manifest

    if needed and not table.exists():
        raise WsssError(f"{table} does not exist: give the manifest of the store's run by --images")
    return {row.id: row for row in manifest.read(table)} if table.exists() else {}


def _label_maps(store: Path, kind: str, out: Path, as_: Format, rows: "dict[str, Row]", maps: str) -> int:
    """Write label maps, and return how many."""
    from functools import partial

    from wsss.datasets import manifest
    from wsss.datasets.pictures import photograph_size, stretched
    from wsss.exchange import coco, cvat, labelme, marks, pictures
    from wsss.runtime.files import require_no_inputs
    from wsss.runtime.progress import track
    from wsss.stores.store import final_labels, read

    writers = {"coco": coco.writer, "cvat": cvat.writer, "labelme": partial(pictures.each, labelme.write)}
    for write in (pictures.png, pictures.grey, pictures.overlay, pictures.voc_server):
        writers[write.__name__] = partial(pictures.each, write)
    with read(store, kind) as source, writers[as_](out, source.classes) as add:
        if as_ in PICTURES:
            folder = out / pictures.OF_THE_SERVER if as_ == "voc_server" else out
            targets = [pictures.file_of(folder, image_id, PICTURES[as_]) for image_id in source]
            require_no_inputs(targets, manifest.files(rows.values()))
            marks.require_own(targets)
        for image_id in track(source, "export", total=len(source)):
            arrays, row = source[image_id], rows.get(image_id)
            labels = final_labels(arrays) if maps == "refined" else arrays["plain"]
            if row is None and as_ in OF_PHOTOGRAPHS:
                raise WsssError(f"{store}: {image_id!r} is not in the manifest: give that of its run by --images")
            if row:
                _require_same_photograph(row)
            if row and row.original:
                labels = stretched(labels, photograph_size(row.original))
            add(pictures.LabelMap(image_id, labels, (row.original or row.image) if row else None))
        return len(source)


def _require_same_photograph(row: "Row") -> None:
    """Refuse a photograph that is not the one that the run saw; one that is gone is asked for where it is needed."""
    from wsss.datasets.manifest import digest_of

    photograph, known = row.original or row.image, row.digest.partition("-")[0]
    if known and photograph.is_file() and digest_of(photograph) != known:
        raise WsssError(
            f"{photograph} was replaced since the run, whose label map is not of this photograph: rerun the stages"
            " images and training_images (snakemake --forcerun images training_images), and what made the label maps"
        )


def _scores(store: Path, out: Path) -> int:
    """Write each image's scores with what they mean, ID.npz, and return how many."""
    from zipfile import ZipFile

    import numpy as np

    from wsss.exchange import marks
    from wsss.exchange.pictures import file_of
    from wsss.runtime.files import whole_or_absent
    from wsss.runtime.progress import track
    from wsss.stores.store import read

    with read(store, "scores") as source:
        about = {"classes": source.classes.names, "mask_values": source.classes.mask_values}
        about |= {"stride": source.stride, "warped_px": source.warped_px}
        targets = {image_id: file_of(out, image_id, ".npz") for image_id in source}
        marks.require_own(targets.values())
        for image_id, path in track(targets.items(), "export", total=len(source)):
            with whole_or_absent(path) as partial:
                with partial.open("wb") as file:
                    np.savez_compressed(file, **source[image_id], size=source.size(image_id), **about)
                with ZipFile(partial, "a") as archive:
                    marks.mark_archive(archive)
        return len(source)
