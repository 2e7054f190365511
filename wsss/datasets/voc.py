"""Read a folder in the layout of VOC's devkit as rows of the manifest.

JPEGImages/ID.jpg, .jpeg or .png    photographs
SegmentationClass/ID.png            masks: 0 background, 255 void; see `masks.read` for what else they may be
SegmentationClassAug/ID.png         coarser masks of SBD, read only for the tag source "masks"
ImageSets/Segmentation/NAME.txt     lists of ids
image_labels.txt, Annotations/ID.xml or cls_labels.npy: tags
"""

import codecs
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal
from xml.etree import ElementTree

import numpy as np

from wsss.datasets import checks, class_vectors
from wsss.datasets import masks as true_masks
from wsss.datasets.manifest import MASKED_SPLITS, Classes, Row
from wsss.labels import BACKGROUND, VOC_CLASSES, VOID
from wsss.runtime.errors import WsssError
from wsss.runtime.files import check_regular

PICTURE_SUFFIXES = (".jpg", ".jpeg", ".png", ".JPG", ".JPEG", ".PNG")

LONGEST = 240
"""Bytes of a name in a list, so that it can be that of a file with any suffix."""

Tags = Literal["file", "annotations", "npy", "masks"]
TagReader = Callable[[str], list[str]]
"""From an image id to the names of its classes; empty if the source has no entry."""


def parts(*, train: str, extra: str, val: str, test: str, masks: str, tags: Tags) -> list[str]:
    """The folders and files below the root that are read with these options; see `splits` and `rows`."""
    lists = [str(_list(name)) for name in (train, extra, val, test) if name]
    sources = ["SegmentationClass", "SegmentationClassAug"] if tags == "masks" else [TAG_SOURCES[tags][0]]
    return list(dict.fromkeys(["JPEGImages", *lists, *sources, *([masks, "labelmap.txt"] if masks else [])]))


def splits(root: Path, *, train: str, extra: str, val: str, test: str) -> tuple[dict[str, str], list[str]]:
    """The split of each image id, and the problems of the lists, one line each.

    Args:
        root: the folder that holds JPEGImages.
        train, extra, val, test: names of lists; images of the others are left out of extra; "" for none.

    Raises:
        WsssError: the folder or a list is missing.
    """
    if not root.is_dir():
        raise WsssError(f"{root} is not a folder: expected the one that holds JPEGImages and ImageSets")
    folders: dict[str, str] = {}
    names = {"train": train, "extra": extra, "val": val, "test": test}
    lists = {split: read_list(root, name, folders) if name else [] for split, name in names.items()}
    problems = [
        f"{image_id} is in {names[one]}.txt and in {names[other]}.txt: remove it from one of them, since {other} is"
        " held out"
        for one, other in (("train", "val"), ("train", "test"), ("val", "test"))
        for image_id in sorted(set(lists[one]) & set(lists[other]))
    ]
    known = {image_id for split in ("train", "val", "test") for image_id in lists[split]}
    lists["extra"] = [image_id for image_id in lists["extra"] if image_id not in known]
    return {image_id: split for split, ids in lists.items() for image_id in ids}, problems


def rows(
    root: Path, splits: dict[str, str], *, classes: Classes, masks: str, tags: Tags
) -> Iterator[tuple[Row, str | None]]:
    """Iterate over rows of the manifest, each with the problem of its tags or None; no photograph is opened.

    Args:
        root: the folder that holds JPEGImages.
        splits: the split of each image.
        classes: the classes; a tag outside them is a problem.
        masks: folder of the masks of val and of those images of train and crf_fit that have one; "" for none.
        tags: source of the tags.

    Raises:
        WsssError: the tag source or the folder of masks is missing; raised by the call itself, before the first row.
    """
    source, reader = TAG_SOURCES[tags]
    read = reader(root, classes)
    if masks and not (root / masks).is_dir():
        raise WsssError(f"{root / masks} is not a folder: give the folder of the masks, or '' if there are none")
    mask_folder = root / masks if masks else None

    def mask_of(image_id: str, split: str) -> Path | None:
        mask = true_masks.find(mask_folder, image_id) if mask_folder else None
        wanted = split == "val" or (split in MASKED_SPLITS and mask and mask.exists())
        return mask if wanted else None

    def row(image_id: str, split: str) -> tuple[Row, str | None]:
        if split == "test":  # neither tags nor masks are read, even where there are some
            return Row(image_id, split, _photograph(root, image_id), None, (), ""), None
        names, problem = _tags(read, image_id, classes)
        found = Row(image_id, split, _photograph(root, image_id), mask_of(image_id, split), names, source)
        if names or problem or split != "val":  # val images need no tags
            problem = problem or checks.tag_problem(found, classes)
        return found, problem

    return (row(*item) for item in splits.items())


