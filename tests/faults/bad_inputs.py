"""Inputs that are no good, by kind: what is written over which file of a small data set, and which command reads it."""

import codecs
import io
import json
import math
import os
import pickle
import shlex
import struct
import zipfile
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
    fuzz.write_network(folder / "network.pt")
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
    "network.pt": ("inspect", "network.pt"),
}
"""Each file that a user gives, and a command that reads it."""


def replaced_by(content: bytes) -> Callable[[Path], object]:
    return lambda path: path.write_bytes(content)


def gone(path: Path, then: Callable[[Path], object] = lambda path: None) -> None:
    path.unlink()
    then(path)


def _picture(mode: str, size: tuple[int, int], kind: str) -> bytes:
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
    "a picture in TIFF of floats": replaced_by(_picture("F", (4, 4), "TIFF")),
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


def of_manifest() -> Iterator[Case]:
    """Manifests: each column left out, short and long lines, ids that lead elsewhere, images that are none."""
    changes = {
        f"without the column {name}": replaced(name, "x") for name in ("id", "split", "image", "mask", "tags")
    } | {
        "without its header": rewritten(lambda text: text.partition("\n")[2]),
        "its header alone": rewritten(lambda text: text.partition("\n")[0] + "\n"),
        "a short line": rewritten(lambda text: text + "c,train\n"),
        "a line of one word": rewritten(lambda text: text + "c\n"),
        "a quote that does not end": rewritten(lambda text: text + '"c,train'),
        "a NUL": rewritten(lambda text: text + "c\0,train,c.jpg,,cat,test,,\n"),
        "a line twice": rewritten(lambda text: text + text.splitlines()[1] + "\n"),
        "the id .": replaced("\na,", "\n.,"),
        "the id ..": replaced("\na,", "\n..,"),
        "no id": replaced("\na,", "\n,"),
        "an id out of the folder": replaced("\na,", "\n../../a,"),
        "a long id": replaced("\na,", "\n" + "a" * 300 + ","),
        "another image": replaced("photographs/a.jpg", "photographs/none.jpg"),
        "an image that is none": replaced("photographs/a.jpg", "images.csv"),
        "an image that is a folder": replaced("photographs/a.jpg", "photographs"),
        "an unknown tag": replaced(",cat,", ",bird,"),
        "another split": rewritten(lambda text: text.replace(",train,", ",Train,")),
    }
    called = {name: "of 2 images" for name in ("the id .", "the id ..", "an id out of the folder")}
    called |= {"a NUL": "of 3 images", "a long id": "a" * 300, "another image": "none.jpg", "an unknown tag": "bird"}
    called |= {"an image that is a folder": "photographs"}
    for name, change in changes.items():
        for command in (IMPORT_MASKS, IMPORT_CAMS, IMPORT_SEEDS):
            yield Case("manifest", f"{name}, {command[0]}", command, "images.csv", change, called=called.get(name, ""))


def of_classes() -> Iterator[Case]:
    head = "class,name,mask_value,colour\n"
    tables = {
        "no background": "0,cat,8,#400000\n",
        "a value twice": "0,background,0,#000000\n1,cat,8,#400000\n2,dog,8,#400080\n",
        "a name twice": "0,background,0,#000000\n1,cat,8,#400000\n2,cat,12,#400080\n",
        "a value of 255": "0,background,0,#000000\n1,cat,255,#400000\n2,dog,12,#400080\n",
        "a value of -1": "0,background,0,#000000\n1,cat,-1,#400000\n2,dog,12,#400080\n",
        "a value of 8.5": "0,background,0,#000000\n1,cat,8.5,#400000\n2,dog,12,#400080\n",
        "a value of 10^20": f"0,background,0,#000000\n1,cat,{10**20},#400000\n2,dog,12,#400080\n",
        "an empty name": "0,background,0,#000000\n1,,8,#400000\n2,dog,12,#400080\n",
        "a name of two lines": '0,background,0,#000000\n1,"a\nb",8,#400000\n2,dog,12,#400080\n',
        "a short line": "0,background,0,#000000\n1,cat\n",
    }
    for name, lines in tables.items():
        for command in (IMPORT_MASKS, IMPORT_CAMS, IMPORT_SEEDS):
            yield Case("classes", f"{name}, {command[0]}", command, "classes.csv", replaced_by((head + lines).encode()))


