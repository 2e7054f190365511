"""Inputs that are no good, by kind: what is written over which file of a small data set, and which command reads it."""

import codecs
import io
import os
import pickle
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import coco_layout
import fuzz
import in_process
import numpy as np
import projects
import small_stores
import voc_layout
from PIL import Image
from settings import CLASSES

from wsss.datasets import manifest
from wsss.datasets.pictures import write_mask
from wsss.options import configuration

IDS = ("a", "b")
SIZE = (12, 16)


class Case(NamedTuple):
    """A bad input, and the command that meets it.

    Args:
        kind: of the input.
        name: of the case.
        command: the words after `wsss`.
        file: what is damaged, below the folder.
        change: puts something bad in the file's place.
        harmless: whether the command may ignore what is bad, and end well.
        called: what an error must name; "" for the name of the file.
    """

    kind: str
    name: str
    command: tuple[str, ...]
    file: str
    change: Callable[[Path], object]
    harmless: bool = False
    called: str = ""

    def __str__(self) -> str:
        return f"{self.kind}: {self.name}"


def write(folder: Path) -> None:
    """A small data set in each layout, and files for each import; nothing in them is bad."""
    voc_layout.layout(folder / "voc")
    (folder / "voc/Annotations").mkdir()
    for image_id, names in voc_layout.TAGS.items():
        objects = "".join(f"<object><name>{name}</name></object>" for name in names.split())
        (folder / f"voc/Annotations/{image_id}.xml").write_text(f"<annotation>{objects}</annotation>")
    vectors = {
        image_id: np.array([name in names for name in CLASSES.foreground], float)
        for image_id, names in voc_layout.TAGS.items()
    }
    vectors = {key: np.bincount([7, 11], value, 20) for key, value in vectors.items()}
    np.save(folder / "voc/cls_labels.npy", vectors, allow_pickle=True)
    boxes = [coco_layout.annotation(1, 17, coco_layout.rectangle(2, 2, 4, 4))]
    boxes_2 = [coco_layout.annotation(2, 18, coco_layout.rectangle(2, 2, 4, 4))]
    coco_layout.write(folder / "coco", "train2017", {1: boxes, 2: boxes_2})
    coco_layout.write(
        folder / "coco", "val2017", {3: [coco_layout.annotation(3, 17, coco_layout.rectangle(1, 1, 4, 4))]}
    )
    (folder / "photographs").mkdir()
    for name, colour in zip("abc", ("red", "green", "blue"), strict=True):
        Image.new("RGB", SIZE[::-1], colour).save(folder / f"photographs/{name}.jpg")
    (folder / "photographs/tags.csv").write_text("file_name,tags\na.jpg,cat\nb.jpg,dog\nc.jpg,cat;dog\n")
    (folder / "photographs/val.txt").write_text("c.jpg\n")
    rows = [
        manifest.Row(name, "train", folder / f"photographs/{name}.jpg", None, tags, "test")
        for name, tags in zip(IDS, (("cat",), ("dog",)), strict=True)
    ]
    manifest.write(folder / "images.csv", rows)
    manifest.write_classes(folder / "classes.csv", CLASSES)
    for part in ("masks", "cams", "cams_npz"):
        (folder / part).mkdir()
    maps = np.linspace(0, 1, 12 * 16, dtype=np.float32).reshape(SIZE)
    cues = {}
    for index, (image_id, value) in enumerate(zip(IDS, (8, 12), strict=True)):
        write_mask(folder / f"masks/{image_id}.png", np.full(SIZE, value, np.uint8))
        np.save(folder / f"cams/{image_id}.npy", {value - 1: maps}, allow_pickle=True)
        np.savez(folder / f"cams_npz/{image_id}.npz", **{str(value - 1): maps})
        cues |= {f"{index}_labels": np.array([value]), f"{index}_cues": np.array([[value], [1], [2]])}
    (folder / "cues.pickle").write_bytes(pickle.dumps(cues, 2))
    (folder / "list.txt").write_text("a.jpg 0\nb.jpg 1\n")
    small_stores.write(folder / "cams.h5")
    fuzz.write_network(folder / "network.safetensors")
    (folder / "own.yaml").write_text("images: {dataset: voc, root: voc, classes: [cat=8, dog=12]}\n")
    for name in DATA_SETS:
        ended = in_process.wsss(*training_images(name), folder=folder)
        assert ended.status == 0, ended.said
        (folder / "out.csv").rename(folder / f"{name}.csv")
    (folder / "out_classes.csv").unlink()


DEFAULTS = configuration.read(projects.ROOT / "config.yaml")
OF_VOC = {"dataset": "voc", "root": "voc", "classes": ["cat=8", "dog=12"]}
DATA_SETS = {
    "voc": OF_VOC,
    "xml": OF_VOC | {"tags": "annotations"},
    "npy": OF_VOC | {"tags": "npy"},
    "coco": {"dataset": "coco", "root": "coco", "classes": [], "tags": "annotations", "masks": "annotations"}
    | {"train": "train2017", "val": "val2017"},
    "folder": {"dataset": "folder", "root": "photographs", "classes": [], "table": "tags.csv", "train": "", "masks": ""}
    | {"val": "val.txt"},
}
"""The section images of the configuration for each data set."""


def training_images(name: str, **changes: object) -> tuple[str, ...]:
    """The stage that checks the training images of a data set."""
    options = configuration.as_options(DEFAULTS["images"] | DATA_SETS[name] | changes)
    return (
        "training_images",
        "--training_images",
        "out.csv",
        "--classes_table",
        "out_classes.csv",
        *shlex.split(options),
    )