def _photograph(root: Path, image_id: str) -> Path:
    """The file of the photograph; if there is none, the first candidate."""
    files = [root / "JPEGImages" / f"{image_id}{suffix}" for suffix in PICTURE_SUFFIXES]
    return next((file for file in files if file.exists()), files[0])


def read_list(root: Path, name: str, folders: dict[str, str] | None = None) -> list[str]:
    """The unique ids of ImageSets/Segmentation/NAME.txt: the first word of each line, without folder and suffix.

    Args:
        root: the folder that holds JPEGImages.
        name: name of the list.
        folders: folder of each id in the lists that were read before; the ids of this list are added.

    Raises:
        WsssError: the list is missing, or two folders hold the same id, which does not include the folder.
    """
    folders = {} if folders is None else folders
    path, ids = root / _list(name), []
    for word, *_ in _words(path):
        ids.append(_id(word))
        if len(word.encode()) > LONGEST or not word.isprintable():
            raise WsssError(
                f"{path}: {word[:40]!r} is no name of a photograph: correct that line, or give another list"
            )
        folder = "/".join(part for part in Path(word).parent.parts if part not in ("/", "JPEGImages"))
        before = folders.setdefault(ids[-1], folder)
        if before != folder:
            raise WsssError(
                f"{path}: {ids[-1]} is in the folder {folder!r} and in {before!r}: "
                "give each photograph a unique name, in JPEGImages"
            )
    return list(dict.fromkeys(ids))


def _list(name: str) -> Path:
    return Path("ImageSets", "Segmentation", f"{name}.txt")


def _id(word: str) -> str:
    """The id of an image from its name in a list, which may have a folder and a suffix."""
    name = Path(word)
    return name.stem if name.suffix.lower() in PICTURE_SUFFIXES else name.name


def _tags(read: TagReader, image_id: str, classes: Classes) -> tuple[tuple[str, ...], str | None]:
    """The tags of an image, in the order of the classes, and the problem with reading them, if any."""
    try:
        names = set(read(image_id))
    except WsssError as error:
        return (), str(error)
    known = [name for name in classes.foreground if name in names]
    return (*known, *sorted(names - set(known))), None


def _file_tags(root: Path, classes: Classes) -> TagReader:
    """image_labels.txt: one line for each image, `id class class ...`."""
    path = root / "image_labels.txt"
    lines: dict[str, str] = {}
    repeats: Counter[str] = Counter()  # of ids that occur more than once
    for word, *names in _words(path):
        if (image_id := _id(word)) in lines:
            repeats[image_id] += 1
        lines[image_id] = sys.intern(" ".join(names))  # saves memory: few of them differ

    def read(image_id: str) -> list[str]:
        if image_id in repeats:
            raise WsssError(f"{image_id}: occurs {repeats[image_id] + 1} times in {path}: keep one line")
        return lines.get(image_id, "").split()

    return read


