"""Read COCO, or another data set in its layout, as rows of the manifest. A list has COCO's name, such as train2014.

NAME/, images/NAME/ or JPEGImages/NAME/     photographs
annotations/instances_NAME.json             objects: tags, and masks that are drawn of their outlines
cls_labels_coco.npy                         tags, where many WSSS repositories keep them
SegmentationClass/NAME/ID.png               masks, where those repositories keep them

An id is the name of a photograph without its suffix. Mask values are 1, 2, ... in the order of the categories' numbers,
which in COCO have gaps: its 80 classes have the values 1 to 80.
"""

import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from wsss.datasets import checks, class_vectors, instances, pictures
from wsss.datasets import masks as true_masks
from wsss.datasets.coco_classes import COCO_CLASSES
from wsss.datasets.folder import SUFFIXES, id_of
from wsss.datasets.instances import Image
from wsss.datasets.manifest import MASKED_SPLITS, Classes, Row
from wsss.runtime.errors import WsssError
from wsss.runtime.parallel import mapped
from wsss.runtime.progress import LOG, track

DRAWN = "annotations"
"""The value of `masks` with which they are drawn of the annotations, and of `tags` with which those are read."""

VECTORS = "cls_labels_coco.npy"
PLACES = ("", "images", "JPEGImages")
"""Where the folders of photographs may lie."""


@dataclass(frozen=True)
class Part:
    """The photographs of one list."""

    name: str
    files: dict[str, Path]
    """By id."""
    tags: dict[str, tuple[str | int, ...]]
    """Names or mask values of the classes that a photograph shows, by id; no entry where that is unknown."""
    images: dict[str, Image]
    """Outlines of objects, by id; empty where none are read."""

    def of(self, ids: list[str]) -> "Part":
        """The same for some of the photographs."""
        files = {image_id: self.files[image_id] for image_id in ids}
        return Part(self.name, files, self.tags, self.images)


@dataclass(frozen=True)
class Coco:
    """What was read of a data set.

    Args:
        root: its folder.
        parts: the photographs of each split.
        classes: names of all classes.
        source: where the tags were read.
        problems: what is wrong, one line a kind.
    """

    root: Path
    parts: dict[str, Part]
    classes: tuple[str, ...]
    source: str
    problems: list[str]

    @property
    def splits(self) -> dict[str, str]:
        """The split of each id."""
        return {image_id: split for split, part in self.parts.items() for image_id in part.files}


def sources(*, train: str, extra: str, val: str, test: str, masks: str, tags: str) -> list[str]:
    """The folders and files below the root that are read with these options; see `read`."""
    names = [name for name in (train, extra, val, test) if name]
    found = [str(Path(place, name)) for name in names for place in PLACES]
    if DRAWN in (masks, tags):
        found += [f"annotations/instances_{name}.json" for name in names]
    if tags == "npy":
        found.append(VECTORS)
    return found + [str(Path(masks, name)) for name in ("", *names) if masks not in ("", DRAWN)]


def read(root: Path, *, train: str, extra: str, val: str, test: str, masks: str, tags: str) -> Coco:
    """The photographs of each list and their tags; those of train, extra and val that show no object are left out.

    Published results on COCO are without them, too: 82,081 images of train2014 and 40,137 of val2014 are left.

    Args:
        root: folder of the data set.
        train, extra, val, test: names of lists, such as train2014; images of the others are left out of extra; "" for
            none.
        masks: "annotations" where masks are drawn, else a folder of masks; "" for none.
        tags: source of the tags, "annotations" or "npy".

    Raises:
        WsssError: a folder, a file or a package is missing, or a file is not in its format.
    """
    if tags not in (DRAWN, "npy"):
        raise WsssError(f"tags: {tags} is no source of tags for the data set coco: set it to annotations or npy")
    if masks == DRAWN:
        instances.require_pycocotools()
    problems: list[str] = []
    names: dict[int, str] = {}
    parts: dict[str, Part] = {}
    tags_of = _vectors(root) if tags == "npy" else None
    for split, name in {"train": train, "val": val, "test": test, "extra": extra}.items():
        if not name:
            continue
        if split != "test" and DRAWN in (tags, masks):
            part, categories = _annotated(root, name, problems)
            names |= categories
        else:
            part = _listed(root, name, problems)
        if split != "test":
            part = _with_objects(part, tags_of, of_all=split != "val")
        known = {image_id: before.name for before in parts.values() for image_id in before.files}
        parts[split] = _without_known(part, known, problems, split)
    classes = tuple(names[number] for number in sorted(names)) or COCO_CLASSES
    return Coco(root, parts, classes, VECTORS if tags == "npy" else "instances", problems)


