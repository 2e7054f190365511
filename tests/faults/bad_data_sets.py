"""Manifests, lists, tags, photographs, masks and annotations that are no good."""

import io
import json
import math
import struct
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from bad_inputs import (
    IMPORT_CAMS,
    IMPORT_MASKS,
    IMPORT_SEEDS,
    SIZE,
    Case,
    images,
    picture,
    replaced,
    replaced_by,
    rewritten,
    training_images,
)
from PIL import Image


def without_checks(change: Callable[[Path], object]) -> Callable[[Path], object]:
    """A change of a table without its last column, the check: as somebody writes it by hand."""
    dropped = rewritten(lambda text: "".join(f"{line.rpartition(',')[0]}\n" for line in text.splitlines()))

    def both(path: Path) -> None:
        dropped(path)
        change(path)

    return both


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
    called |= {"a NUL": "damaged", "a long id": "a" * 300, "another image": "none.jpg", "an unknown tag": "bird"}
    called |= {"an image that is a folder": "photographs"}
    for name, change in changes.items():
        for command in (IMPORT_MASKS, IMPORT_CAMS, IMPORT_SEEDS):
            by_hand = without_checks(change)
            yield Case("manifest", f"{name}, {command[0]}", command, "images.csv", by_hand, called=called.get(name, ""))
    other_tags = replaced(",cat,", ",dog,")
    yield Case("manifest", "other tags than the check's", IMPORT_MASKS, "images.csv", other_tags, called="damaged")


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
        "floats in TIFF": picture("F", (8, 6), "TIFF"),
        "an icon": picture("RGB", (16, 16), "ICO"),
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
            "CMYK": picture("CMYK", size[::-1], "TIFF"),
            "Lab": picture("LAB", size[::-1], "TIFF"),
            "cut": saved(generator.integers(0, 256, (60, 60), np.uint8))[:200],
            "one pixel": saved(good[:1, :1]),
        }
        for name, content in contents.items():
            yield Case("mask", f"{name}, {command[0]}", command, file, replaced_by(content))


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
        "a polygon that goes to infinity": lambda content: content["annotations"][0].update(
            segmentation=[[math.inf, 1, 5, 1, 5, 5, 1, 5]]
        ),
        "a polygon that goes beyond any image": lambda content: content["annotations"][0].update(
            segmentation=[[1e9, 1, 5, 1, 5, 5, 1, 5]]
        ),
        "a polygon that has an odd number": lambda content: content["annotations"][0].update(
            segmentation=[[1, 1, 5, 1, 5, 5, 1]]
        ),
        "a code of letters without any": lambda content: content["annotations"][0].update(
            segmentation={"size": [12, 16], "counts": ""}
        ),
        "an id that stands twice": lambda content: content["images"].append(content["images"][0]),
        "an absolute file": lambda content: content["images"][0].update(file_name="/etc/passwd"),
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