def _annotation_tags(root: Path, classes: Classes) -> TagReader:
    """Annotations/ID.xml: the name of each object, including those marked difficult."""
    folder = root / "Annotations"
    if not folder.is_dir():
        raise WsssError(f"{folder} does not exist: choose another source of tags")

    def read(image_id: str) -> list[str]:
        paths = [folder / f"{image_id}{suffix}" for suffix in (".xml", ".XML")]
        path = next((path for path in paths if path.exists()), paths[0])
        check_regular(path)
        try:
            text = _xml(path.read_bytes())
            if "<!DOCTYPE" in text:  # it may declare entities, which can expand without bound
                raise WsssError(f"{path} declares a document type, which an annotation does not need: remove it")
            return [(name.text or "").strip() for name in ElementTree.fromstring(text).iterfind("object/name")]
        except FileNotFoundError:
            return []
        except (UnicodeError, LookupError, ElementTree.ParseError) as error:
            raise WsssError(
                f"{path} cannot be read as XML ({error}): replace it or remove the image from the list"
            ) from error

    return read


def _xml(content: bytes) -> str:
    """The text of an XML file, in the encoding that its first line declares; without any in UTF-8 or UTF-16.

    Raises:
        UnicodeError, LookupError: the text is in another encoding, or Python knows none of that name.
    """
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return content.decode("utf-16")
    declared = re.match(rb"(?:\xef\xbb\xbf)?<\?xml[^>]*?encoding\s*=\s*[\"']([\w.-]+)", content)
    encoding = declared[1].decode("ascii") if declared else "utf-8"
    return content.decode("utf-8-sig" if encoding.lower() in ("utf-8", "utf8") else encoding)


def _npy_tags(root: Path, classes: Classes) -> TagReader:
    """cls_labels.npy: a dict from image ids to vectors of 0 and 1."""
    path = root / "cls_labels.npy"
    values_of = class_vectors.reader(path, _keys, largest=max(classes.mask_values), data_set=len(VOC_CLASSES))

    def read(image_id: str) -> list[str]:
        values = values_of(image_id)
        return [] if values is None else _names(values, classes)

    return read


def _keys(image_id: str) -> Iterator[str | int]:
    """PSA's keys are strings such as 2007_000032, IRN's are numbers without the underscore."""
    yield image_id
    if (joined := image_id.replace("_", "")).isdecimal():
        yield int(joined)


def _mask_tags(root: Path, classes: Classes) -> TagReader:
    """The classes that the image's mask shows: VOC's own mask, or else SBD's."""
    folders = [root / "SegmentationClass", root / "SegmentationClassAug"]
    if not any(folder.is_dir() for folder in folders):
        raise WsssError(f"neither {folders[0]} nor {folders[1]} exists: choose another source of tags")

    def read(image_id: str) -> list[str]:
        candidates = (true_masks.find(folder, image_id) for folder in folders)
        path = next((path for path in candidates if path.exists()), None)
        if path is None:
            return []
        mask = true_masks.read(path, classes)
        if problem := true_masks.problem(path, mask, classes):
            raise WsssError(problem)
        return _names(np.setdiff1d(mask, [BACKGROUND, VOID]), classes)

    return read


TAG_SOURCES: dict[str, tuple[str, Callable[[Path, Classes], TagReader]]] = {
    "file": ("image_labels.txt", _file_tags),
    "annotations": ("Annotations", _annotation_tags),
    "npy": ("cls_labels.npy", _npy_tags),
    "masks": ("masks", _mask_tags),
}
"""For each tag source, its text in the column tag_source and the function that opens it."""


def _names(values: np.ndarray, classes: Classes) -> list[str]:
    """Class names of mask values; the name of an unknown value is the value itself."""
    names = dict(zip(classes.mask_values, classes.names, strict=True))
    return [names.get(value, str(value)) for value in values.tolist()]


def _words(path: Path) -> Iterator[list[str]]:
    """The words of each line that is not empty."""
    check_regular(path)
    try:
        with path.open(encoding="utf-8-sig") as file:
            yield from filter(None, map(str.split, file))
    except FileNotFoundError as error:
        raise WsssError(f"{path} does not exist: correct its name in the configuration, or create it") from error
    except UnicodeDecodeError as error:
        raise WsssError(f"{path} is not UTF-8 text ({error}): convert it to UTF-8") from error