def of_lists() -> Iterator[Case]:
    """Lists and tables of image tags, in each layout."""
    lines = {
        "an id out of the folder": "../../etc/passwd",
        "an absolute path": "/etc/passwd",
        "the id .": ".",
        "the id ..": "..",
        "a long id": "a" * 300,
        "a NUL": "2007\0000001",
        "an id of the train list": "2007_000001",
        "an unknown id": "2012_000009",
        "the same id in two folders": "x/2008_000003",
        "a shell's command": "$(touch called)",
    }
    for name, line in lines.items():
        change = rewritten(lambda text, line=line: text + line + "\n")
        called = {"an unknown id": line, "a shell's command": "$(touch", "an id of the train list": line}.get(
            name, "voc"
        )
        yield Case("list", name, images("voc"), "voc/ImageSets/Segmentation/val.txt", change, called=called)
    tags = {
        "an unknown class": replaced("cat", "tiger"),
        "a line twice": rewritten(lambda text: text + text.splitlines()[0] + "\n"),
        "a line without a class": rewritten(lambda text: text.replace("2007_000001 cat", "2007_000001")),
        "values instead of names": rewritten(lambda text: text.replace("2007_000001 cat", "2007_000001 8")),
    }
    for name, change in tags.items():
        yield Case("tags", name, training_images("voc"), "voc/image_labels.txt", change, called="2007_000001")
    tables = {
        "no column of files": "photo,tags\na.jpg,cat\nb.jpg,dog\nc.jpg,dog\n",
        "a file that is not there": "file_name,tags\na.jpg,cat\nb.jpg,dog\nc.jpg,dog\nd.jpg,dog\n",
        "a file twice": "file_name,tags\na.jpg,cat\na.jpg,cat\nb.jpg,dog\nc.jpg,dog\n",
        "a line without a file": "file_name,tags\n,cat\na.jpg,cat\nb.jpg,dog\nc.jpg,dog\n",
        "no tags": "file_name,tags\na.jpg,\nb.jpg,\nc.jpg,\n",
        "a header alone": "file_name,tags\n",
        "numbers that are none": "file_name,cat,dog\na.jpg,1,0\nb.jpg,2,1\nc.jpg,x,1\n",
        "a file out of the folder": "file_name,tags\n../images.csv,cat\na.jpg,cat\nb.jpg,dog\nc.jpg,dog\n",
        "one class alone, in a name with a line break": 'file_name,tags\na.jpg,"c\x07at"\nb.jpg,dog\nc.jpg,dog\n',
        "a cell of 200,000 characters": f"file_name,tags\na.jpg,{'x' * 200_000}\nb.jpg,dog\nc.jpg,dog\n",
        "300 classes": "file_name,tags\na.jpg," + ";".join(f"c{n}" for n in range(300)) + "\nb.jpg,dog\nc.jpg,dog\n",
        "100,000 bad lines": "file_name,tags\n" + "".join(f"x{n}.jpg,cat\n" for n in range(100_000)),
    }
    for name, table in tables.items():
        classes = name in ("300 classes", "one class alone, in a name with a line break")
        called = "class" if classes else "tags.csv"
        if name == "numbers that are none":
            called = "b.jpg"
        change = replaced_by(table.encode())
        yield Case("table", name, training_images("folder"), "photographs/tags.csv", change, called=called)


