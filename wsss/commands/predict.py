"""Label maps of photographs that no run has seen."""

import errno
import glob
import sys
from collections.abc import Iterator
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING

from wsss.commands.positional import positional
from wsss.commands.terminal import say
from wsss.runtime.errors import WsssError

if TYPE_CHECKING:
    import numpy as np

    from wsss.exchange.pictures import LabelMap
    from wsss.labels import Classes
    from wsss.results.inference import Predictor
    from wsss.results.refinement import Scored

Network = positional(Path, "NETWORK")
Photographs = positional(tuple[str, ...], "PHOTOGRAPHS")

AREAS = "areas.csv"
OVERLAY = ".overlay.jpg"
"""How the names of photographs with their classes in colour end."""

LEFT_OUT = "predict: %s is left out: it holds masks that an earlier call has written"

AMONG_PHOTOGRAPHS = (
    "{out} holds photographs, such as {path}, from which masks could not be told: give another folder by --out"
)


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
    each photograph each class covers. Photographs that cannot be read, or whose names are too long for a mask's, are
    listed at the end, with exit status 1.

    Args:
        network: a segmenter, such as results/psa_segmenter.safetensors.
        photographs: files, folders (with the folders in them), patterns such as 'new/*.jpg', or a CSV with a column
            file_name.
        out: folder to write to, another one than that of the photographs.
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
    from wsss.runtime.parallel import mapped
    from wsss.runtime.progress import LOG, track
    from wsss.stores.store import final_labels

    found, bad = _found(photographs, out)
    count = len(found) + len(bad)
    suffixes = (".png", OVERLAY) if overlays else (".png",)
    masks = [out / f"{name}{suffix}" for name in found for suffix in suffixes]
    _require_free([*masks, *([coco] if coco else [])], out / AREAS, inputs=[*found.values(), *map(Path, photographs)])
    predictor = Predictor(network, crf=crf)
    classes = predictor.about.classes
    LOG.info("predict: scales, prior and CRF are those of %s", predictor.settings.source)
    refine = partial(label_maps, parameters=predictor.crf, potentials=predictor.settings.potentials)
    rows = []
    with ExitStack() as stack:
        add = stack.enter_context(coco_format.writer(coco, classes)) if coco else None
        for scored, maps in track(mapped(refine, _scored(predictor, found, bad)), "predict", total=len(found)):
            original = pictures.read_photograph(found[scored.id])
            labels = pictures.stretched(final_labels(maps), original.shape[:2])
            image = LabelMap(scored.id, labels, found[scored.id])
            if not _written(out, classes, image, original if overlays else None):
                bad.append(f"{image.photograph}: its name is too long for that of a mask: give it a shorter one")
                continue
            if add:
                add(image)
            rows.append([str(found[scored.id]), *_shares(labels, len(classes.names))])
    if rows:
        _write_areas(out / AREAS, classes.names, rows)
    values = ", ".join(f"{value} {name}" for name, value in zip(classes.names, classes.mask_values, strict=True))
    say(f"{out}: {len(rows)} masks; their values are {values}")
    if bad:
        for line in bad:
            LOG.error("%s", line)
        LOG.error("error: %d of %d photographs could not be labelled", len(bad), count)
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


def _found(words: tuple[str, ...], out: Path) -> tuple[dict[str, Path], list[str]]:
    """The photograph of each mask's name, which is its path below the folder that was given, and what is passed over.

    Of two files that would have one mask, that without the suffix of a photograph is passed over, such as a table of
    the camera beside its photograph.

    Raises:
        WsssError: nothing is given, a word names nothing, two photographs would have masks of one name, or masks would
            lie among photographs.
    """
    from wsss.datasets import checks
    from wsss.exchange.marks import is_own

    if not words:
        raise WsssError("no photographs are given: name files, folders, patterns or a CSV after the network")
    _require_no_photographs_in(out, words)
    found: dict[str, Path] = {}
    passed: dict[Path, str] = {}
    for name, path in (pair for word in words for pair in _named(word, out, alone=len(words) == 1)):
        if checks.odd_characters(name):
            raise WsssError(f"{str(path)!a} has line ends or bytes that are no UTF-8 in its name: rename it")
        if path.parent.resolve() == out.resolve():
            if path.is_file() and is_own(path):  # by a call that was killed before it wrote the table of areas
                continue
            raise WsssError(AMONG_PHOTOGRAPHS.format(out=out, path=path))
        other = found.setdefault(name, path)
        if other == path:
            continue
        if _is_called_a_picture(path) and _is_called_a_picture(other):
            raise WsssError(f"{other} and {path} would both have the mask {name}.png: label them into two folders")
        kept, left = (path, other) if _is_called_a_picture(path) else (other, path)
        found[name] = kept
        passed[left] = name
    if not found:
        raise WsssError(f"no photographs are given: {', '.join(words)} holds what wsss predict has written")
    return found, [
        f"{left} is passed over: the mask {name}.png is that of {found[name]}" for left, name in passed.items()
    ]