def rows(
    coco: Coco, splits: dict[str, str], *, classes: Classes, masks: str, drawn: Path
) -> Iterator[tuple[Row, str | None]]:
    """Iterate over rows of the manifest, each with the problem of its tags or mask or None; no photograph is opened.

    Args:
        coco: the data set.
        splits: the split of each image.
        classes: the classes; a tag outside them is a problem.
        masks: as for `read`; masks are those of val, train and crf_fit.
        drawn: folder in which masks that are drawn are written, by the call itself.

    Raises:
        WsssError: the folder of masks is missing; raised by the call itself, before the first row.
    """
    part_of = {image_id: part for part in coco.parts.values() for image_id in part.files}
    masked = [image_id for image_id, split in splits.items() if masks and split in ("val", *MASKED_SPLITS)]
    broken: dict[str, str] = {}
    if masks == DRAWN:
        broken = _draw_all({image_id: part_of[image_id].images[image_id] for image_id in masked}, classes, drawn)
        mask_of = {image_id: drawn / f"{image_id}.png" for image_id in masked if image_id not in broken}
    else:
        mask_of = _kept(coco.root / masks, {image_id: part_of[image_id].name for image_id in masked}, splits)

    def row(image_id: str, split: str) -> tuple[Row, str | None]:
        part, source = part_of[image_id], coco.source if split != "test" else ""
        tags = _ordered(part.tags.get(image_id, ()), classes)
        made = Row(image_id, split, part.files[image_id], mask_of.get(image_id), tags, source)
        unknown = checks.tag_problem(made, classes) if tags or split not in ("val", "test") else None
        return made, broken.get(image_id) or unknown

    return (row(*item) for item in splits.items())


def _ordered(tags: tuple[str | int, ...], classes: Classes) -> tuple[str, ...]:
    """Names of tags, each once, in the order of the classes; of an unknown mask value the name is the value."""
    names = dict(zip(classes.mask_values, classes.names, strict=True))
    found = {names.get(tag, str(tag)) if isinstance(tag, int) else tag for tag in tags}
    known = [name for name in classes.foreground if name in found]
    return (*known, *sorted(found - set(known)))


def _folder(root: Path, name: str) -> Path:
    """The folder of the photographs of a list."""
    folders = [root / place / name for place in PLACES]
    found = next((folder for folder in folders if folder.is_dir()), None)
    if found is None:
        raise WsssError(f"none of {', '.join(map(str, folders))} is a folder: unpack the photographs of {name} there")
    return found


def _listed(root: Path, name: str, problems: list[str]) -> Part:
    """All photographs in the folder of a list."""
    folder = _folder(root, name)
    with os.scandir(folder) as entries:
        files = sorted(entry.name for entry in entries if Path(entry.name).suffix.lower() in SUFFIXES)
    found = {id_of(file): folder / file for file in files if not file.startswith(".")}
    twice = [file for file in files if not file.startswith(".") and found[id_of(file)].name != file]
    if twice:
        problems.append(
            f"{folder}: photographs differ in nothing but their suffix, such as {checks.such_as(twice)}: rename one of"
            " each"
        )
    return Part(name, found, {}, {})


def _annotated(root: Path, name: str, problems: list[str]) -> tuple[Part, dict[int, str]]:
    """The photographs in the annotations of a list, and the names of its categories."""
    path = root / "annotations" / f"instances_{name}.json"
    found = instances.read(path)
    folder = _folder(root, name)
    images = {id_of(image.file_name): image for image in found.images}
    if len(images) < len(found.images):
        problems.append(f"{path}: images differ in nothing but their suffix: rename one of each")
    files = {image_id: folder / image.file_name for image_id, image in images.items()}
    present = {image_id: file for image_id, file in files.items() if file.exists()}
    missing = [file.name for image_id, file in files.items() if image_id not in present]
    if missing:
        examples = checks.such_as(missing)
        problems.append(f"{len(missing)} images of {path} are not in {folder}, such as {examples}: unpack all of them")
    tags = {image_id: tuple(shown.category for shown in image.objects) for image_id, image in images.items()}
    return Part(name, present, tags, images), found.categories