def of_xml() -> Iterator[Case]:
    entities = "".join(f'<!ENTITY e{n + 1} "{f"&e{n};" * 10}">' for n in range(10))
    named, end = "<annotation><object><name>", "</name></object></annotation>"
    texts = {
        "entities that grow": f'<!DOCTYPE a [<!ENTITY e0 "cat">{entities}]>{named}&e10;{end}',
        "an entity from a file": f'<!DOCTYPE a [<!ENTITY e SYSTEM "/etc/passwd">]>{named}&e;{end}',
        "an end too early": "<annotation><object><name>cat</name>",
        "an unknown encoding": '<?xml version="1.0" encoding="x-none"?><annotation/>',
        "another encoding than it says": '<?xml version="1.0" encoding="utf-16"?><annotation/>',
        "no object": "<annotation/>",
        "an object without a name": "<annotation><object/></annotation>",
        "an unknown class": "<annotation><object><name>tiger</name></object></annotation>",
        "another root": "<objects><name>cat</name></objects>",
        "two roots": "<annotation/><annotation/>",
        "an undeclared entity": "<annotation><object><name>&e;</name></object></annotation>",
        "100,000 levels": "<a>" * 100_000 + "</a>" * 100_000,
        "a NUL": "<annotation><object><name>c\0at</name></object></annotation>",
    }
    for name, text in texts.items():
        file = "voc/Annotations/2007_000001.xml"
        yield Case("XML", name, training_images("xml"), file, replaced_by(text.encode()), called="2007_000001")


def of_photographs() -> Iterator[Case]:
    noise = np.random.default_rng(0).integers(0, 256, (40, 40, 3), np.uint8)
    whole = {}
    for kind in ("JPEG", "PNG", "TIFF", "BMP", "GIF", "WEBP", "PPM"):
        content = io.BytesIO()
        Image.fromarray(noise).save(content, kind)
        whole[kind] = content.getvalue()
    contents = {
        f"{kind} cut at {share}": data[: int(len(data) * share)]
        for kind, data in whole.items()
        for share in (0.02, 0.3)
    }
    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    contents |= {
        "a PNG of 60,000 x 60,000 px": whole["PNG"][:16] + header + whole["PNG"][29:],
        "a PNG of 0 x 0 px": whole["PNG"][:16] + struct.pack(">II", 0, 0) + whole["PNG"][24:],
        "EPS": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n(called) (w) file\n",
        "SVG": b'<svg xmlns="http://www.w3.org/2000/svg" width="10" height="10"/>',
        "PDF": b"%PDF-1.4\n1 0 obj\n<<>>\nendobj\n",
        "floats in TIFF": _picture("F", (8, 6), "TIFF"),
        "an icon": _picture("RGB", (16, 16), "ICO"),
    }
    for name, content in contents.items():
        yield Case("photograph", name, training_images("voc"), "voc/JPEGImages/2007_000001.jpg", replaced_by(content))


def of_masks() -> Iterator[Case]:
    """Masks of true labels, and those of another program."""

    def saved(values: np.ndarray, kind: str = "PNG", **more: object) -> bytes:
        content = io.BytesIO()
        Image.fromarray(values).save(content, kind, **more)
        return content.getvalue()

    for file, command, size in (
        ("voc/SegmentationClass/2007_000001.png", images("voc"), (6, 8)),
        ("masks/a.png", IMPORT_MASKS, SIZE),
    ):
        good = np.full(size, 8, np.uint8)
        generator = np.random.default_rng(1)
        contents = {
            "another size": saved(good[:, 1:]),
            "turned": saved(good.T.copy()),
            "an unknown value": saved(good + 1),
            "many unknown values": saved(generator.integers(13, 254, size, np.uint8)),
            "unknown colours": saved(generator.integers(1, 256, (*size, 3), np.uint8)),
            "16 bits, too large": saved(np.full(size, 800, np.uint16)),
            "32 bits": saved(np.full(size, 70_000, np.int32), "TIFF"),
            "negative": saved(np.full(size, -1, np.int32), "TIFF"),
            "floats": saved(np.full(size, 8, np.float32), "TIFF"),
            "JPEG": saved(good, "JPEG"),
            "lossy WebP": saved(np.stack([good] * 3, -1), "WEBP"),
            "CMYK": _picture("CMYK", size[::-1], "TIFF"),
            "Lab": _picture("LAB", size[::-1], "TIFF"),
            "cut": saved(generator.integers(0, 256, (60, 60), np.uint8))[:200],
            "one pixel": saved(good[:1, :1]),
        }
        for name, content in contents.items():
            yield Case("mask", f"{name}, {command[0]}", command, file, replaced_by(content))