def images(name: str, **changes: object) -> tuple[str, ...]:
    """The stage that checks all other files of a data set."""
    options = configuration.as_options(DEFAULTS["images"] | DATA_SETS[name] | changes)
    return ("images", "--training_images", f"{name}.csv", "--images", "out.csv", *shlex.split(options))


TABLES = ("--images", "images.csv", "--classes_table", "classes.csv")
IMPORT_MASKS = ("pseudo_masks_import", "masks", *TABLES, "--out", "out.h5")
IMPORT_CAMS = ("cams_import", "cams", *TABLES, "--out", "out.h5")
IMPORT_NPZ = ("cams_import", "cams_npz", *TABLES, "--out", "out.h5")
IMPORT_SEEDS = ("seeds_import", "cues.pickle", "list.txt", "out.h5", *TABLES, "--cells", "4")


FILES = {
    "images.csv": IMPORT_MASKS,
    "classes.csv": IMPORT_MASKS,
    "list.txt": IMPORT_SEEDS,
    "cues.pickle": IMPORT_SEEDS,
    "masks/a.png": IMPORT_MASKS,
    "cams/a.npy": IMPORT_CAMS,
    "cams_npz/a.npz": IMPORT_NPZ,
    "photographs/a.jpg": training_images("folder"),
    "photographs/tags.csv": training_images("folder"),
    "photographs/val.txt": training_images("folder"),
    "own.yaml": ("check", "--configfile", "own.yaml"),
    "voc/ImageSets/Segmentation/val.txt": images("voc"),
    "voc/image_labels.txt": training_images("voc"),
    "voc/JPEGImages/2007_000001.jpg": training_images("voc"),
    "voc/SegmentationClass/2007_000001.png": images("voc"),
    "voc/Annotations/2007_000001.xml": training_images("xml"),
    "voc/cls_labels.npy": training_images("npy"),
    "coco/annotations/instances_train2017.json": training_images("coco"),
    "cams.h5": ("inspect", "cams.h5"),
    "network.safetensors": ("inspect", "network.safetensors"),
}
"""Each file that a user gives, and a command that reads it."""


def replaced_by(content: bytes) -> Callable[[Path], object]:
    return lambda path: path.write_bytes(content)


def gone(path: Path, then: Callable[[Path], object] = lambda path: None) -> None:
    path.unlink()
    then(path)


def picture(mode: str, size: tuple[int, int], kind: str) -> bytes:
    content = io.BytesIO()
    Image.new(mode, size).save(content, kind)
    return content.getvalue()


ANYTHING: dict[str, Callable[[Path], object]] = {
    "nothing in it": replaced_by(b""),
    "one byte": replaced_by(b"\x80"),
    "a mark of UTF-8 alone": replaced_by(codecs.BOM_UTF8),
    "words in Latin-1": replaced_by("Häuser, Bäume und Straßen\n".encode("latin-1")),
    "words in UTF-16": replaced_by("a,b\nc,d\n".encode("utf-16")),
    "zeros": replaced_by(bytes(4096)),
    "a long line": replaced_by(b"x" * 1_000_000),
    "many lines": replaced_by(b"x,y\n" * 100_000),
    "brackets": replaced_by(b"[" * 100_000),
    "a page of HTML": replaced_by(b"<!DOCTYPE html><html><body>404 Not Found</body></html>"),
    "a picture in TIFF of floats": replaced_by(picture("F", (4, 4), "TIFF")),
    "a pickle that calls": replaced_by(b"cos\nsystem\n(S'touch called'\ntR."),
    "an archive": replaced_by(b"PK\x05\x06" + bytes(18)),
    "no file": gone,
    "a folder": lambda path: gone(path, Path.mkdir),
    "a pipe": lambda path: gone(path, os.mkfifo),
    "an endless device": lambda path: gone(path, lambda path: path.symlink_to("/dev/zero")),
    "a link to nothing": lambda path: gone(path, lambda path: path.symlink_to("nowhere")),
    "a link to itself": lambda path: gone(path, lambda path: path.symlink_to(path.name)),
}
"""What may stand in the place of any file."""


def anything() -> Iterator[Case]:
    for file, command in FILES.items():
        for name, change in ANYTHING.items():
            harmless, called = (file, name) in HARMLESS, CALLED.get(file, "")
            yield Case("anything", f"{file} is {name}", command, file, change, harmless, called)


CALLED = {
    "cams_npz/a.npz": "cams_npz",
    "photographs/val.txt": "photographs",
    "voc/ImageSets/Segmentation/val.txt": "voc",
    "voc/Annotations/2007_000001.xml": "2007_000001",
}
"""What an error names, where that is not the file: the split of an empty list, the image that lacks one."""

HARMLESS = {
    ("cams_npz/a.npz", "an archive"),  # of no map: those that lack are zeros
    *(
        ("voc/SegmentationClass/2007_000001.png", name)  # not each training image has a mask
        for name in ("no file", "a link to nothing", "a link to itself")
    ),
}


def rewritten(change: Callable[[str], str]) -> Callable[[Path], object]:
    """A text file with its text changed."""

    def write(path: Path) -> None:
        before = path.read_text()
        after = change(before)
        assert after != before
        path.write_text(after)

    return write


def replaced(old: str, new: str) -> Callable[[Path], object]:
    return rewritten(lambda text: text.replace(old, new, 1))