def _vectors(root: Path) -> Callable[[str], np.ndarray | None]:
    return class_vectors.reader(root / VECTORS, _keys, largest=len(COCO_CLASSES), data_set=len(COCO_CLASSES))


def _keys(image_id: str) -> Iterator[str | int]:
    """Keys are ids such as COCO_train2014_000000000009, the digits at their end, or those as a number."""
    yield image_id
    if digits := re.search(r"\d+$", image_id):
        yield from (digits[0], int(digits[0]), str(int(digits[0])))


def _with_objects(part: Part, tags_of: Callable[[str], np.ndarray | None] | None, *, of_all: bool) -> Part:
    """The part without images that show no object.

    Args:
        part: all images of a list.
        tags_of: reads the tags of an image, instead of those of its annotations.
        of_all: whether an image without an entry shows no object; else that is so only where others have one.
    """
    if tags_of:
        values = {image_id: tags_of(image_id) for image_id in part.files}
        tags = {image_id: tuple(found.tolist()) for image_id, found in values.items() if found is not None}
        part = Part(part.name, part.files, tags, part.images)
    if not part.tags and not of_all:
        return part
    kept = [image_id for image_id in part.files if part.tags.get(image_id)]
    if len(kept) < len(part.files):
        LOG.info("images: %d of %s show no object: they are left out", len(part.files) - len(kept), part.name)
    return part.of(kept)


def _without_known(part: Part, known: dict[str, str], problems: list[str], split: str) -> Part:
    """The part without images of the parts before, which of all but extra is a problem."""
    both = [image_id for image_id in part.files if image_id in known]
    if both and split != "extra":
        problems.append(
            f"{len(both)} images of {known[both[0]]} are also in {part.name}, which is held out, such as"
            f" {checks.such_as(both)}: remove them from one of the two"
        )
    return part.of([image_id for image_id in part.files if image_id not in known])


def _kept(folder: Path, lists: dict[str, str], splits: dict[str, str]) -> dict[str, Path]:
    """The masks in a folder: of each image of val one, of others where there is one.

    Args:
        folder: of the masks; those of a list lie there or in a folder of the list's name.
        lists: the list of each image.
        splits: the split of each image.
    """
    if lists and not folder.is_dir():
        raise WsssError(f"{folder} is not a folder: give that of the masks, annotations to draw them, or '' for none")
    found = {image_id: _mask(folder, name, image_id) for image_id, name in lists.items()}
    return {image_id: mask for image_id, mask in found.items() if splits[image_id] == "val" or mask.exists()}


def _mask(folder: Path, name: str, image_id: str) -> Path:
    """The mask of an image, under its id or the digits at its end."""
    digits = re.search(r"\d+$", image_id)
    names = [image_id, digits[0]] if digits else [image_id]
    candidates = [true_masks.find(place, stem) for place in (folder / name, folder) for stem in names]
    return next((path for path in candidates if path.exists()), candidates[0])


def _draw_all(images: dict[str, Image], classes: Classes, folder: Path) -> dict[str, str]:
    """Draw the masks of images; returns the problem of each that cannot be drawn."""
    values = dict(zip(classes.names, classes.mask_values, strict=True))
    found = mapped(partial(_draw, values=values, folder=folder), images.items())
    return {item[0]: item[1] for item in track(found, "masks of outlines", total=len(images)) if item}


def _draw(item: tuple[str, Image], *, values: dict[str, int], folder: Path) -> tuple[str, str] | None:
    image_id, image = item
    try:
        pictures.write_mask(folder / f"{image_id}.png", instances.drawn(image, values))
    except WsssError as error:
        return image_id, f"{image_id}: {error}: correct the annotations, or remove the image from them"
    return None