def of_arrays() -> Iterator[Case]:
    """Maps of other programs (.npy, .npz), and vectors of tags."""
    maps = np.ones(SIZE, np.float32)

    def npy(content: object) -> bytes:
        file = io.BytesIO()
        np.save(file, content, allow_pickle=True)
        return file.getvalue()

    def npz(**arrays: np.ndarray) -> bytes:
        file = io.BytesIO()
        np.savez(file, **arrays)
        return file.getvalue()

    tables = {
        "an array and no dict": maps,
        "a list": [maps],
        "a key that is a word": {"cat": maps},
        "a key of None": {None: maps},
        "a map of one dimension": {7: maps[0]},
        "a map of three dimensions": {7: maps[None]},
        "a map without pixels": {7: maps[:0]},
        "NaN": {7: np.full(SIZE, np.nan, np.float32)},
        "infinite": {7: np.full(SIZE, np.inf, np.float32)},
        "complex numbers": {7: maps.astype(complex)},
        "words": {7: np.full(SIZE, "x")},
        "objects": {7: np.full(SIZE, None)},
        "IRN with too few maps": {"keys": np.array([7, 11]), "cam": maps[None], "high_res": maps[None]},
        "IRN without maps": {"keys": np.array([7])},
        "a function": {7: os.system},
        "a class": {7: Path},
    }
    for name, content in tables.items():
        yield Case("npy", name, IMPORT_CAMS, "cams/a.npy", replaced_by(npy(content)))
    for name, arrays in {
        "a key that is a word": {"cat": maps},
        "a map of one dimension": {"7": maps[0]},
        "NaN": {"7": np.full(SIZE, np.nan)},
        "objects": {"7": np.full(SIZE, None)},
        "IRN with too few maps": {"keys": np.array([7, 11]), "cam": maps[None]},
    }.items():
        yield Case("npz", name, IMPORT_NPZ, "cams_npz/a.npz", replaced_by(npz(**arrays)))
    header = (
        b"\x93NUMPY\x01\x00v\x00" + b"{'descr': '<f4', 'fortran_order': False, 'shape': (%s,), }".ljust(117) + b"\n"
    )
    for name, shape in {"10^15 numbers": b"1" + b"0" * 15, "-1 numbers": b"-1", "no number": b"x"}.items():
        yield Case("npy", name, IMPORT_CAMS, "cams/a.npy", replaced_by((header % shape).ljust(128)))
    vector = np.zeros(20)
    for name, content in {
        "an array": vector,
        "short vectors": {"2007_000001": vector[:3], "2007_000002": vector[:3]},
        "other numbers": {"2007_000001": vector + 0.5, "2007_000002": vector},
        "vectors of two dimensions": {"2007_000001": vector[None], "2007_000002": vector[None]},
        "words": {"2007_000001": "cat", "2007_000002": "dog"},
        "empty": {},
        "None": {"2007_000001": None, "2007_000002": None},
        "vectors of zeros": {"2007_000001": vector, "2007_000002": vector},
    }.items():
        yield Case("npy", f"tags: {name}", training_images("npy"), "voc/cls_labels.npy", replaced_by(npy(content)))
    forged = zipfile.ZipInfo("7.npy")
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(forged, (header % b"1000000000000000").ljust(128))
    yield Case("npz", "10^15 numbers", IMPORT_NPZ, "cams_npz/a.npz", replaced_by(file.getvalue()))