def _named(word: str, out: Path, *, alone: bool) -> Iterator[tuple[str, Path]]:
    """Name and file of the photographs that a word gives, but what predict wrote to folders that it only leads to.

    Args:
        word: one of the words of the command line.
        out: the folder to write to.
        alone: whether it is the only word: else a folder may be one of many that a shell made of a pattern.
    """
    from wsss.datasets import folder
    from wsss.runtime.progress import LOG

    root = Path(word)
    if root.is_dir() and not alone and (_holds_masks(root) or root.resolve() == out.resolve()):
        LOG.info(LEFT_OUT, root)
        return
    if not root.exists():  # a pattern, which leads from its first placeholder on
        root = Path(*takewhile(lambda part: not glob.has_magic(part), root.parts))
    known: dict[Path, bool] = {}
    for name, path in folder.named(word, masks=out):
        below = [parent for parent in path.parents if root in parent.parents]
        for parent in below:
            if parent not in known:
                known[parent] = _holds_masks(parent)
                if known[parent]:
                    LOG.info(LEFT_OUT, parent)
        if not any(known[parent] for parent in below):
            yield name, path


def _require_no_photographs_in(out: Path, words: tuple[str, ...]) -> None:
    """Refuse to write to a folder that is given, or is in one, and holds photographs: they would be left out."""
    from wsss.exchange.marks import is_own

    place = out.resolve()
    roots = [Path(word).resolve() for word in words if Path(word).is_dir()]
    if not any(place.is_relative_to(root) for root in roots) or (place not in roots and _holds_masks(out)):
        return
    for path in sorted(out.rglob("*")):
        if _is_called_a_picture(path) and path.is_file() and not is_own(path):
            raise WsssError(AMONG_PHOTOGRAPHS.format(out=out, path=path))


def _is_called_a_picture(path: Path) -> bool:
    from wsss.datasets.folder import SUFFIXES

    return path.suffix.lower() in SUFFIXES


def _holds_masks(folder: Path) -> bool:
    """Whether an earlier call wrote to a folder: it has a table of areas."""
    from wsss.labels import FILE_NAME

    try:
        with (folder / AREAS).open("rb") as file:
            return file.readline(1000).startswith(f"{FILE_NAME},background".encode())
    except OSError:
        return False


def _require_free(targets: list[Path], areas: Path, *, inputs: list[Path]) -> None:
    """Refuse to write over what is read, over what may be work by hand, and over a table that is none of areas."""
    from wsss.exchange import marks
    from wsss.runtime.files import require_no_inputs

    require_no_inputs([*targets, areas], inputs)
    marks.require_own(targets)
    if areas.is_file() and not _holds_masks(areas.parent):
        raise WsssError(f"{areas} is there already, and is no table of areas: move it away, or give another folder")


def _written(out: Path, classes: "Classes", image: "LabelMap", photograph: "np.ndarray | None") -> bool:
    """Write a mask, and the photograph, if one is given, with its classes in colour; False where a name is too long."""
    from wsss.exchange import pictures

    try:
        if photograph is not None:  # first, for its name is the longer one: both are written, or none
            pictures.write_overlay(out / f"{image.id}{OVERLAY}", photograph, image.labels, classes)
        pictures.png(out, classes, image)
    except OSError as error:
        if error.errno != errno.ENAMETOOLONG:
            raise
        return False
    return True


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
