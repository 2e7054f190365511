"""Label maps of photographs that no run has seen."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from wsss.commands.positional import positional
from wsss.commands.terminal import say
from wsss.runtime.errors import WsssError

if TYPE_CHECKING:
    from wsss.results.inference import Predictor
    from wsss.results.refinement import Scored

Network = positional(Path, "NETWORK")
Photographs = positional(tuple[str, ...], "PHOTOGRAPHS")

AREAS = "areas.csv"
OVERLAY = ".overlay.jpg"
"""How the names of photographs with their classes in colour end."""


def predict(
    network: Network,
    photographs: Photographs,
    /,
    *,
    out: Path = Path("predictions"),
    overlays: bool = False,
    coco: Path | None = None,
    crf: bool = True,
) -> None:
    """Label photographs with a trained segmenter, with the scales, the image-level prior and the CRF of its run.

    Masks are written as PNG files with VOC's palette under the photographs' own names, and areas.csv lists how much of
    each photograph each class covers. Photographs that cannot be read are listed at the end, with exit status 1.

    Args:
        network: a segmenter, such as results/psa_segmenter.safetensors.
        photographs: files, folders (with the folders in them), patterns such as 'new/*.jpg', or a CSV with a column
            file_name.
        out: folder to write to.
        overlays: whether to write each photograph with its classes in colour, too.
        coco: file for all masks in COCO's format (JSON, run-length codes), too.
        crf: whether a CRF refines the labels.
    """
    from contextlib import ExitStack
    from functools import partial

    from wsss.datasets import pictures
    from wsss.exchange import coco as coco_format
    from wsss.exchange.pictures import LabelMap
    from wsss.results.inference import Predictor
    from wsss.results.refinement import label_maps
    from wsss.runtime.files import require_no_inputs
    from wsss.runtime.parallel import mapped
    from wsss.runtime.progress import LOG, track
    from wsss.stores.store import final_labels

    found = dict(_found(photographs, out))
    suffixes = (".png", OVERLAY) if overlays else (".png",)
    masks = [out / f"{name}{suffix}" for name in found for suffix in suffixes]
    require_no_inputs([*masks, out / AREAS, *([coco] if coco else [])], [*found.values(), *map(Path, photographs)])
    predictor = Predictor(network, crf=crf)
    classes = predictor.about.classes
    LOG.info("predict: scales, prior and CRF are those of %s", predictor.settings.source)
    bad: list[str] = []
    refine = partial(label_maps, parameters=predictor.crf, potentials=predictor.settings.potentials)
    rows = []
    with ExitStack() as stack:
        add = stack.enter_context(coco_format.writer(coco, classes)) if coco else None
        for scored, maps in track(mapped(refine, _scored(predictor, found, bad)), "predict", total=len(found)):
            original = pictures.read_photograph(found[scored.id])
            labels = pictures.stretched(final_labels(maps), original.shape[:2])
            path = out / f"{scored.id}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            pictures.write_mask(path, classes.values_of(labels))
            if overlays:
                pictures.write_photograph(out / f"{scored.id}{OVERLAY}", pictures.overlaid(original, labels, classes))
            if add:
                add(LabelMap(scored.id, labels, found[scored.id]))
            rows.append([str(found[scored.id]), *_shares(labels, len(classes.names))])
    if rows:
        _write_areas(out / AREAS, classes.names, rows)
    values = ", ".join(f"{value} {name}" for name, value in zip(classes.names, classes.mask_values, strict=True))
    say(f"{out}: {len(rows)} masks; their values are {values}")
    if bad:
        for line in bad:
            LOG.error("%s", line)
        LOG.error("error: %d of %d photographs could not be labelled", len(bad), len(found))
        sys.exit(1)


def _scored(predictor: "Predictor", found: dict[str, Path], bad: list[str]) -> "Iterator[Scored]":
    """The photographs with their probabilities; those that cannot be read are passed over and noted."""
    from wsss.datasets import pictures

    for name, path in found.items():
        try:
            photograph = pictures.read_photograph(path)
        except WsssError as error:
            bad.append(str(error))
            continue
        yield predictor.scored(name, photograph)


def _found(words: tuple[str, ...], out: Path) -> Iterator[tuple[str, Path]]:
    """The name of each mask, and its photograph; a name is the path below the folder that was given.

    Masks that an earlier call wrote to a folder below that one are no photographs.

    Raises:
        WsssError: nothing is given, a word names nothing, or two photographs would have masks of one name.
    """
    from wsss.datasets import checks, folder

    if not words:
        raise WsssError("no photographs are given: name files, folders, patterns or a CSV after the network")
    seen: dict[str, Path] = {}
    for word in words:
        for name, path in folder.named(word, masks=out):
            if checks.odd_characters(name):
                raise WsssError(f"{str(path)!a} has line ends or bytes that are no UTF-8 in its name: rename it")
            if name in seen and seen[name] != path:
                raise WsssError(
                    f"{seen[name]} and {path} would both have the mask {name}.png: label them into two folders"
                )
            if name not in seen:
                seen[name] = path
                yield name, path


def _shares(labels: object, classes: int) -> list[str]:
    """The share of the pixels of each class."""
    import numpy as np

    counts = np.bincount(labels.ravel(), minlength=classes)[:classes]
    return [f"{count / labels.size:.4f}" for count in counts]


def _write_areas(path: Path, names: tuple[str, ...], rows: list[list[str]]) -> None:
    import csv

    from wsss.labels import FILE_NAME
    from wsss.runtime.files import whole_or_absent

    with whole_or_absent(path) as partial, partial.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows([[FILE_NAME, *names], *rows])