def of_pickles() -> Iterator[Case]:
    cells = np.array([[8], [1], [2]])

    def cues(**changes: object) -> bytes:
        content = {
            "0_labels": np.array([8]),
            "0_cues": cells,
            "1_labels": np.array([12]),
            "1_cues": cells + [[4], [0], [0]],
        }
        return pickle.dumps({key: value for key, value in (content | changes).items() if value is not None}, 2)

    class Called:
        def __reduce__(self) -> tuple:
            return os.system, ("touch called",)

    contents = {
        "a list": pickle.dumps([1, 2]),
        "a number": pickle.dumps(1),
        "an array": pickle.dumps(cells),
        "a call": pickle.dumps({"0_labels": Called()}),
        "another key": cues(**{"x_labels": cells}),
        "a key of a number": pickle.dumps({0: cells}),
        "a key that is no image's": cues(**{"7_labels": np.array([8]), "7_cues": cells}),
        "no cues of an image": cues(**{"1_cues": None}),
        "no image": cues(**{"1_cues": None, "1_labels": None}),
        "a row out of the grid": cues(**{"0_cues": np.array([[8], [4], [0]])}),
        "a negative row": cues(**{"0_cues": np.array([[8], [-1], [0]])}),
        "a class that no tag has": cues(**{"0_cues": np.array([[12], [1], [2]])}),
        "a class of 300": cues(**{"0_cues": np.array([[300], [1], [2]])}),
        "two rows": cues(**{"0_cues": cells[:2]}),
        "floats": cues(**{"0_cues": cells.astype(float)}),
        "a list as labels": cues(**{"0_labels": [8]}),
        "two classes in a cell": cues(**{"0_labels": np.array([8, 12]), "0_cues": np.array([[8, 12], [1, 1], [2, 2]])}),
        "a label that is no class": cues(**{"0_labels": np.array([5]), "0_cues": np.array([[5], [1], [2]])}),
        "an end too early": cues()[:-30],
        "an index of 2^31 in its memo": b"\x80\x02]r\xff\xff\xff\x7f.",
        "lists in one another": b"\x80\x02" + b"]" * 50_000 + b"a" * 49_999 + b".",
        "tuples that hold one another": b"\x80\x02)" + b"2\x86" * 60 + b"}q\x00h\x00.",
        "a text of 2^31 bytes": b"\x80\x02X\xff\xff\xff\x7f.",
        "a persistent id": b"Pfoo\n.",
    }
    for name, content in contents.items():
        yield Case("pickle", name, IMPORT_SEEDS, "cues.pickle", replaced_by(content))
    lists = {
        "a number twice": "a.jpg 0\nb.jpg 0\n",
        "a name twice": "a.jpg 0\na.jpg 1\n",
        "no number": "a.jpg\nb.jpg 1\n",
        "a negative number": "a.jpg -1\nb.jpg 1\n",
        "a number of 30 digits": f"a.jpg {10**29}\nb.jpg 1\n",
        "a blank line": "a.jpg 0\n\nb.jpg 1\n",
        "no suffix": "a 0\nb 1\n",
    }
    for name, content in lists.items():
        yield Case("list", f"of cues: {name}", IMPORT_SEEDS, "list.txt", replaced_by(content.encode()))


def of_coco() -> Iterator[Case]:
    def edited(change: Callable[[dict], object]) -> Callable[[Path], object]:
        def write(path: Path) -> None:
            content = json.loads(path.read_text())
            change(content)
            path.write_text(json.dumps(content))

        return write

    changes = {
        f"without {name}": lambda content, name=name: content.pop(name)
        for name in ("images", "annotations", "categories")
    }
    changes |= {
        f"an image without {name}": lambda content, name=name: content["images"][0].pop(name)
        for name in ("id", "file_name", "height", "width")
    }
    changes |= {
        f"an annotation without {name}": lambda content, name=name: content["annotations"][0].pop(name)
        for name in ("image_id", "category_id")
    }
    changes |= {
        "an unknown image": lambda content: content["annotations"][0].update(image_id=77),
        "an unknown category": lambda content: content["annotations"][0].update(category_id=99),
        "images as a table": lambda content: content.update(images={}),
        "annotations of None": lambda content: content.update(annotations=None),
        "a size of words": lambda content: content["images"][0].update(height="x"),
        "a negative size": lambda content: content["images"][0].update(height=-5),
        "a size of 10^9": lambda content: content["images"][0].update(height=10**9, width=10**9),
        "a size of 1.5": lambda content: content["images"][0].update(height=1.5),
        "a polygon of words": lambda content: content["annotations"][0].update(segmentation=[["x", "y"]]),
        "a polygon that is a number": lambda content: content["annotations"][0].update(segmentation=5),
        "a code without counts": lambda content: content["annotations"][0].update(segmentation={"size": [12, 16]}),
        "a code of another size": lambda content: content["annotations"][0].update(
            segmentation={"size": [5, 5], "counts": [25]}
        ),
        "a code that is too long": lambda content: content["annotations"][0].update(
            segmentation={"size": [12, 16], "counts": [10**9, 10**9]}
        ),
        "a file out of the folder": lambda content: content["images"][0].update(file_name="../../list.txt"),
        "a file that is not there": lambda content: content["images"][0].update(file_name="x.jpg"),
        "a file name of a number": lambda content: content["images"][0].update(file_name=5),
        "a category's name of None": lambda content: content["categories"][0].update(name=None),
    }

    def called(name: str, split: str) -> str:
        """Of an outline an error names the image, of a photograph that."""
        return (
            f"00000000000{1 if split == 'train' else 3}" if "polygon that" in name or "code" in name else f"{split}2017"
        )

    for name, change in changes.items():
        for split, command in (("train", training_images("coco")), ("val", images("coco"))):
            file = f"coco/annotations/instances_{split}2017.json"
            yield Case("COCO", f"{split}: {name}", command, file, edited(change), called=called(name, split))


def all_cases() -> list[Case]:
    of_formats = (of_manifest, of_classes, of_lists, of_xml, of_photographs, of_masks, of_arrays, of_pickles, of_coco)
    return [case for cases in (anything, *of_formats) for case in cases()]


SCHEMA = configuration.read(projects.ROOT / "workflow/config.schema.yaml")

OF_A_SHELL = (
    "$(touch called)",
    "`touch called`",
    "; touch called;",
    "a && touch called",
    "a | tee called",
    "> called",
    "a\nb",
    "'",
    '"',
    "a b  c",
    "*",
    "{a}",
    "{wildcards.x}",
    "~",
    "$HOME",
    "\\",
    "!x",
    "#",
    "--threads=2",
    "-",
    "%s",
    "é\u202e",
)
"""Texts that mean something to a shell, to Snakemake, or to a parser of options."""


def of_configuration() -> Iterator[tuple[str, dict]]:
    """The configuration with one bad value, for each key several ones; the name begins with the key."""
    for section, keys in configuration.sections(SCHEMA).items():
        for key, part in keys.items():
            for value in _bad_values(configuration._resolved(part, SCHEMA)):
                yield f"{section}: {key} is {value!r}", DEFAULTS | {section: DEFAULTS[section] | {key: value}}
        yield f"{section}: unknown is 1", DEFAULTS | {section: DEFAULTS[section] | {"unknown": 1}}
        yield f"{section} is a list", DEFAULTS | {section: []}


def _bad_values(part: dict) -> Iterator[object]:
    """Values of another type than a key's, and such beyond its range."""
    kind = part.get("type")
    yield None
    yield {"a": 1}
    if kind != "array":
        yield [[]]
    if kind in ("integer", "number"):
        yield from ("x", True, math.nan, math.inf, -math.inf)
        for name, sign in (("minimum", -1), ("exclusiveMinimum", 0), ("maximum", 1), ("exclusiveMaximum", 0)):
            if name in part:
                yield part[name] + sign
    if kind == "integer":
        yield 1.5
    if kind == "boolean":
        yield from (2, "perhaps")
    if kind == "string" or "enum" in part:
        yield from (1, 1.5, True)
    if "enum" in part:
        yield "none of them"
    if kind == "array":
        yield from ("x", 1, [{}], [None])
